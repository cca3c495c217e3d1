"""
Renders collected gauges as exposition text, in the Prometheus text format or OpenMetrics.

`render` takes the gauges and histograms of one collection, and the text of the service's own
metrics. It returns the bytes of one answer to a scrape.

Source: the Prometheus exposition formats (text 0.0.4), OpenMetrics 1.0.0, and the OpenTelemetry
specification, compatibility/prometheus_and_openmetrics.md for names and units.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, compress
from operator import add
from sys import intern
from typing import Final

import msgspec

from otel_jcmc.metrics.histograms import Distribution, Family
from otel_jcmc.metrics.observed import Column, Labels
from otel_jcmc.metrics.provider import Collected

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_EOF: Final = b"# EOF\n"
_encode = msgspec.json.Encoder().encode
_Made = dict[int, tuple[Sequence[Labels], list[str]]]
# UCUM unit -> the suffix that a Collector adds to the name; a unit in braces is an annotation.
_SUFFIXES: Final = {
    "s": "seconds",
    "1": "ratio",
    "bit/s": "bit_per_second",
    "{frame}/s": "per_second",
    "By": "bytes",
}
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
# The length of the end of a text of labels: a brace and a blank.
_END: Final = 2
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_:]")


def render(
    gauges: Iterable[Collected],
    own: bytes = b"",
    histograms: Iterable[Family] = (),
    *,
    is_openmetrics: bool = False,
) -> Iterator[bytes]:
    """
    Return the whole exposition, piece by piece, with the *own* metrics first.

    *own* must be in the format that is returned, which *is_openmetrics* says. The samples of a
    metric family are never separated by samples of other families. A gauge without observations
    has no lines.
    """
    made: _Made = {}
    yield own.removesuffix(_EOF)
    for family in histograms:
        name = metric_name(family.name, family.unit)
        head = _head(name, "histogram", family.description, is_openmetrics=is_openmetrics)
        yield (head + "".join(_buckets(name, each) for each in family.distributions)).encode()
    for gauge in gauges:
        name = metric_name(gauge.name, gauge.unit)
        head = _head(name, "gauge", gauge.description, is_openmetrics=is_openmetrics)
        for column in gauge.columns:
            lines = _lines(name, column, made)
            if lines:
                yield (head + lines).encode()
                head = ""
    if is_openmetrics:
        yield _EOF


def _head(name: str, kind: str, description: str, *, is_openmetrics: bool) -> str:
    """Return the HELP and TYPE lines of a metric family."""
    description = description.replace("\\", r"\\").replace("\n", r"\n")
    if is_openmetrics:
        description = description.replace('"', r"\"")
    return f"# HELP {name} {description}\n# TYPE {name} {kind}\n"


def _buckets(name: str, of: Distribution) -> str:
    """Return the lines of one histogram; each bucket's count includes the lower buckets."""
    text = _label_text(tuple(of.labels), tuple(of.labels.values()))
    start = text[:-2] + "," if of.labels else "{"
    counts = list(accumulate(of.counts))
    bounds = [*(repr(float(bound)) for bound in of.bounds), "+Inf"]
    lines = [
        f'{name}_bucket{start}le="{bound}"}} {count}'
        for bound, count in zip(bounds, counts, strict=True)
    ]
    return "\n".join(
        [*lines, f"{name}_count{text}{counts[-1]}", f"{name}_sum{text}{float(of.total)!r}", ""]
    )


def _lines(name: str, column: Column, made: _Made) -> str:
    """Return the lines of *column*; an empty text if it has no values."""
    # Rendering all values at once takes a third of the time of rendering them one by one.
    values = column.values
    numbers = _encode(values)[1:-1].decode()
    # None becomes null. NaN and infinite numbers would become null too, but pushes can't have them.
    unknown = numbers.count("null")
    if unknown == len(values):
        return ""
    texts = _texts(column.labels, made)
    written = numbers.split(",")
    if unknown:
        is_known = [each != "null" for each in written]
        texts, written = list(compress(texts, is_known)), list(compress(written, is_known))
    return name + f"\n{name}".join(map(add, texts, written)) + "\n"


def _texts(labels: Sequence[Labels], made: _Made) -> list[str]:
    """Return the texts of *labels*; *made* keeps them for later columns with the same list."""
    known = made.get(id(labels))
    if known is not None:
        return known[1]
    texts = [
        (each.text or _text_of(each))
        if (base := each.base) is None
        else (base.text or _text_of(base))[:-_END] + (each.text or _text_of(each))
        for each in labels
    ]
    # Texts that are put together are not kept until the end of the scrape: they would take more
    # memory than all other data of the participants together.
    if all(each.base is None for each in labels):
        made[id(labels)] = (labels, texts)  # with labels, so that no other list gets its id
    return texts


def _text_of(labels: Labels) -> str:
    """Make the text of the labels that *labels* adds to its base, see `_label_text`."""
    base = labels.base
    if base is None:
        labels.text = _label_text(labels.names, labels.added)
    else:
        # It goes on where the base's text has its end. Many participants have the same labels here.
        names = labels.names[len(base.names) :]
        more = "," + _label_text(names, labels.added)[1:] if names else base.text[-_END:]
        labels.text = intern(more)
    return labels.text


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


def _label_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return labels in braces, escaped, with the blank that must follow."""
    if not names:
        return " "
    text = _template(names) % values
    # Characters to escape are rare: look for them once in the whole text, not in each label.
    if "\\" in text or "\n" in text or text.count('"') != 2 * len(names):
        text = _template(names) % tuple([_escape(each) for each in values])
    return text


@lru_cache(maxsize=256)
def _template(names: tuple[str, ...]) -> str:
    """Return the text of labels with *names*, with a placeholder for each value."""
    return "{" + ",".join(f'{label_name(name)}="%s"' for name in names) + "} "


def _escape(text: str) -> str:
    """Return *text* escaped for use between quotes."""
    if "\\" in text or '"' in text or "\n" in text:
        return text.translate(_ESCAPES)
    return text
