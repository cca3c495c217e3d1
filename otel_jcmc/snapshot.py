"""
One read of everyone who is live, shared by all callbacks of a collection.

`Building` makes it of what the store hands out; the collection that follows runs inside `bound`,
and the gauges' callbacks ask `current`. A context variable ties the two together, so collections
that overlap never share a snapshot. Called by scrape.py and exporter.py.

A snapshot may be made with the stays of the one before it: what describes a participant is taken
over, with the label sets that were made of it, if the store says it byte for byte again. Who is
live, and in which state, is the store's answer alone.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from otel_jcmc.catalogue import LAST_METRIC_ID
from otel_jcmc.participants import Stay, from_value
from otel_jcmc.store import Pairs, Store

log = logging.getLogger(__name__)
T = TypeVar("T")
Stays = dict[bytes, Stay]


def _no_numbers() -> list[list[Any]]:
    return [[] for _ in range(LAST_METRIC_ID)]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Everyone who was live when it was taken; participants are at the same place everywhere.

    Attributes:
        stays: who they are, in no particular order, each identity once.
        numbers: by the ids of the metrics, from 1 on: each one's value, see Participant.
        by_member: the stays by their digest; all that is worth keeping for the next snapshot.
    """

    stays: list[Stay] = field(default_factory=list)
    numbers: list[list[Any]] = field(default_factory=_no_numbers)
    by_member: Stays = field(default_factory=dict)
    _derived: dict[Hashable, object] = field(default_factory=dict)

    def derive(self, make: Callable[["Snapshot"], T]) -> T:
        """Return what *make* makes of this snapshot, made once however many callbacks ask."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return self._derived[make]  # type: ignore[return-value]

    @property
    def conferences(self) -> int:
        """How many conferences the participants are in."""
        return len({stay.conference for stay in self.stays})


class Building:
    """A snapshot that is being put together of what the store hands out, in pieces."""

    def __init__(self, known: Stays) -> None:
        """Begin; *known* are the stays of an earlier snapshot."""
        self._known = known
        self._made = Snapshot()
        self._damaged: ValueError | None = None

    def add(self, pairs: Pairs) -> None:
        """Add the participants in *pairs*; a damaged value is left out."""
        made = self._made
        rows = []
        for member, value in pairs:
            try:
                participant = from_value(value, self._known.get(member))
            except ValueError as error:
                self._damaged = error
                continue
            if participant is not None:
                made.by_member[member] = participant.stay
                made.stays.append(participant.stay)
                rows.append(participant.numbers)
        # Here and not at the end: nothing else in the process gets a turn while they are turned.
        if rows:
            for column, values in zip(made.numbers, zip(*rows, strict=True), strict=True):
                column.extend(values)

    def finish(self) -> Snapshot:
        """Return the snapshot; say so if something was damaged."""
        if self._damaged is not None:
            log.warning("snapshot: left out what could not be read, the last: %s", self._damaged)
        return self._made


EMPTY = Snapshot()
_current: ContextVar[Snapshot] = ContextVar("otel_jcmc_snapshot", default=EMPTY)


async def take(store: Store, known: Stays | None = None) -> Snapshot:
    """
    Read everyone who is live now; *known* are the stays of an earlier snapshot.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    building = Building(known or {})
    async for pairs in store.read_live():
        building.add(pairs)
    return building.finish()


def current() -> Snapshot:
    """Return the snapshot of the collection that is running in this context; empty outside one."""
    return _current.get()


@contextmanager
def bound(snapshot: Snapshot) -> Iterator[None]:
    """Make *snapshot* the current one for what runs inside, threads that copy the context too."""
    token = _current.set(snapshot)
    try:
        yield
    finally:
        _current.reset(token)
