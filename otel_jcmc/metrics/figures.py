"""
What one process has counted, as plain values: packed for others, resumed by a successor, summed.

In come the dicts that a process counts in; out come bytes for the place that it publishes in
(places.py), and sums over several processes. A sum begins with a copy: what is counted meanwhile,
and what was read of another process, is never written to.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec

# One label's value, or those of two.
Key = str | tuple[str, str]
Counts = dict[Key, int]
# The sum of the values, and then how many there are in each bucket, the unbounded one last.
Buckets = list[int | float]
Tables = dict[str, dict[str, Buckets]]


class Figures(msgspec.Struct):
    """
    What one process has counted, and those before it in its place.

    Attributes:
        since_unix_nano: from when on they have counted.
        counters: name -> label values -> how many.
        gauges: name -> how it is now; what is not known is absent.
        histograms: name -> label value, empty for none -> what was counted.
        origin: of the page that has pushed last, empty where nobody knows.
    """

    since_unix_nano: int
    counters: dict[str, Counts]
    gauges: dict[str, int]
    histograms: Tables
    origin: str = ""


_encode = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Figures).decode


def pack(figures: Figures, most_bytes: int) -> tuple[bytes, list[str]]:
    """
    Return *figures* in *most_bytes* at most, and the names that have not all labels in there.

    The largest lose labels, and those labels stay that were there first: not those with most, which
    change places, and what comes and goes is no counter.
    """
    packed = _encode(figures)
    cut: set[str] = set()
    parts: dict[str, dict[Any, Any]] = {**figures.counters, **figures.histograms}
    while len(packed) > most_bytes and any(parts.values()):
        name = max(parts, key=lambda name: len(_encode(parts[name])))
        parts[name] = dict(islice(parts[name].items(), len(parts[name]) // 2))
        cut.add(name)
        packed = _encode(
            Figures(
                figures.since_unix_nano,
                {name: parts[name] for name in figures.counters},
                figures.gauges,
                {name: parts[name] for name in figures.histograms},
                figures.origin,
            )
        )
    return packed, sorted(cut)


def add_counts(into: Counts, more: Mapping[Key, int]) -> None:
    """Add *more* to what *into* has."""
    for key, count in more.items():
        into[key] = into.get(key, 0) + count


def add_buckets(into: dict[str, Buckets], more: Mapping[str, Buckets]) -> None:
    """Add *more*, of the same buckets, to what *into* has; its lists stay those that they are."""
    for label, buckets in more.items():
        held = into.get(label)
        if held is None:
            # One step, between two of a thread that counts: no bucket is newer than another.
            into[label] = buckets.copy()
        else:
            for at, count in enumerate(buckets.copy()):
                held[at] += count


def sum_counts(each: Iterable[Counts]) -> Counts:
    """Return the sum of *each*; others may count in it meanwhile."""
    total: Counts = {}
    for counts in each:
        # A copy is one step, too.
        add_counts(total, counts.copy())
    return total


def sum_buckets(each: Iterable[dict[str, Buckets]]) -> dict[str, Buckets]:
    """Return the sum of *each*; others may count in it meanwhile."""
    total: dict[str, Buckets] = {}
    for table in each:
        add_buckets(total, table.copy())
    return total
