"""
Finds sessions and conferences that are over, and replaces them by spans and summaries.

sweep.lua returns sessions and conferences that are over, and marks them as claimed. This file makes
a span (traces/sweep.py), a summary (summing.py) or both from each session, and a span from each
conference. moves.lua then replaces the session or conference by them in one step, the move. If a
process dies, another process can repeat each step: sweep.lua returns a session again until its move
is done, and moves.lua does a move only once.
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

# One call of sweep.lua checks at most this number of sessions; 200 take Redis about a millisecond.
LOOKS: Final = 200
# A log with more samples than this is decoded in a thread, so that pushes need not wait for it.
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
        """Return the row of *leg*, and the list in Redis that keeps it."""

    async def tend(self) -> None:
        """Remove summaries that are too old or too many."""


# Ended sessions or conferences from sweep.lua: (sid or name of the instance, its hash in Redis).
Over = list[tuple[str, dict[str, str]]]


class Sweep:
    """
    Replaces ended sessions and conferences by spans and summaries, in one Redis.

    Attributes:
        lost: the number of sessions and conferences so far that could not become a span, because
            Redis had dropped them or this version can't read them.
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
        Keep the arguments; `run` sends the first command to Redis.

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
        """Return the span of *leg*: empty here; traces/sweep.py overrides this method."""
        del leg, samples, entries
        return Folded(b"", {}, about.get(CLIENT.id) or "")

    def room_span_of(self, room: str, of_redis: Mapping[str, str]) -> bytes:
        """
        Return the span of a conference: empty here; traces/sweep.py overrides this method.

        Raises:
            ValueError: *of_redis* can't be read.
        """
        del room, of_redis
        return b""

    async def run(self) -> tuple[int, bool]:
        """
        Replace some sessions and conferences that are over.

        Return their number, and whether further ones are waiting.

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
        """Close the connection that reads the journal; the caller closes the link."""
        if self._record is not None:
            await self._record.close()

    async def find_over(self, partition: int) -> tuple[Over, Over, bool]:
        """Claim and return ended sessions and conferences, and whether further ones wait."""
        lost, is_cut, sessions, rooms = await self._call(_SWEEP, partition, LOOKS)
        self.lost += lost
        return _pairs(sessions), _pairs(rooms), bool(is_cut)

    async def move_session(self, partition: int, sid: str, of_redis: Mapping[str, str]) -> int:
        """
        Replace the claimed session *sid* by its span and summary, and return 1.

        Return 0 if another process has done so, or if the session can't be read.
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
        # The journal is needed only for bad calls, to find whether others had the same trouble.
        if self._record is not None and was_bad(samples):
            entries = await self._record.read(leg.started, leg.ended)
        attributes = _attributes(about or who)
        try:
            folded = self.span_of(leg, samples, attributes, entries)
        except Exception as error:  # noqa: BLE001  # that it was is known all the same
            self._trouble.update(repr(error), error)
            folded = self.span_of(leg, (), {}, None)
        kept = NOT_KEPT
        if self._summing is not None:
            kept = await self._summing.row_of(leg, samples, attributes, entries, card)
        move = session_move(leg, folded, kept, keeps_log=self._keeps_logs)
        return int(await self._call(MOVES, partition, *move))

    async def move_room(self, partition: int, room: str, of_redis: Mapping[str, str]) -> int:
        """
        Replace the ended instance *room* of a conference by its span, and return 1.

        Return 0 if it is not over, if another process has done so, or if it can't be read.
        """
        try:
            span = self.room_span_of(room, of_redis)
        except ValueError as error:
            return await self._let_go(partition, "emptied", room, error)
        return int(await self._call(MOVES, partition, *room_move(room, span, of_redis["emptied"])))

    async def _let_go(self, partition: int, key: str, name: str, error: Exception) -> int:
        """Remove *name*, whose data can't be read, from the index *key*; log that; return 0."""
        self._trouble.update(repr(error), error)
        self.lost += 1
        await self._run([("ZREM", self._keys.bases[partition] + key, name)])
        return 0

    async def _samples(self, partition: int, sid: str) -> list[Sample]:
        """Return the samples in the log of the session *sid*, in order of time."""
        key = f"{self._keys.bases[partition]}samples:{sid}"
        entries: list[bytes] = []
        while True:
            start = len(entries)
            (found,) = await self._run([("LRANGE", key, start, start + SAMPLES_AT_ONCE - 1)])
            entries += found
            if len(found) < SAMPLES_AT_ONCE:
                break
        # If the log of a whole day were decoded on the event loop, pushes would have to wait.
        if len(entries) > SAMPLES_AT_ONCE:
            return await asyncio.to_thread(in_order, entries)
        return in_order(entries)

    async def _call(self, of: Any, partition: int, *args: Any) -> Any:
        """Run the script *of* for *partition*, and return its reply."""
        base = self._keys.bases[partition]
        command = ("EVALSHA", of.sha, 1, f"{base}live", *self._keeping, *args)
        (reply,) = await self._run([command])
        return reply

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; raise StoreUnavailable if one of them is an error."""
        return expect_all(await run_scripts(self._link, commands, [_SWEEP, MOVES], SWEEP_SECONDS))


def was_bad(samples: Iterable[Sample]) -> bool:
    """Say whether at least one of *samples* has bad time."""
    return any(each.state == State.BAD for sample in samples for each in sample.stretches)


def _pairs(said: list[Any]) -> Over:
    """Return (name, hash) pairs from the answer of a script, which has each hash as a flat list."""
    return [
        (
            name.decode(),
            {
                # A later version may add fields that are not text; this version does not use them.
                field.decode(errors="replace"): value.decode(errors="replace")
                for field, value in zip(of_redis[::2], of_redis[1::2], strict=True)
            },
        )
        for name, of_redis in zip(said[::2], said[1::2], strict=True)
    ]


def _attributes(about: bytes | None) -> dict[int, Any]:
    """Return the attributes in the packed *about*; an empty dict if they are not known."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_about(about) if about else {}
    return {}
