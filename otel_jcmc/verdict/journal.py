"""
What stood out, and when: the looks of standing.py as entries with an onset, an end and a peak.

Readers join it with a participant's state and cause: what a participant's scope was at a time is
what the journal says of that time.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.standing import Coverage, Scope, Seen, Standing, is_bad

# What is absent from a look or two has not ended: a push may be late.
_GRACE_MS: Final = 25_000
_Key = tuple[Scope, str]


class Entry(NamedTuple):
    """
    One thing that stood out.

    Attributes:
        since_ms, seen_ms: of the first and of the last look that found it.
        is_over: no look has found it for longer than a push may be late.
        peak: its highest share.
        coverage: at the peak.
    """

    scope: Scope
    name: str
    region: str
    since_ms: int
    seen_ms: int
    peak: float
    coverage: Coverage
    is_over: bool = False


class Journal:
    """Entries, the newest last, for as long as history lives; at most *most* of them."""

    def __init__(self, keep_ms: int, most: int = 10_000, entries: Iterable[Entry] = ()) -> None:
        """Go on with *entries* that were written before."""
        self._keep_ms, self._most = keep_ms, most
        self._over: list[Entry] = []
        self._open: dict[_Key, Entry] = {}
        for entry in entries:
            if entry.is_over:
                self._over.append(entry)
            else:
                self._open[entry.scope, entry.name] = entry

    def update(self, now_ms: int, found: Iterable[Standing]) -> list[Entry]:
        """Take a look's findings, and return the entries that are new or have ended."""
        changed = []
        for each in found:
            key = each.scope, each.name
            before = self._open.get(key)
            if before is None:
                entry = Entry(*each[:3], now_ms, now_ms, each.share, each.coverage)
                changed.append(entry)
            elif each.share > before.peak:
                entry = before._replace(seen_ms=now_ms, peak=each.share, coverage=each.coverage)
            else:
                entry = before._replace(seen_ms=now_ms)
            self._open[key] = entry
        for key, entry in list(self._open.items()):
            if now_ms - entry.seen_ms > _GRACE_MS:
                ended = entry._replace(is_over=True)
                self._over.append(ended)
                changed.append(ended)
                del self._open[key]
        oldest = now_ms - self._keep_ms
        self._over = [each for each in self._over if each.seen_ms >= oldest][-self._most :]
        return changed

    @property
    def entries(self) -> list[Entry]:
        """All that is known, what goes on last."""
        return [*self._over, *self._open.values()]

    def at(self, time_ms: int) -> list[Entry]:
        """Return what stood out at *time_ms*."""
        return [each for each in self.entries if each.since_ms <= time_ms <= each.seen_ms]


def scope_of(seen: Seen, entries: Iterable[Entry]) -> str:
    """Return how far what is wrong with *seen* reaches, by what stood out then."""
    widest = "participant"
    if not is_bad(seen) or seen.is_direct or seen.cause == rules.SLOW_SENDER.id:
        return widest
    reach = {
        (Scope.FLEET, ""): 4,
        (Scope.REGION, seen.region): 3,
        (Scope.BRIDGE, seen.bridge): 2,
        (Scope.CONFERENCE, seen.conference): 1,
    }
    found = [(reach[key], each.scope.value) for each in entries if (key := each[:2]) in reach]
    return max(found)[1] if found else widest
