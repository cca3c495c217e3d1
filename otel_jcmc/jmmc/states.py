"""
Keeps the state of each session of a JMMC page, because a JMMC page pushes only changed values.

`open` begins a session. `merge` adds the changes of a push and returns the session's whole state.
Redis keeps a session for hours after its last push, longer than a participant is live. So if a page
pushes again after a long pause, one changed field is enough to complete its state. states.lua
merges the changes inside Redis. So no change is lost if several replicas take the pushes, or if one
push overtakes another. The caller must remove secret values from the changes.

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

# How long Redis keeps a session after its last push, in ms: longer than a break in a school lesson,
# shorter than a night.
KEEP_MS: Final = 6 * 3_600_000
# The most seconds that a push waits here for Redis. store/writes.py afterwards stores the push, and
# has a time limit of its own.
_SECONDS: Final = 0.9
# The most pushes that are sent to Redis together, and the most pushes that may wait to be sent.
_BATCH: Final = 256
_QUEUE: Final = 10_000
_SCRIPT: Final = script("jmmc/states", touches_stays=False)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(int | float).decode

# The lowest catalogue id of an attribute. All catalogue ids of metrics are lower.
FIRST_ATTRIBUTE_ID: Final = 64
# The key of a number whose bits tell which metrics the last push had. No metric has this id. A
# replica of another version skips this key, as it skips every id that it does not know.
_TOLD: Final = 63
_TOLD_FIELD: Final = str(_TOLD).encode()

# Catalogue id -> number or text; None: not known.
Changes = dict[int, Any]


class State(NamedTuple):
    """
    The complete state of a session after a push.

    Attributes:
        seq: the number of pushes of the session, including this push.
        known: the last known values: catalogue id -> number or text.
        before: the metrics that the previous push had; bit n is set for the catalogue id n.
    """

    seq: int
    known: Changes
    before: int = 0

    def is_fresh(self, id_: int) -> bool:
        """Return whether the previous push had the metric with the catalogue id *id_*."""
        return bool(self.before >> id_ & 1)


class States:
    """
    Reads and changes the sessions of JMMC pages in one Redis.

    Concurrency: use it from one event loop. Pushes that wait at the same time are sent together.
    """

    def __init__(self, url: str, keys: Keys, most: int = 0) -> None:
        """Prepare without a connection. Redis keeps *most* sessions; 0 means any number."""
        self._keys = keys
        self._most = -(-most // keys.partitions) or -1
        self._link = AgreedLink(open_link(url), keys)
        self._waiting: list[tuple[Command, asyncio.Future[State | None]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def open(self, session_id: str, changes: Changes) -> State:
        """
        Begin a session whose first values are *changes*; return its state.

        Raises:
            StoreUnavailable: it is not known whether Redis has the session.
        """
        state = await self._run(session_id, changes, "1")
        assert state is not None
        return state

    async def merge(self, session_id: str, changes: Changes) -> State | None:
        """
        Add *changes* to a session and return its complete state; None: Redis has no such session.

        Raises:
            StoreUnavailable: it is not known whether Redis has the changes.
        """
        return await self._run(session_id, changes, "0")

    async def _run(self, session_id: str, changes: Changes, opens: str) -> State | None:
        """Send *changes* to Redis with the next batch of pushes; return the session's state."""
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
        """Return the command that calls states.lua for one push; *opens*: "1" opens a session."""
        key, index = self._keys.jmmc(session_id)
        told = sum(1 << id_ for id_ in changes if id_ < _TOLD)
        args: list[Any] = [KEEP_MS, self._most, opens, told]
        for id_, value in changes.items():
            args += (id_, "" if value is None else value if type(value) is str else _encode(value))
        return ("EVALSHA", _SCRIPT.sha, 2, key, index, *args)

    async def _send(self) -> None:
        """
        Send batch after batch until no push waits.

        store/writes.py also sends pushes in batches, but with other needs: it groups pushes by
        partition, limits the bytes of a batch and calls a function with each result. Here, a batch
        has one script call for each push, and a task waits for each result.
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
        """Send the pushes that still wait, hand on their results, then close the connection."""
        if self._sending is not None:
            await self._sending
        await self._link.close()


def _tell(told: asyncio.Future[State | None], reply: Any) -> None:
    """Hand Redis's *reply* to the caller that waits on *told*: a state, None, or an error."""
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
    """Return the state in the *reply* of states.lua; None if this version can't read the reply."""
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
