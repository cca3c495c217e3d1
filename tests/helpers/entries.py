"""Writes a sample as an entry, as the recorder does, for `entry.read` to read again."""

from collections.abc import Sequence

import msgspec

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions.entry import Sample, Tally, encode
from otel_jcmc.sessions.pushes import pack
from otel_jcmc.sessions.stretches import TENTH_MS, short
from otel_jcmc.sessions.vitals import VITAL_SCALES, StoredTally

_encode = msgspec.msgpack.Encoder().encode


def write(sample: Sample) -> bytes:
    """Return the entry of *sample*."""
    return encode(
        sample.at_ms,
        sample.numbers + [None] * (LAST_METRIC_ID - len(sample.numbers)),
        _whole(sample.worst),
        _whole(sample.best),
        None if sample.attributes is None else _encode(sample.attributes),
        [each and _tenths(each, of) for each, of in zip(sample.tally, VITAL_SCALES, strict=False)],
        [((sample.at_ms - at) // TENTH_MS, what, value) for at, what, value in sample.events],
        [short(each) for each in sample.stretches],
        sample.counts or None,
        pack(sample.pushes) or None,
    )


def _whole(found: Sequence[float | None]) -> list[int | None]:
    """Return vitals as whole numbers."""
    return [
        None if value is None else round(value * scale)
        for value, scale in zip(found, VITAL_SCALES, strict=True)
    ]


def _tenths(tally: Tally, scale: int) -> StoredTally:
    """Return *tally* as it is stored."""
    return round(tally.mean * scale), tally.known_ms // TENTH_MS, tally.bad_ms // TENTH_MS
