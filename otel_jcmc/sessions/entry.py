"""
Makes the entries of a session's log, each of which describes one interval; reads them as `Sample`s.

The log is a list in Redis with one entry for each interval, in the order in which the entries were
written. History pages show the log, and the session's span is made from the log. recorder.py uses
`encode` to make an entry; `read` returns the `Sample` of an entry. If two processes take the pushes
of one participant, both write entries. merging.py merges most of these entries, and `in_order`
sorts the entries of a log by time.

An entry is a msgpack array. Empty fields at its end are left out:

    [at, numbers, worst, best, tally, events, attributes, verdict, stretches, counts, pushes]

- at: when the interval's last push came, in tenths of a second since 2024, by Redis's clock.
- numbers: the numbers of the last push. The value of the metric with id n is at index n - 1. It is
  a whole number: a metric with two decimals in the catalogue is stored in hundredths.
- worst, best: the worst and best vitals of the interval; empty if they equal the last push's.
- tally: for each vital its mean, the tenths of a second in which the vital was known, and the
  tenths of a second in which the vital was bad.
- events: the events of the interval, with the tenths of a second from each event to `at`. Only an
  earlier version of the service wrote this field; `in_order` now finds the events from the pushes.
- attributes: the session's attributes (catalogue id -> value) as msgpack; empty if they have not
  changed since the entry before.
- verdict: MOS, state and cause of the last push. They are not in `numbers`, because then the end of
  `numbers` is nearly always empty and is left out.
- stretches: how long the session was in each state (stretches.py).
- counts: the interval's sum of each counter of COUNTED (vitals.py).
- pushes: time and state of each push (pushes.py).

A version of the service that does not know one of the last four fields skips this field.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, LAST_METRIC_ID, METRICS, MOS_ID
from otel_jcmc.sessions.pushes import Event, Push, Story
from otel_jcmc.sessions.pushes import unpack as unpack_pushes
from otel_jcmc.sessions.stretches import TENTH_MS, Stretch, short
from otel_jcmc.sessions.vitals import VITAL_SCALES, StoredTally, vitals

# The index of the attributes in an entry.
ATTRIBUTES_AT: Final = 6
# 2024-01-01 UTC, from which `at` counts. Until 2037, tenths of a second since this time take 5
# bytes of msgpack.
EPOCH_MS: Final = 1_704_067_200_000

# A stored number is divided by this scale to get the metric's value; metric n is at index n - 1.
SCALES: Final = [1] * LAST_METRIC_ID
for _row in METRICS:
    SCALES[_row.id - 1] = 10**_row.decimals
# VERDICT: the indexes of MOS, state and cause in `numbers`. _OURS: the same indexes, and the next
# one, which is the index of the time that a push covers.
VERDICT: Final = slice(MOS_ID - 1, CAUSE_ID)
_OURS: Final = slice(MOS_ID - 1, COVERS_ID)
_NO_VERDICT: Final = [None] * (COVERS_ID + 1 - MOS_ID)
_MOS_SCALE: Final = SCALES[MOS_ID - 1]
# The original script for Jitsi pages pushes only metrics with ids up to this id.
_ORIGINAL: Final = 13
_WITH_DECIMALS: Final = [(row.id - 1, 10**row.decimals) for row in METRICS if row.decimals]
_ORIGINAL_WITH_DECIMALS: Final = [each for each in _WITH_DECIMALS if each[0] < _ORIGINAL]
_NOTHING: Final = [None] * (LAST_METRIC_ID - _ORIGINAL)
_STRETCHES: Final = 8
# In msgpack each float begins with this byte. Other values may contain this byte too.
_FLOAT: Final = 0xCB


class Tally(NamedTuple):
    """One vital in an interval: its mean, how long it was known, and how long it was bad."""

    mean: float
    known_ms: int
    bad_ms: int


class Sample(msgspec.Struct):
    """
    One interval of a session, in the form in which readers of history get it.

    Attributes:
        at_ms: when the interval's last push came, Unix time in ms.
        numbers: the numbers of the last push, the metric with id n at index n - 1. A list metric
            has a list of numbers. None: not known.
        worst, best: the worst and best quality, loss and round trip of the interval, in the units
            of vitals.py.
        tally: a `Tally` for each vital, over all pushes of the interval; empty if an earlier
            version of the service, which did not send spans, wrote the entry.
        events: the events of the interval (pushes.py).
        attributes: the session's attributes from this interval on, catalogue id -> value; None:
            they have not changed since the entry before.
        stretches: how long the session was in each state; empty if *tally* is empty.
        counts: the interval's sum of each counter of COUNTED (vitals.py); empty: not known.
        pushes: the pushes of the interval; empty if an earlier version of the service wrote the
            entry.
    """

    at_ms: int
    numbers: list[Any]
    worst: list[float | None] = msgspec.field(default_factory=lambda: [None] * 3)
    best: list[float | None] = msgspec.field(default_factory=lambda: [None] * 3)
    tally: list[Tally | None] = []
    events: list[Event] = []
    attributes: dict[int, Any] | None = None
    stretches: list[Stretch] = []
    counts: list[int | None] = []
    pushes: list[Push] = []


class Stored(msgspec.Struct, array_like=True, gc=False):
    """The fields of an entry in their stored form, as the top of this file describes them."""

    at: int
    numbers: list[Any]
    worst: list[int | None] | None = None
    best: list[int | None] | None = None
    tally: list[tuple[int, int, int] | None] | None = None
    events: list[tuple[int, str, float | None]] | None = None
    attributes: bytes | None = None
    verdict: list[int | None] | None = None
    stretches: list[Stretch] | None = None
    counts: list[int | None] | None = None
    pushes: bytes | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


def encode(
    at_ms: int,
    numbers: list[Any],
    worst: list[int | None] | None = None,
    best: list[int | None] | None = None,
    attributes: bytes | None = None,
    tally: Sequence[StoredTally | None] | None = None,
    events: Sequence[tuple[int, str, float | None]] | None = None,
    stretches: Sequence[Sequence[Any]] | None = None,
    counts: Sequence[int | None] | None = None,
    pushes: bytes | None = None,
) -> bytes:
    """
    Return an entry.

    This function must be fast, because recorder.py makes an entry for about every third push.

    Args:
        at_ms: when the interval's last push came, Unix time in ms.
        numbers: the numbers of the last push, as in `Sample.numbers`; this function changes the
            list.
        worst, best, attributes, tally, events, stretches, counts, pushes: the fields of the entry
            in their stored form.
    """
    verdict = _cut_verdict(numbers)
    is_original = numbers[_ORIGINAL:] == _NOTHING
    for at, scale in _ORIGINAL_WITH_DECIMALS if is_original else _WITH_DECIMALS:
        value = numbers[at]
        if value is not None:
            # Most metrics with decimals are losses, and most losses are 0 or 0.0. It saves time not
            # to round these.
            numbers[at] = round(value * scale) if value else 0
    lasts = [*vitals(numbers)]
    if is_original:
        del numbers[_ORIGINAL:]
    while numbers and numbers[-1] is None:
        numbers.pop()
    parts: list[Any] = [
        (at_ms - EPOCH_MS) // TENTH_MS,
        numbers,
        None if worst == lasts else worst,
        None if best == lasts else best,
    ]
    parts += (tally or None, events or None, attributes, verdict, stretches or None, counts, pushes)
    while parts[-1] is None:
        parts.pop()
    entry = _encode(parts)
    # Metrics without decimals nearly always have whole numbers already. To look for the byte of a
    # float is faster than to check each number.
    if _FLOAT in entry:
        numbers[:] = [each if type(each) is int else _cut(each) for each in numbers]
        entry = _encode(parts)
    return entry


def pack(stored: Stored) -> bytes:
    """Return the bytes of the entry *stored*; `unpack` is the reverse."""
    parts: list[Any] = [*msgspec.structs.astuple(stored)]
    lasts = [*vitals([*stored.numbers, *[None] * LAST_METRIC_ID][:LAST_METRIC_ID])]
    parts[2:4] = [None if each == lasts else each for each in parts[2:4]]
    rows = [short(each) for each in stored.stretches or ()]
    parts[_STRETCHES] = rows or None
    while parts[-1] is None:
        parts.pop()
    return _encode(parts)


def _cut_verdict(numbers: list[Any]) -> list[int | None] | None:
    """Remove MOS, state and cause from *numbers*; return them as the entry's field `verdict`."""
    mos, state, cause = numbers[VERDICT]
    numbers[_OURS] = _NO_VERDICT
    if mos is not None:
        mos = round(mos * _MOS_SCALE)
    if cause is not None:
        return [mos, state, cause]
    if state is not None:
        return [mos, round(state)]
    return None if mos is None else [mos]


