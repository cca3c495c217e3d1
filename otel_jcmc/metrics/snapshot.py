"""
One read of everyone who is live, shared by all callbacks of a collection.

`Building` makes it of what the store hands out (reading.py); the collection that follows runs
inside `bound`, and the gauges' callbacks ask `current`. A context variable ties the two together,
so collections that overlap never share a snapshot.

A snapshot may be made with what is known from the one before it: who has not pushed since is taken
over whole, and of who has, what describes him, with the label sets that were made of it, if the
store says it byte for byte again. Who is live, and in which state, is the store's answer alone.
Numbers are kept packed, as columns.
"""

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from operator import itemgetter
from typing import Any, Self, TypeVar

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, LAST_METRIC_ID, STATE_ID
from otel_jcmc.store.packed import NOTHING, Packed, pack, unpack
from otel_jcmc.store.participant import MAX_CLIENT_TTL_MS, Participant, Stay, from_value
from otel_jcmc.store.reads import Live
from otel_jcmc.verdict.record import Look

log = logging.getLogger(__name__)
T = TypeVar("T")


class _Deriving:
    """What remembers what was made of it."""

    __slots__ = ("_derived",)

    def __init__(self) -> None:
        self._derived: dict[Hashable, object] = {}

    def derive(self, make: Callable[[Self], T]) -> T:
        """Return what *make* makes of this, made once however many callbacks ask."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return self._derived[make]  # type: ignore[return-value]


class Part(_Deriving):
    """
    A page of those who are live, at the same place everywhere.

    Attributes:
        stays: who they are.
    """

    __slots__ = ("_columns", "stays")

    def __init__(self, stays: list[Stay], columns: list[Packed]) -> None:
        """Take *stays*, one at least, and the *columns* of all metrics, see `packed`."""
        super().__init__()
        self.stays = stays
        self._columns = columns

    @classmethod
    def of(cls, participants: Sequence[Participant]) -> Self:
        """Turn *participants*, one at least, into columns."""
        rows = [each.numbers for each in participants]
        columns = [pack(column) for column in zip(*rows, strict=True)]
        return cls([each.stay for each in participants], columns)

    @classmethod
    def gathered(cls, places: Sequence[tuple["Part", int]]) -> "Part":
        """Return those who are at *places* of parts, one at least, in that order."""
        parts = list(dict.fromkeys(part for part, _ in places))
        numbers = {part: number for number, part in enumerate(parts)}
        where = [(numbers[part], at) for part, at in places]
        columns = []
        for id_ in range(1, LAST_METRIC_ID + 1):
            if any(part.packed(id_) for part in parts):
                each = [part.column(id_) for part in parts]
                columns.append(pack([each[number][at] for number, at in where]))
            else:
                columns.append(NOTHING)
        return cls([part.stays[at] for part, at in places], columns)

    def column(self, id_: int) -> list[Any]:
        """Return each one's value of the metric *id_*, see Participant. Made anew each time."""
        return unpack(self._columns[id_ - 1], len(self.stays))

    def packed(self, id_: int) -> Packed:
        """Return each one's value of the metric *id_*."""
        return self._columns[id_ - 1]

    @property
    def participants(self) -> list[Participant]:
        """All who are in it. Made anew each time."""
        rows = zip(*[self.column(id_) for id_ in range(1, LAST_METRIC_ID + 1)], strict=True)
        return [Participant(stay, row) for stay, row in zip(self.stays, rows, strict=True)]

    def forget_verdicts(self, is_late: Sequence[bool]) -> None:
        """Take state and cause from those who are late: what was good may not be so by now."""
        for id_ in (STATE_ID, CAUSE_ID) if any(is_late) else ():
            column = zip(self.column(id_), is_late, strict=True)
            self._columns[id_ - 1] = pack([None if late else value for value, late in column])


# Member of the store's index -> its expiry there, which changes with each push, and who it is: the
# part that has it and the place in there.
People = dict[bytes, tuple[bytes, Part, int]]


