"""
One read of everyone who is live, shared by all callbacks of a collection.

`take` reads the store; the collection that follows runs inside `bound`, and the gauges' callbacks
ask `current`. A context variable ties the two together, so collections that overlap never share a
snapshot. Called by scrape.py and exporter.py.

A snapshot may be made with the one before it at hand: what describes a participant is taken over
from it, with the label sets that were made of it, if the store says it byte for byte again. Who is
live, and in which state, is the store's answer alone.
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
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
        by_member: the same by their digest.
    """

    participants: Sequence[Participant] = ()
    by_member: dict[bytes, Participant] = field(default_factory=dict)
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


async def take(store: Store, before: Snapshot = EMPTY) -> Snapshot:
    """
    Read everyone who is live now; *before* is an earlier snapshot, as in `decode`.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    return decode(await store.read_live(), before)


def decode(stored: Iterable[tuple[bytes, bytes]], before: Snapshot = EMPTY) -> Snapshot:
    """
    Return the snapshot that the *stored* pairs of member and value make.

    A damaged value is left out and logged. *before* is an earlier one, which need not be kept.
    """
    found: dict[bytes, Participant] = {}
    known = before.by_member.get
    damaged: ValueError | None = None
    for member, value in stored:
        try:
            participant = from_value(value, known(member))
        except ValueError as error:
            damaged = error
            continue
        if participant is not None:
            found[member] = participant
    if damaged is not None:
        log.warning("snapshot: left out what could not be read, the last: %s", damaged)
    return Snapshot(list(found.values()), found)


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