def read(entry: bytes) -> Sample:
    """
    Return the sample of *entry*, without metrics that this version of the service does not know.

    Raises:
        ValueError: the entry is damaged.
    """
    try:
        return _read(_decode(entry))
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"damaged entry: {error}") from error


def unpack(entry: bytes) -> Stored:
    """
    Return the fields of *entry* in their stored form.

    Raises:
        ValueError: the entry is damaged.
    """
    try:
        return _decode(entry)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged entry: {error}") from error


def _read(found: Stored) -> Sample:
    """Return the sample of *found*; if this function raises any error, the entry is damaged."""
    numbers = [_told(value, scale) for value, scale in zip(found.numbers, SCALES, strict=False)]
    numbers += [None] * (LAST_METRIC_ID - len(numbers))
    for at, value in zip(range(MOS_ID - 1, CAUSE_ID), found.verdict or (), strict=False):
        numbers[at] = _told(value, SCALES[at])
    at_ms = EPOCH_MS + found.at * TENTH_MS
    worst, best = (
        [_told(each, scale) for each, scale in zip(of, VITAL_SCALES, strict=False)]
        if of
        else [*vitals(numbers)]
        for of in (found.worst, found.best)
    )
    tally = [
        each and Tally(each[0] / scale, each[1] * TENTH_MS, each[2] * TENTH_MS)
        for each, scale in zip(found.tally or (), VITAL_SCALES, strict=False)
    ]
    events = [Event(at_ms - ago * TENTH_MS, what, value) for ago, what, value in found.events or ()]
    attributes = None if found.attributes is None else _decode_attributes(found.attributes)
    stretches, counts = found.stretches or [], found.counts or []
    return Sample(
        *(at_ms, numbers, worst, best, tally, events, attributes, stretches, counts),
        unpack_pushes(found.pushes or b"", at_ms),
    )


