"""The histograms of the fleet, for tests: pushes that count in them, and their buckets."""

from typing import Any

from exposition import scraped
from harness import Service


def fleet(service: Service, name: str, **labels: str) -> dict[str, float]:
    """Scrape, and return the series with *labels*: buckets by their bound, `count` and `sum`."""
    found = {}
    for sample in scraped(service):
        if not sample.name.startswith(f"{name}_"):
            continue
        own = {label: text for label, text in sample.labels.items() if label != "le"}
        if own == labels:
            key = sample.labels.get("le") or sample.name.rpartition("_")[2]
            found[key] = sample.value
    return found


def telling(room: str, metrics: dict[str, Any], region: str | None, name: str) -> dict[str, Any]:
    """Return a push of our client with *metrics*, by the bridge of *region*."""
    quality: dict[str, Any] = {"value": 90}
    if region is not None:
        quality["labels"] = {"serverregion": region}
    return {
        "default_labels": {
            "client_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "participant_id": name,
            "roomname": room,
        },
        "session": {"id": f"fleet-{name}", "interval_ms": 10_000},
        "metrics": {"connectionquality": quality}
        | {field: {"value": value} for field, value in metrics.items()},
    }
