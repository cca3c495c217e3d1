"""
Packs the counts of one process for other processes, and adds up the counts of several processes.

A process counts in dicts. This file packs these dicts into the bytes that the process publishes in
shared memory (places.py). A sum is a new dict: the functions that sum never change the dicts that
they get.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec

# The value of a metric's only label, or the values of its two labels.
Key = str | tuple[str, str]
Counts = dict[Key, int]
# The sum of the values, then the number of values in each bucket; the unbounded bucket is last.
Buckets = list[int | float]
Tables = dict[str, dict[str, Buckets]]


class Figures(msgspec.Struct):
    """
    The counts of one process, and of the processes that had its place in shared memory before.

    Attributes:
        since_unix_nano: Unix time in ns at which the first of these processes began to count.
        counters: name -> label values -> count.
        gauges: name -> value now; a gauge with an unknown value is absent.
        histograms: name -> label value (empty: the histogram has no label) -> counts.
        origin: web origin of the page that pushed last; empty if not known.
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
    Return *figures* packed in at most *most_bytes*, and the names of metrics that lost labels.

    If they need more bytes, the largest tables lose labels. The labels that were counted first
    stay. Labels with the highest counts would change over time, and a counter must not come and go.
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
    """Add the counts *more* to *into*."""
    for key, count in more.items():
        into[key] = into.get(key, 0) + count


def add_buckets(into: dict[str, Buckets], more: Mapping[str, Buckets]) -> None:
    """Add the counts *more*, which have the same buckets, to the lists in *into*."""
    for label, buckets in more.items():
        held = into.get(label)
        if held is None:
            # A copy is one step of the interpreter: no other thread counts during it, so all
            # buckets are of the same moment.
            into[label] = buckets.copy()
        else:
            for at, count in enumerate(buckets.copy()):
                held[at] += count


def sum_counts(each: Iterable[Counts]) -> Counts:
    """Return the sum of the tables *each*; other threads may keep counting in the tables."""
    total: Counts = {}
    for counts in each:
        # A copy is one step of the interpreter: no other thread counts in between.
        add_counts(total, counts.copy())
    return total


def sum_buckets(each: Iterable[dict[str, Buckets]]) -> dict[str, Buckets]:
    """Return the sum of the tables *each*; other threads may keep counting in the tables."""
    total: dict[str, Buckets] = {}
    for table in each:
        add_buckets(total, table.copy())
    return total
