"""
What is known of the sessions of JMMC pages, which send only what has changed.

`open` begins a session, `merge` adds what a push changes and returns all that is known by then. A
session is kept for hours after its last push, so a page that was away for longer than a participant
lives is whole again with one changed field. Merged in Redis, by states.lua alone, so that replicas
and pushes that overtake each other lose nothing. What is to be kept secret must have been screened
before.

    jcmc:{03}:jmmc:<id>    hash: catalogue id -> number or text; seq; 63 -> metrics of the last push
    jcmc:{03}:jmmc         index of the partition: id -> its last push in ms
"""

import asyncio
from typing import Any, Final, NamedTuple

import msgspec
from redis.exceptions import OutOfMemoryError

from otel_jcmc.catalogue.reasons import Reason, StoreUnavailable
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command
from otel_jcmc.store.deadline import Deadline
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.scripts import run_scripts, script

# As long as a page may be away: a lesson with its breaks, not a night.
KEEP_MS: Final = 6 * 3_600_000
# A push waits for this in all, and then for its participant's turn: see store/live.py.
_SECONDS: Final = 0.9
# In one exchange with Redis, and waiting for one.
_BATCH: Final = 256
_QUEUE: Final = 10_000
_SCRIPT: Final = script("jmmc/states", touches_stays=False)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(int | float).decode

# Of the catalogue: those of metrics are lower.
FIRST_ATTRIBUTE_ID: Final = 64
# No metric's: a replica of another version skips it, as it does with all ids that it does not know.
_TOLD: Final = 63
_TOLD_FIELD: Final = str(_TOLD).encode()

# Catalogue id -> number or text; None: not known.
Changes = dict[int, Any]


class State(NamedTuple):
    """
    All that is known of a session.

    Attributes:
        seq: how many pushes it has had, this one included.
        known: catalogue id -> number or text.
        before: the metrics that the push before this one has told of; a bit for each id.
    """

    seq: int
    known: Changes
    before: int = 0

    def is_fresh(self, id_: int) -> bool:
        """Say whether the push before this one has told of the metric *id_*."""
        return bool(self.before >> id_ & 1)


class States:
    """
    The sessions of JMMC pages in one Redis.

    Concurrency: to be used from one event loop; pushes that are in flight together share a batch.
    """

    def __init__(self, url: str, keys: Keys, most: int = 0) -> None:
        """Prepare; nothing is opened yet. *most* is how many sessions there may be, 0 for any."""
        self._keys = keys
        self._most = -(-most // keys.partitions) or -1
        self._link = AgreedLink(open_link(url), keys)
        self._waiting: list[tuple[Command, asyncio.Future[State | None]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def open(self, session_id: str, changes: Changes) -> State:
        """
        Begin a session of which *changes* are known.

        Raises:
            StoreUnavailable: Redis is not known to have it.
        """
        state = await self._run(session_id, changes, "1")
        assert state is not None
        return state

    async def merge(self, session_id: str, changes: Changes) -> State | None:
        """
        Add *changes* to what is known of a session and return all of it; None: nothing is.

        Raises:
            StoreUnavailable: Redis is not known to have them.
        """
        return await self._run(session_id, changes, "0")

    async def _run(self, session_id: str, changes: Changes, opens: str) -> State | None:
        """Wait for the next batch."""
        if len(self._waiting) >= _QUEUE:
            raise StoreUnavailable(Reason.STORE_BUSY)
        told: asyncio.Future[State | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._command(session_id, changes, opens), told))
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())
        try:
            async with Deadline(_SECONDS):
                return await told
        except TimeoutError:
            raise StoreUnavailable from None

    def _command(self, session_id: str, changes: Changes, opens: str) -> Command:
        """Return the script call for one push."""
        key, index = self._keys.jmmc(session_id)
        told = sum(1 << id_ for id_ in changes if id_ < _TOLD)
        args: list[Any] = [KEEP_MS, self._most, opens, told]
        for id_, value in changes.items():
            args += (id_, "" if value is None else value if type(value) is str else _encode(value))
        return ("EVALSHA", _SCRIPT.sha, 2, key, index, *args)

    async def _send(self) -> None:
        """
        Send batch after batch until nobody waits.

        store/live.py has a group commit too, of other things: it groups by partition, bounds bytes
        and calls back. Here each push is a call of its own, and a task waits for it.
        """
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                commands = [command for command, _ in batch]
                try:
                    replies = await run_scripts(self._link, commands, [_SCRIPT])
                except Exception as error:  # noqa: BLE001  # that it was is known all the same
                    replies = [error] * len(batch)
                for (_, told), reply in zip(batch, replies, strict=True):
                    _tell(told, reply)
        finally:
            self._sending = None

    async def close(self) -> None:
        """Answer who still waits, then close the connection."""
        if self._sending is not None:
            await self._sending
        await self._link.close()


def _tell(told: asyncio.Future[State | None], reply: Any) -> None:
    """Tell who waits what Redis has replied."""
    if told.done():
        return
    if isinstance(reply, list):
        told.set_result(_state(reply))
    elif isinstance(reply, OutOfMemoryError):
        told.set_exception(StoreUnavailable(Reason.STORE_FULL))
    elif isinstance(reply, Exception):
        told.set_exception(StoreUnavailable())
    else:
        told.set_result(None)


def _state(reply: list[bytes]) -> State | None:
    """Return what the script says of a session; what can't be read is nothing to go on with."""
    fields = dict(zip(reply[::2], reply[1::2], strict=True))
    try:
        seq, before = int(fields.pop(b"seq")), int(fields.pop(_TOLD_FIELD, 0))
        numbers = [int(name) for name in fields]
        return State(
            seq,
            {
                id_: _decode(value) if id_ < FIRST_ATTRIBUTE_ID else value.decode()
                for id_, value in zip(numbers, fields.values(), strict=True)
            },
            before,
        )
    except (ValueError, msgspec.MsgspecError):
        return None
