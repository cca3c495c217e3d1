"""
Makes spans and summaries from sessions and conferences that are over.

sweep.lua finds and claims sessions and conferences that are over. A session becomes a span
(traces/sweep.py), a summary (summing.py) or both; a conference becomes a span. moves.lua then
replaces the session or conference in Redis by its span and summary in one atomic step, the move.
If a process ends before the move, nothing is lost: sweep.lua returns the session or conference
again later. If two processes try the same move, only the first has an effect.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec

from otel_jcmc.catalogue.attributes import CLIENT
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.entry import Sample, in_order
from otel_jcmc.sessions.leg import Folded, Leg
from otel_jcmc.sessions.moves import MOVES, NOT_KEPT, Kept, room_move, session_move
from otel_jcmc.store.commands import Command, expect_all
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.link import AnyLink
from otel_jcmc.store.scripts import run_scripts, script
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Record
from otel_jcmc.verdict.rules import State

log = logging.getLogger(__name__)

# Most sessions that a call of sweep.lua looks at: Redis takes about a millisecond for 200 sessions.
LOOKS: Final = 200
# A log with more samples is read in a thread, so that pushes get their turn.
SAMPLES_AT_ONCE: Final = 500
SWEEP_SECONDS: Final = 2.0

_SWEEP: Final = script("sessions/sweep")
_decode_about: Final = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Summing(Protocol):
    """Makes a summary of a session that is over (summing.py)."""

    async def row_of(
        self,
        leg: Leg,
        samples: Sequence[Sample],
        about: Mapping[int, Any],
        entries: Sequence[Entry] | None,
        card: bytes | None,
    ) -> Kept:
        """Return the summary of *leg* as a row, and the list in which the row is kept."""

    async def tend(self) -> None:
        """Remove summaries that are too old or take too many bytes."""


# Sessions or conferences that are over, as (name, hash): the name is the session's sid, or
# "conference:instance"; the hash is what Redis holds about the session or the conference.
Over = list[tuple[str, dict[str, str]]]


class Sweep:
    """
    Replaces finished sessions and conferences by spans and summaries, in one Redis.

    Only keys under one key prefix are read and changed.

    Attributes:
        lost: how many sessions and conferences could not become a span or summary so far, because
            their data in Redis were gone or could not be read.
    """

    def __init__(
        self,
        link: AnyLink,
        keys: Keys,
        keeping: Keeping,
        record: Record | None = None,
        summing: Summing | None = None,
    ) -> None:
        """
        Keep the arguments; nothing is sent to Redis yet.

        *record* reads the journal. If *summing* is None, no summaries are made.
        """
        self._record = record
        self._summing = summing
        self._link = link
        self._keys = keys
        self._keeping = keeping.to_args()
        self._keeps_logs = keeping.history
        self._trouble = Trouble(log, "sessions: something in Redis can't be read: %s")
        self.lost = 0

    def span_of(
        self,
        leg: Leg,
        samples: Sequence[Sample],
        about: Mapping[int, Any],
        entries: Sequence[Entry] | None,
    ) -> Folded:
        """Return an empty span for *leg*; traces/sweep.py overrides this method to make a span."""
        del leg, samples, entries
        return Folded(b"", {}, about.get(CLIENT.id) or "")

    def room_span_of(self, room: str, of_redis: Mapping[str, str]) -> bytes:
        """
        Return an empty span for a conference; traces/sweep.py overrides this method.

        Raises:
            ValueError: *of_redis* can't be read.
        """
        del room, of_redis
        return b""

    async def run(self) -> tuple[int, bool]:
        """
        Replace sessions and conferences that are over by spans and summaries.

        Return how many were replaced, and whether more of them may be over.

        Raises:
            StoreUnavailable: Redis did not answer, or refused the command.
        """
        moved, more = 0, False
        for partition in self._keys.every:
            sessions, rooms, is_cut = await self.find_over(partition)
            for sid, of_redis in sessions:
                moved += await self.move_session(partition, sid, of_redis)
            for room, of_redis in rooms:
                moved += await self.move_room(partition, room, of_redis)
            more = more or is_cut
        if self._summing is not None:
            await self._summing.tend()
        return moved, more

    async def close(self) -> None:
        """Close the connection through which the journal is read; the caller closes the link."""
        if self._record is not None:
            await self._record.close()

    async def find_over(self, partition: int) -> tuple[Over, Over, bool]:
        """
        Claim sessions and conferences of *partition* that are over.

        Return the sessions, the conferences, and whether more of them may be over.
        """
        lost, is_cut, sessions, rooms = await self._call(_SWEEP, partition, LOOKS)
        self.lost += lost
        return _pairs(sessions), _pairs(rooms), bool(is_cut)

    async def move_session(self, partition: int, sid: str, of_redis: Mapping[str, str]) -> int:
        """
        Replace a claimed session by its span and summary, and return 1.

        Return 0 if another process has replaced the session, or if the session can't be read.
        """
        try:
            leg = Leg.from_redis(sid, of_redis)
        except (KeyError, ValueError) as error:
            return await self._let_go(partition, "open", sid, error)
        samples = await self._samples(partition, sid)
        base = self._keys.bases[partition]
        about, who, card = await self._run(
            [
                ("GET", f"{base}about:{sid}"),
                ("GET", f"{base}who:{sid}"),
                ("HGET", f"{base}cards", sid),
            ]
        )
        entries = None
        # The journal tells who had the same trouble, so it is read only for sessions that were bad.
        if self._record is not None and was_bad(samples):
            entries = await self._record.read(leg.started, leg.ended)
        attributes = _attributes(about or who)
        try:
            folded = self.span_of(leg, samples, attributes, entries)
        except Exception as error:  # noqa: BLE001  # a span without samples is better than no span
            self._trouble.update(repr(error), error)
            folded = self.span_of(leg, (), {}, None)
        kept = NOT_KEPT
        if self._summing is not None:
            kept = await self._summing.row_of(leg, samples, attributes, entries, card)
        move = session_move(leg, folded, kept, keeps_log=self._keeps_logs)
        return int(await self._call(MOVES, partition, *move))

    async def move_room(self, partition: int, room: str, of_redis: Mapping[str, str]) -> int:
        """
        Replace a conference that is over by its span, and return 1.

        Return 0 if a participant has come back, if another process has replaced the conference, or
        if the conference can't be read.
        """
        try:
            span = self.room_span_of(room, of_redis)
        except ValueError as error:
            return await self._let_go(partition, "emptied", room, error)
        return int(await self._call(MOVES, partition, *room_move(room, span, of_redis["emptied"])))

    async def _let_go(self, partition: int, key: str, name: str, error: Exception) -> int:
        """
        Give up a session or conference that can't be read: remove its *name* from the index *key*.

        Log *error*, and return 0.
        """
        self._trouble.update(repr(error), error)
        self.lost += 1
        await self._run([("ZREM", self._keys.bases[partition] + key, name)])
        return 0

    async def _samples(self, partition: int, sid: str) -> list[Sample]:
        """Return the samples of the session's log, in the order of time."""
        key = f"{self._keys.bases[partition]}samples:{sid}"
        entries: list[bytes] = []
        while True:
            start = len(entries)
            (found,) = await self._run([("LRANGE", key, start, start + SAMPLES_AT_ONCE - 1)])
            entries += found
            if len(found) < SAMPLES_AT_ONCE:
                break
        # A log of a whole day, decoded on the event loop, would delay pushes.
        if len(entries) > SAMPLES_AT_ONCE:
            return await asyncio.to_thread(in_order, entries)
        return in_order(entries)

    async def _call(self, of: Any, partition: int, *args: Any) -> Any:
        """Run the script *of* in *partition* with *args*, and return its reply."""
        base = self._keys.bases[partition]
        command = ("EVALSHA", of.sha, 1, f"{base}live", *self._keeping, *args)
        (reply,) = await self._run([command])
        return reply

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; raise StoreUnavailable if a reply is an error."""
        return expect_all(await run_scripts(self._link, commands, [_SWEEP, MOVES], SWEEP_SECONDS))


def was_bad(samples: Iterable[Sample]) -> bool:
    """Return whether *samples* have any time in which the session was bad."""
    return any(each.state == State.BAD for sample in samples for each in sample.stretches)


def _pairs(said: list[Any]) -> Over:
    """Return the names and hashes in *said*, a flat list of a script; a hash is a flat list too."""
    return [
        (
            name.decode(),
            {
                # A later version may write fields that are not UTF-8; this version ignores them.
                field.decode(errors="replace"): value.decode(errors="replace")
                for field, value in zip(of_redis[::2], of_redis[1::2], strict=True)
            },
        )
        for name, of_redis in zip(said[::2], said[1::2], strict=True)
    ]


def _attributes(about: bytes | None) -> dict[int, Any]:
    """Return the attributes in *about*; an empty dict if *about* is None, empty or damaged."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_about(about) if about else {}
    return {}