def outlines(entries: Iterable[bytes]) -> list[Sample]:
    """
    Return the samples of a session by time, with only the fields that bands.py and blame.py need.

    If an entry has the field `pushes`, only its pushes and its stretches are read. This takes a
    third of the time that `in_order` takes. Damaged entries are left out.
    """
    found = []
    for entry in entries:
        with suppress(ValueError):
            found.append(_outline(entry))
    found.sort(key=lambda sample: sample.at_ms)
    return found


def _outline(entry: bytes) -> Sample:
    """Return the sample of *entry*: its pushes and stretches, or all fields if it has no pushes."""
    stored = unpack(entry)
    if not stored.pushes:
        return read(entry)
    at_ms = EPOCH_MS + stored.at * TENTH_MS
    pushes = unpack_pushes(stored.pushes, at_ms)
    return Sample(at_ms, [], [], [], stretches=stored.stretches or [], pushes=pushes)


def with_told(known: bytes, told: Mapping[int, Any]) -> bytes:
    """
    Return the packed attributes *known* with the values in *told*, which a newer push has.

    A value in *told* replaces the older value, unless the value in *told* is empty.
    """
    before = _decode_attributes(known) if known else {}
    return _encode(before | {id_: each for id_, each in told.items() if each})


def in_order(entries: Iterable[bytes]) -> list[Sample]:
    """
    Return the samples of a session by time; damaged entries are left out.

    If two processes have written entries for the same time, and these entries were not merged, the
    samples of both entries are returned.
    """
    found = []
    for entry in entries:
        with suppress(ValueError):
            found.append(read(entry))
    found.sort(key=lambda sample: sample.at_ms)
    story = Story()
    pushes = ((push, sample) for sample in found for push in sample.pushes)
    for push, sample in sorted(pushes, key=lambda each: each[0].at_ms):
        sample.events += story.hear(push)
    return found


def _cut(value: Any) -> Any:
    """Return *value* rounded to a whole number; for a list, round each value of the list."""
    if type(value) is list:
        return [_cut(each) for each in value]
    return round(value) if type(value) is float else value


def _told(value: Any, scale: int) -> Any:
    """Return a stored *value* divided by *scale*; for a list, divide each value of the list."""
    if value is None:
        return None
    if type(value) is list:
        return [_told(each, scale) for each in value]
    return value if scale == 1 else value / scale
