"""
Sessions and conferences that are over, on their way from Redis's open ones to its outbox.

sweep.lua claims who is over, spans.py makes the span of what is known of them, outbox.lua moves it
into the outbox. Each step can be done again by anybody at any time: a claim is said again until the
move is done, and the move is done once.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.entry import Sample, in_order
from otel_jcmc.sessions.span_marks import marked
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import PARTITIONS, Keys
from otel_jcmc.store.link import Command, Link, expect_all
from otel_jcmc.store.scripts import run_scripts, script
from otel_jcmc.store.sid import sid_member
from otel_jcmc.traces.spans import Leg, fold_conference, fold_session
from otel_jcmc.verdict.record import Record

log = logging.getLogger(__name__)

# Looks of one call: 200 are about a millisecond of Redis's.
LOOKS: Final = 200
SAMPLES_AT_ONCE: Final = 500
SWEEP_SECONDS: Final = 2.0
# For which a span waits in Redis with nobody there to send it.
WAITS_MS: Final = 7 * 86_400_000

_SWEEP: Final = script("traces/sweep")
_OUTBOX: Final = script("traces/outbox")
_decode_about: Final = msgspec.msgpack.Decoder(dict[int, Any]).decode

# What the script calls over: (name, its hash), of sessions and of conferences.
Over = list[tuple[str, dict[str, str]]]


class Sweep:
    """
    The way of what is over, in one Redis under one key prefix.

    Attributes:
        lost: sessions of which Redis knew no more when they were looked at, so far.
    """

    def __init__(
        self, link: Link, key_prefix: str, keeping: Keeping, record: Record | None = None
    ) -> None:
        """Prepare; nothing is asked yet. What stood out meanwhile is in *record*."""
        self._record = record
        self._link = link
        self._keys = Keys(key_prefix)
        self._keeping = keeping.to_args()
        self._keeps_logs = keeping.history
        self._trouble = Trouble(log, "traces: something in Redis can't be read: %s")
        self.lost = 0

    async def run(self) -> tuple[int, bool]:
        """
        Move all that is over; return how many spans that made, and whether there is more to do.

        Raises:
            StoreUnavailable: Redis did not answer, or refuses.
        """
        moved, more = 0, False
        for partition in range(PARTITIONS):
            sessions, rooms, is_cut = await self.find_over(partition)
            for sid, of_redis in sessions:
                moved += await self.move_session(partition, sid, of_redis)
            for room, of_redis in rooms:
                moved += await self.move_room(partition, room, of_redis)
            more = more or is_cut
        return moved, more

    async def close(self) -> None:
        """Close the connection of the record; the link is somebody else's."""
        if self._record is not None:
            await self._record.close()

    async def find_over(self, partition: int) -> tuple[Over, Over, bool]:
        """Claim who is over; return the sessions and the rooms, and whether there are more."""
        lost, is_cut, sessions, rooms = await self._call(_SWEEP, partition, LOOKS)
        self.lost += lost
        return _pairs(sessions), _pairs(rooms), bool(is_cut)

    async def move_session(self, partition: int, sid: str, of_redis: Mapping[str, str]) -> int:
        """Move a claimed session into the outbox; 0 if somebody else has."""
        try:
            leg = Leg.from_redis(sid, of_redis)
        except (KeyError, ValueError) as error:
            return await self._let_go(partition, "open", sid, error)
        samples = await self._samples(partition, sid)
        base = self._keys.bases[partition]
        about, who = await self._run([("GET", f"{base}about:{sid}"), ("GET", f"{base}who:{sid}")])
        entries = None
        if self._record is not None:
            entries = await self._record.read(leg.started, leg.ended)
        try:
            folded = fold_session(leg, samples, _attributes(about or who), entries)
        except Exception as error:  # noqa: BLE001  # that it was is known all the same
            self._trouble.update(repr(error), error)
            folded = fold_session(leg, (), {})
        kept = [part for pair in folded.kept.items() for part in pair]
        span = marked(folded.span, folded.client, sid_member(sid))
        move = (WAITS_MS, span, sid, leg.instance, int(self._keeps_logs), *kept)
        return int(await self._call(_OUTBOX, partition, *move))

    async def move_room(self, partition: int, room: str, of_redis: Mapping[str, str]) -> int:
        """Move a conference that is over into the outbox; 0 if it is not, or somebody else has."""
        try:
            span = fold_conference(room, of_redis)
        except ValueError as error:
            return await self._let_go(partition, "emptied", room, error)
        move = (WAITS_MS, span, room, of_redis["emptied"])
        return int(await self._call(_OUTBOX, partition, *move))

    async def _let_go(self, partition: int, key: str, name: str, error: Exception) -> int:
        """Forget what nobody can make a span of; return that none was."""
        self._trouble.update(repr(error), error)
        self.lost += 1
        await self._run([("ZREM", self._keys.bases[partition] + key, name)])
        return 0

    async def _samples(self, partition: int, sid: str) -> list[Sample]:
        """Return the log of a session."""
        key = f"{self._keys.bases[partition]}samples:{sid}"
        entries: list[bytes] = []
        while True:
            start = len(entries)
            (found,) = await self._run([("LRANGE", key, start, start + SAMPLES_AT_ONCE - 1)])
            entries += found
            if len(found) < SAMPLES_AT_ONCE:
                return in_order(entries)

    async def _call(self, of: Any, partition: int, *args: Any) -> Any:
        """Return what a script says of *partition*."""
        base = self._keys.bases[partition]
        command = ("EVALSHA", of.sha, 1, f"{base}live", *self._keeping, *args)
        (reply,) = await self._run([command])
        return reply

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; an error among them counts as no answer."""
        scripts = [_SWEEP, _OUTBOX]
        return expect_all(await run_scripts(self._link, commands, scripts, SWEEP_SECONDS))


def _pairs(said: list[Any]) -> Over:
    """Return the pairs that the script has said: a name, and a hash in pairs of its own."""
    return [
        (
            name.decode(),
            {
                # What a later version has put there may be no text, and is not looked at.
                field.decode(errors="replace"): value.decode(errors="replace")
                for field, value in zip(of_redis[::2], of_redis[1::2], strict=True)
            },
        )
        for name, of_redis in zip(said[::2], said[1::2], strict=True)
    ]


def _attributes(about: bytes | None) -> dict[int, Any]:
    """Return the attributes of a session as they were last, none if nobody knows them."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_about(about) if about else {}
    return {}
