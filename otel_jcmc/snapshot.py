"""
One read of everyone who is live, shared by all callbacks of a collection.

`take` reads the store; the collection that follows runs inside `bound`, and the gauges' callbacks
ask `current`. A context variable ties the two together, so collections that overlap never share a
snapshot. Called by scrape.py and exporter.py.

A snapshot may be made with the stays of the one before it: what describes a participant is taken
over, with the label sets that were made of it, if the store says it byte for byte again. Who is
live, and in which state, is the store's answer alone.
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from otel_jcmc.participants import Participant, Stay, from_value
from otel_jcmc.store import Store

log = logging.getLogger(__name__)
T = TypeVar("T")
Stays = dict[bytes, Stay]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Everyone who was live when it was taken.

    Attributes:
        participants: in no particular order, each identity once.
        stays: their stays by their digest; all that is worth keeping.
    """

    participants: Sequence[Participant] = ()
    stays: Stays = field(default_factory=dict)
    _derived: dict[Hashable, object] = field(default_factory=dict)

    def derive(self, make: Callable[["Snapshot"], T]) -> T:
        """Return what *make* makes of this snapshot, made once however many callbacks ask."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return self._derived[make]  # type: ignore[return-value]

    @property
    def conferences(self) -> int:
        """How many conferences the participants are in."""
        return len({participant.stay.conference for participant in self.participants})


EMPTY = Snapshot()
_current: ContextVar[Snapshot] = ContextVar("otel_jcmc_snapshot", default=EMPTY)


async def take(store: Store, known: Stays | None = None) -> Snapshot:
    """
    Read everyone who is live now; *known* are the stays of an earlier snapshot, as in `decode`.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    return decode(await store.read_live(), known)


def decode(stored: Iterable[tuple[bytes, bytes]], known: Stays | None = None) -> Snapshot:
    """
    Return the snapshot that the *stored* pairs of member and value make.

    A damaged value is left out and logged. *known* are the stays of an earlier snapshot.
    """
    participants = []
    stays: Stays = {}
    stay_of = (known or {}).get
    damaged: ValueError | None = None
    for member, value in stored:
        try:
            participant = from_value(value, stay_of(member))
        except ValueError as error:
            damaged = error
            continue
        if participant is not None:
            stays[member] = participant.stay
            participants.append(participant)
    if damaged is not None:
        log.warning("snapshot: left out what could not be read, the last: %s", damaged)
    return Snapshot(participants, stays)


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
