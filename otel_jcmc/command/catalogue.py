"""Prints the table of metrics, for `otel-jcmc catalogue`."""

import json

from otel_jcmc.catalogue.metrics import METRICS


def catalogue_json() -> str:
    """Return the table of metrics as JSON, with an object for each row."""
    rows = [
        {
            "id": row.id,
            "field": row.field,
            "unit": row.unit,
            "minimum": row.minimum,
            "maximum": row.maximum,
            "otel_name": row.otel_name,
            "otel_unit": row.otel_unit,
        }
        for row in METRICS
    ]
    return json.dumps({"metrics": rows}, indent=1)


def catalogue_text() -> str:
    """Return the table of metrics for a terminal."""
    head = ("id", "field of the push", "unit", "bounds", "JCMC_NAMING=otel", "otel unit")
    rows = [
        (
            str(row.id),
            row.field,
            row.unit,
            f"{row.minimum}..{row.maximum}",
            row.otel_name,
            row.otel_unit,
        )
        for row in METRICS
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    )
