"""Makes the journal of what stood out: each entry has an onset, an end and a peak."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from otel_jcmc.store.participant import client_digest
from otel_jcmc.verdict.standing import Standing

# A thing has not ended if only one or two looks do not find it: a push may be late.
GRACE_MS: Final = 25_000


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    One thing that stood out. It is stored in this form: add fields only at the end.

    Attributes:
        scope: one of standing.Scope; a newer version may have others.
        since_ms, seen_ms: time of the first and of the last look that found the thing, by Redis's
            clock.
        peak: the highest share of bad participants in a look.
        coverage: numbers of bad, known, reporting and present participants at the peak.
        share: share of bad participants at the last look.
        client: digest in hex of the client id of a sender, to find the entry when that client is
            erased; empty: not known.
    """

    scope: str
    name: str
    region: str
    since_ms: int
    seen_ms: int
    peak: float
    coverage: tuple[int, int, int, int]
    share: float = 0.0
    client: str = ""


def continue_with(
    entries: Iterable[Entry], now_ms: int, found: Iterable[Standing]
) -> tuple[list[Entry], list[Entry]]:
    """Return which entries continue after a look at *now_ms* with *found*, and which are over."""
    entries = list(entries)
    over = [each for each in entries if now_ms - each.seen_ms > GRACE_MS]
    going = {(each.scope, each.name): each for each in entries if each not in over}
    for each in found:
        key = (each.scope.value, each.name)
        before = going.get(key)
        going[key] = _grown(before, now_ms, each) if before else _begun(now_ms, each)
    return list(going.values()), over


def _begun(now_ms: int, found: Standing) -> Entry:
    """Return the entry of a thing that a look has *found* for the first time."""
    what = (found.scope.value, found.name, found.region, now_ms, now_ms)
    client = client_digest(found.client).hex() if found.client else ""
    return Entry(*what, found.share, found.coverage, found.share, client)


def _grown(entry: Entry, now_ms: int, found: Standing) -> Entry:
    """Return *entry* after a look that has *found* it again."""
    if found.share > entry.peak:
        entry = replace(entry, peak=found.share, coverage=found.coverage)
    return replace(entry, seen_ms=now_ms, share=found.share)


def at(entries: Iterable[Entry], time_ms: int) -> list[Entry]:
    """Return the entries that were standing out at *time_ms*."""
    return [each for each in entries if each.since_ms <= time_ms <= each.seen_ms]
