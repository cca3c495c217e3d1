"""Stores a push in one call, for tests; the service itself submits pushes and gets callbacks."""

import asyncio
from collections.abc import Sequence
from typing import Any

from otel_jcmc.store.commands import Command, pack
from otel_jcmc.store.link import Link
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Write
from otel_jcmc.store.writes import Stored


async def put(store: Store, write: Write) -> Stored:
    """
    Store *write* in *store* and return what Redis did, STORED for JOINED.

    Raises:
        StoreUnavailable: it is not known whether Redis has it.
    """
    told: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()

    def done(stored: Stored | Exception) -> None:
        if told.done():
            return
        if isinstance(stored, Stored):
            told.set_result(Stored.STORED if stored is Stored.JOINED else stored)
        else:
            told.set_exception(stored)

    store.submit(write, done)
    return await told


async def put_many(store: Store, writes: Sequence[Write]) -> list[Stored]:
    """
    Store *writes*, fifty at a time; otherwise like `put`.

    All at once would share a limit of half a second, which is too short on a busy machine.
    """
    stored: list[Stored] = []
    for start in range(0, len(writes), 50):
        lot = writes[start : start + 50]
        stored += await asyncio.gather(*(put(store, write) for write in lot))
    return stored


async def sent(link: Link, commands: list[Command], timeout_seconds: float = 0.5) -> list[Any]:
    """Send *commands* as the service sends pushes, and return the replies."""
    told: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def tell(outcome: list[Any] | Exception) -> None:
        if isinstance(outcome, Exception):
            told.set_exception(outcome)
        else:
            told.set_result(outcome)

    link.send([pack(each) for each in commands], timeout_seconds, tell)
    return await told
