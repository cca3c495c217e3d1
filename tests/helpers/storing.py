"""A push into the store by one call, as tests want it; the service submits and is called back."""

import asyncio

from otel_jcmc.store.live import Store, Stored
from otel_jcmc.store.participant import Write


async def put(store: Store, write: Write) -> Stored:
    """
    Store *write* in *store* and return what Redis did, STORED for JOINED.

    Raises:
        StoreUnavailable: Redis is not known to have it.
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
