"""
One read of everyone who is live, shared by all callbacks of a collection.

`take` reads the store; the collection that follows runs inside `bound`, and the gauges' callbacks
ask `current`. A context variable ties the two together, so collections that overlap never share a
snapshot. Called by scrape.py and exporter.py.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from otel_jcmc.participants import Participant, from_value
from otel_jcmc.store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Everyone who was live when it was taken.

    Attributes:
        participants: in no particular order, each identity once.
    """

    participants: list[Participant] = field(default_factory=list)
    _derived: dict[Hashable, object] = field(default_factory=dict)

    def derive(self, make: Callable[["Snapshot"], T]) -> T:
        """Return what *make* makes of this snapshot, made once however many callbacks ask."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return self._derived[make]  # type: ignore[return-value]

    @property
    def conferences(self) -> int:
        """How many conferences the participants are in."""
        return len({participant.conference for participant in self.participants})


EMPTY = Snapshot()
_current: ContextVar[Snapshot] = ContextVar("otel_jcmc_snapshot", default=EMPTY)


async def take(store: Store) -> Snapshot:
    """
    Read everyone who is live now.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    return decode(await store.read_live())


def decode(values: list[bytes]) -> Snapshot:
    """Return the snapshot that the stored *values* make; a damaged one is left out and logged."""
    participants = []
    damaged: ValueError | None = None
    for value in values:
        try:
            participant = from_value(value)
        except ValueError as error:
            damaged = error
            continue
        if participant is not None:
            participants.append(participant)
    if damaged is not None:
        log.warning("snapshot: left out what could not be read, the last: %s", damaged)
    return Snapshot(participants)


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
