"""
Collected gauges -> exposition text, in the Prometheus text format or OpenMetrics.

In go the gauges of one collection and the text of our own metrics; out come the bytes of one
answer to a scrape. Called by receiver.py through app.py, in a thread of its own.

Source: the Prometheus exposition formats (text 0.0.4), OpenMetrics 1.0.0, and the OpenTelemetry
specification, compatibility/prometheus_and_openmetrics.md for names and units.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from otel_jcmc.provider import Collected

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_EOF: Final = b"# EOF\n"
# UCUM unit -> what a Collector adds to the name; a unit in braces is an annotation.
_SUFFIXES: Final = {
    "s": "seconds",
    "1": "ratio",
    "bit/s": "bit_per_second",
    "{frame}/s": "per_second",
    "By": "bytes",
}
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_:]")


def render(gauges: Iterable[Collected], own: bytes = b"") -> bytes:
    """
    Return the exposition of *gauges*, after *own*, the exposition of our own metrics.

    If *own* is OpenMetrics (it ends in `# EOF`), so is the result. Families are whole and have
    no samples of others between them; a gauge without observations has no family.
    """
    is_openmetrics = own.endswith(_EOF)
    parts = [own.removesuffix(_EOF).decode()]
    # Label sets are shared by a participant's series and live as long as *gauges*.
    label_texts: dict[int, str] = {}
    for gauge in gauges:
        observations = gauge.observations
        if not observations:
            continue
        name = metric_name(gauge.name, gauge.unit)
        description = gauge.description.replace("\\", r"\\").replace("\n", r"\n")
        if is_openmetrics:
            description = description.replace('"', r"\"")
        parts.append(f"# HELP {name} {description}\n# TYPE {name} gauge\n")
        for observation in observations:
            labels: Any = observation.attributes
            if id(labels) not in label_texts:
                label_texts[id(labels)] = _label_text(labels)
        parts += [
            f"{name}{label_texts[id(each.attributes)]}{each.value}\n" for each in observations
        ]
    if is_openmetrics:
        parts.append(_EOF.decode())
    return "".join(parts).encode()


@lru_cache(maxsize=256)
def metric_name(name: str, unit: str) -> str:
    """Return the Prometheus name of the OpenTelemetry gauge *name* with *unit*."""
    made = label_name(name)
    suffix = _SUFFIXES.get(unit, "")
    return made if not suffix or made.endswith(suffix) else f"{made}_{suffix}"


@lru_cache(maxsize=256)
def label_name(name: str) -> str:
    """Return the Prometheus name of the attribute *name*."""
    return _NOT_IN_NAMES.sub("_", name)


def _label_text(labels: dict[str, str]) -> str:
    """Return *labels* in braces, escaped, with the blank that stands before the value."""
    if not labels:
        return " "
    text = _template(tuple(labels)) % tuple(labels.values())
    # To escape is rare: look for the need of it once, not in every label.
    if "\\" in text or "\n" in text or text.count('"') != 2 * len(labels):
        text = _template(tuple(labels)) % tuple([_escape(each) for each in labels.values()])
    return text


@lru_cache(maxsize=256)
def _template(names: tuple[str, ...]) -> str:
    """Return the text of labels with *names*, with a place for each value."""
    return "{" + ",".join(f'{label_name(name)}="%s"' for name in names) + "} "


def _escape(text: str) -> str:
    """Return *text* as it may stand between quotes."""
    if "\\" in text or '"' in text or "\n" in text:
        return text.translate(_ESCAPES)
    return text