class Snapshot(_Deriving):
    """
    Everyone who was live when it was taken.

    Attributes:
        parts: partition by partition, as the index has them; each identity once. In parts, because
            nothing else in the process gets a turn while one step of a collection is done: none
            takes longer for more.
        people: everyone by digest; all that is worth keeping for the next snapshot.
        look: what stood out when everybody was looked at last; None: that is not known now.
        unread: partitions that could not be read; with any, nothing is known of everybody.
        tests: how many there were who are nobody: `otel-jcmc doctor` has pushed. They are in none
            of the others.
    """

    __slots__ = ("look", "parts", "people", "tests", "unread")

    def __init__(self, look: Look | None = None) -> None:
        """Begin with nobody."""
        super().__init__()
        self.parts: list[Part] = []
        self.people: People = {}
        self.look = look
        self.unread = self.tests = 0

    @property
    def stays(self) -> list[Stay]:
        """Who was live."""
        return [stay for part in self.parts for stay in part.stays]

    @property
    def conferences(self) -> int:
        """How many conferences they are in."""
        return len({stay.conference for part in self.parts for stay in part.stays})

    @property
    def counts(self) -> tuple[int, int] | tuple[None, None]:
        """How many participants and conferences there are; None where not all could be read."""
        return (None, None) if self.unread else self.derive(_count)


def _count(snapshot: Snapshot) -> tuple[int, int]:
    """Return how many participants and conferences there are, once."""
    return len(snapshot.stays), snapshot.conferences


class Building:
    """A snapshot that is being put together of what the store hands out, in pieces."""

    def __init__(self, known: People, expiration_ms: int = 0, look: Look | None = None) -> None:
        """
        Begin; *known* are the people of an earlier snapshot.

        *expiration_ms* is what participants live for at least, as in `to_write`.
        """
        self._known = known
        self._expiration_ms = expiration_ms
        self._made = Snapshot(look)
        self._parts: list[tuple[int, Part]] = []
        self._damaged: ValueError | None = None

    def add(self, live: Live) -> None:
        """Add those who are *live*; a damaged value is left out."""
        self._made.unread += live.unread
        known, values, people = self._known, live.values, self._made.people
        pushed: list[Participant] = []
        found: list[tuple[bytes, bytes]] = []
        places: list[tuple[Part | None, int]] = []
        for member, expiry in zip(live.members, live.expiries, strict=True):
            if member in values:
                participant = self._read(values[member], known.get(member))
                if participant is None:
                    continue
                places.append((None, len(pushed)))
                pushed.append(participant)
            else:
                places.append(known[member][1:])
            found.append((member, expiry))
        if not found:
            return
        made = Part.of(pushed) if pushed else None
        if made is None or len(pushed) < len(found):
            # In the order of the index, so that all replicas say the same.
            made = Part.gathered([(part or made, at) for part, at in places])  # type: ignore[misc]
        expiries = [expiry for _, expiry in found]
        made.forget_verdicts(self._are_late(live.now_us, expiries, made.column(COVERS_ID)))
        self._parts.append((live.partition, made))
        for at, (member, expiry) in enumerate(found):
            people[member] = expiry, made, at

    def _are_late(
        self, now_us: int, expiries: Sequence[bytes], covers: Sequence[float | None]
    ) -> list[bool]:
        """
        Say of each whether its last push is older than two of its intervals.

        When that was follows from when it expires, but for a newcomer's first push, which lives
        longer; who does not tell an interval is never late.
        """
        least_ms = self._expiration_ms
        return [
            interval_ms is not None
            and float(expiry) - now_us
            < 1000 * (max(least_ms, min(3 * interval_ms, MAX_CLIENT_TTL_MS)) - 2 * interval_ms)
            for expiry, interval_ms in zip(expiries, covers, strict=True)
        ]

    def _read(
        self, value: bytes | None, before: tuple[bytes, Part, int] | None
    ) -> Participant | None:
        """Return who *value* is of, None if it can't be read, is gone, or is only a test."""
        if value is None:
            return None
        try:
            if before is not None:
                return from_value(value, before[1].stays[before[2]])
            made = from_value(value)
        except ValueError as error:
            self._damaged = error
            return None
        # Whoever was no test stays none: the client is a part of the member.
        if made is not None and made.stay.is_test:
            self._made.tests += 1
            return None
        return made

    def finish(self) -> Snapshot:
        """
        Return the snapshot, counted, and let go of what was known; say so if something was damaged.

        All of it is long at once, where there are many: nothing for an event loop.
        """
        self._known = {}
        self._made.parts = [part for _, part in sorted(self._parts, key=itemgetter(0))]
        _ = self._made.counts
        if self._damaged is not None:
            log.warning("snapshot: left out what could not be read, the last: %s", self._damaged)
        return self._made


EMPTY = Snapshot()
_current: ContextVar[Snapshot] = ContextVar("otel_jcmc_snapshot", default=EMPTY)


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
