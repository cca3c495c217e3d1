"""
Holds one read of all live participants, which all callbacks of a collection use.

reading.py gives the store's data to `Building`, which makes a snapshot. The collection then runs
inside `bound`, and the gauges' callbacks get the snapshot from `current`. Both functions use a
context variable, so overlapping collections never share a snapshot.

A new snapshot may use objects of the snapshot before it. If a participant has not pushed since
then, everything about it is used again. If it has pushed with the same attributes, its attributes
and label sets are used again. Only the store decides which participants are live. Numbers are kept
packed, as columns.
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
    """Base class for objects that keep the results of functions that were called with them."""

    __slots__ = ("_derived",)

    def __init__(self) -> None:
        self._derived: dict[Hashable, object] = {}

    def derive(self, make: Callable[[Self], T]) -> T:
        """Return the result of *make* for this object; call *make* only the first time."""
        if make not in self._derived:
            self._derived[make] = make(self)
        return self._derived[make]  # type: ignore[return-value]


class Part(_Deriving):
    """
    Some live participants, as parallel lists: a participant has the same index in each list.

    Attributes:
        stays: the stay of each participant.
    """

    __slots__ = ("_columns", "stays")

    def __init__(self, stays: list[Stay], columns: list[Packed]) -> None:
        """Take *stays*, at least one, and the *columns* of all metrics, see `packed`."""
        super().__init__()
        self.stays = stays
        self._columns = columns

    @classmethod
    def of(cls, participants: Sequence[Participant]) -> Self:
        """Return a part with *participants*, at least one, turned into columns."""
        rows = [each.numbers for each in participants]
        columns = [pack(column) for column in zip(*rows, strict=True)]
        return cls([each.stay for each in participants], columns)

    @classmethod
    def gathered(cls, places: Sequence[tuple["Part", int]]) -> "Part":
        """Return a part with the participants at *places*, (part, index) each, in that order."""
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
        """Return each participant's value of the metric *id_*; each call makes a new list."""
        return unpack(self._columns[id_ - 1], len(self.stays))

    def packed(self, id_: int) -> Packed:
        """Return each participant's value of the metric *id_*, as packed numbers."""
        return self._columns[id_ - 1]

    @property
    def participants(self) -> list[Participant]:
        """All participants of the part; each access makes new objects."""
        rows = zip(*[self.column(id_) for id_ in range(1, LAST_METRIC_ID + 1)], strict=True)
        return [Participant(stay, row) for stay, row in zip(self.stays, rows, strict=True)]

    def forget_verdicts(self, is_late: Sequence[bool]) -> None:
        """Remove state and cause of late participants: their calls may have changed."""
        for id_ in (STATE_ID, CAUSE_ID) if any(is_late) else ():
            column = zip(self.column(id_), is_late, strict=True)
            self._columns[id_ - 1] = pack([None if late else value for value, late in column])


# Member of the store's index -> the participant's expiry there (each push changes it), the Part of
# the last snapshot that has the participant, and the participant's index in that Part.
People = dict[bytes, tuple[bytes, Part, int]]


class Snapshot(_Deriving):
    """
    All participants that were live at the time of the read.

    Attributes:
        parts: the participants, partition by partition, in the order of the index; each participant
            once. A collection handles one part in one step. No other code of the process runs
            during a step, so the size of parts limits how long other code waits.
        people: member -> where the participant is in `parts`, used to build the next snapshot.
        look: the result of the last search for what stands out; None: not known now.
        unread: number of partitions that could not be read; if it is not 0, figures that count
            all participants are unknown.
        tests: number of test participants that `otel-jcmc doctor` has pushed; no other attribute
            includes them.
    """

    __slots__ = ("look", "parts", "people", "tests", "unread")

    def __init__(self, look: Look | None = None) -> None:
        """Begin without participants."""
        super().__init__()
        self.parts: list[Part] = []
        self.people: People = {}
        self.look = look
        self.unread = self.tests = 0

    @property
    def stays(self) -> list[Stay]:
        """The stays of all participants."""
        return [stay for part in self.parts for stay in part.stays]

    @property
    def conferences(self) -> int:
        """The number of conferences with a participant in this snapshot."""
        return len({stay.conference for part in self.parts for stay in part.stays})

    @property
    def counts(self) -> tuple[int, int] | tuple[None, None]:
        """Numbers of participants and conferences; both None if a partition could not be read."""
        return (None, None) if self.unread else self.derive(_count)


def _count(snapshot: Snapshot) -> tuple[int, int]:
    """Return the numbers of participants and of conferences in *snapshot*."""
    return len(snapshot.stays), snapshot.conferences


class Building:
    """Makes a snapshot from the pieces that the store returns."""

    def __init__(self, known: People, expiration_ms: int = 0, look: Look | None = None) -> None:
        """
        Begin without participants; *known* is the attribute `people` of an earlier snapshot.

        *expiration_ms* is the shortest time for which a push keeps a participant live.
        """
        self._known = known
        self._expiration_ms = expiration_ms
        self._made = Snapshot(look)
        self._parts: list[tuple[int, Part]] = []
        self._damaged: ValueError | None = None

    def add(self, live: Live) -> None:
        """Add the participants in *live*, without those whose stored value is damaged."""
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
            # Keep the order of the index, so that all replicas have the same order.
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
        Say for each participant whether its last push is older than two of its push intervals.

        The time of the last push is calculated from the participant's expiry. After a first push it
        may come out too early, because `first_life_ms` of the store may shorten that push's time to
        live. A participant that reports no interval is never late.
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
        """Return the participant in *value*; None: unreadable, gone, or a test participant."""
        if value is None:
            return None
        try:
            if before is not None:
                return from_value(value, before[1].stays[before[2]])
            made = from_value(value)
        except ValueError as error:
            self._damaged = error
            return None
        # Members of an earlier snapshot need no such check. They are not test participants, and
        # can't become test participants, because the client id is in the member.
        if made is not None and made.stay.is_test:
            self._made.tests += 1
            return None
        return made

    def finish(self) -> Snapshot:
        """
        Return the complete snapshot, free the earlier snapshot, and log damaged values.

        With many participants this takes long: do not run it on an event loop.
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
    """Return the snapshot of this context's collection; an empty one outside a collection."""
    return _current.get()


@contextmanager
def bound(snapshot: Snapshot) -> Iterator[None]:
    """Let `current` return *snapshot* in the `with` block, also in threads with its context."""
    token = _current.set(snapshot)
    try:
        yield
    finally:
        _current.reset(token)
