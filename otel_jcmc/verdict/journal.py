"""
Makes the journal of what stood out, such as a bad bridge, with one entry for each thing.

An entry has the beginning, the end and the worst moment. A look is one search for what stands out
among all live participants; a replica makes one every ten seconds.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from otel_jcmc.store.participant import client_digest
from otel_jcmc.verdict.standing import Standing

# A thing ends only when no look has found it for this long. A late push
# may hide it from one or two looks.
GRACE_MS: Final = 25_000


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    One thing that stood out. Redis holds entries in this form, so add fields only at the end.

    Attributes:
        scope: a value of census.Scope; a newer version of the service may write other values.
        since_ms, seen_ms: time of the first look that found the thing, and of the last such look;
            by Redis's clock.
        peak: the highest share of bad participants that a look found.
        coverage: numbers of bad, known, reporting and present participants in the look that found
            the peak; standing.Coverage explains the numbers.
        share: share of bad participants in the last look that found the thing.
        client: if the thing is a sender, the digest of its client id, in hex; empty: not known.
            When an operator erases that client, the service finds this entry by the digest.
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
    """
    Return the entries that continue after a look, and the entries that are over.

    The look was at *now_ms* and has *found* these things. *entries* are the entries before it.
    """
    entries = list(entries)
    over = [each for each in entries if now_ms - each.seen_ms > GRACE_MS]
    going = {(each.scope, each.name): each for each in entries if each not in over}
    for each in found:
        key = (each.scope.value, each.name)
        before = going.get(key)
        going[key] = _grown(before, now_ms, each) if before else _begun(now_ms, each)
    return list(going.values()), over


def _begun(now_ms: int, found: Standing) -> Entry:
    """Return a new entry for a thing that a look has *found* for the first time."""
    what = (found.scope.value, found.name, found.region, now_ms, now_ms)
    client = client_digest(found.client).hex() if found.client else ""
    return Entry(*what, found.share, found.coverage, found.share, client)


def _grown(entry: Entry, now_ms: int, found: Standing) -> Entry:
    """Return *entry* with the newer values of a look that has *found* the same thing again."""
    if found.share > entry.peak:
        entry = replace(entry, peak=found.share, coverage=found.coverage)
    return replace(entry, seen_ms=now_ms, share=found.share)


def at(entries: Iterable[Entry], time_ms: int) -> list[Entry]:
    """Return the entries of the things that stood out at *time_ms*."""
    return [each for each in entries if each.since_ms <= time_ms <= each.seen_ms]
