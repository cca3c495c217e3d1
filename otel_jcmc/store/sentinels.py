"""
Asks the Sentinels in a URL for the master, and makes connections to the master.

If an operator orders a fail-over, the former master remains a master for ten seconds: it accepts
writes that are then lost. So even with an open connection, the service asks the Sentinels regularly
for the master's address.
"""

import asyncio
from typing import Any, Final

import redis.asyncio as redis
from redis.asyncio.connection import parse_url
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

# How often the Sentinels are asked. A Sentinel needs a second to see that a replica was promoted.
# So the service knows the new master after two seconds at most.
ASK_SECONDS: Final = 0.5
# How long one Sentinel may take. A push waits for half a second in total: if one Sentinel hangs, it
# needs time to ask another Sentinel, and for its write.
SENTINEL_SECONDS: Final = 0.2

Address = tuple[str, int]


class Sentinels:
    """
    Asks the Sentinels that one URL names.

    Attributes:
        pool: makes connections to the master.

    Concurrency: use it from one event loop.
    """

    def __init__(
        self,
        hosts: tuple[Address, ...],
        master: str,
        url: str,
        sentinel: dict[str, str],
        options: dict[str, Any],
        connect_seconds: float,
    ) -> None:
        """
        Prepare; no connection is opened yet.

        Args:
            hosts, master, url, sentinel: as in SentinelUrl.
            options: redis-py's options for every connection.
            connect_seconds: how long a connection to the master may take to open.

        Raises:
            TypeError, ValueError, RedisError: *url* has options that redis-py does not know.
        """
        given: dict[str, Any] = {**parse_url(url)}
        for of_one_server in ("host", "port"):
            given.pop(of_one_server, None)
        is_tls = given.pop("connection_class", None) is not None
        theirs = {name: each for name, each in given.items() if name.startswith("ssl_")}
        theirs |= options | sentinel
        theirs |= dict.fromkeys(("socket_connect_timeout", "socket_timeout"), SENTINEL_SECONDS)
        self._master = master
        self._all = Sentinel(  # type: ignore[no-untyped-call]
            hosts, sentinel_kwargs={"ssl": is_tls, **theirs}
        )
        self.pool: redis.ConnectionPool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
            *(master, self._all),
            ssl=is_tls,
            **(options | {"socket_connect_timeout": connect_seconds} | given),
        )

    def pass_over(self) -> None:
        """Ask another Sentinel first next time: the first may hang, or know only the old master."""
        self._all.sentinels.append(self._all.sentinels.pop(0))

    async def newest(self) -> Address | None:
        """
        Ask all Sentinels, and return the master's address; None: no Sentinel answered.

        If their answers differ, the Sentinel that knows of the latest fail-over is right: the
        others hear of a fail-over later. That Sentinel is asked first from now on.
        """
        asked = list(self._all.sentinels)
        told = await asyncio.gather(*map(self._ask, asked), return_exceptions=True)
        known = [
            (answer, each)
            for answer, each in zip(told, asked, strict=True)
            if not isinstance(answer, BaseException)
        ]
        if not known:
            return None
        # If several know of the same fail-over, `max` takes the first, which is in use already.
        (_, address), best = max(known, key=lambda each: each[0][0])
        # Another task may have changed the order meanwhile.
        self._all.sentinels.sort(key=lambda each: each is not best)
        return address

    async def _ask(self, one: Any) -> tuple[int, Address]:
        """Return from *one* Sentinel the number of its last fail-over, and the master's address."""
        state = (await one.sentinel_masters())[self._master]
        return int(state["config-epoch"]), (state["ip"], int(state["port"]))

    async def close(self) -> None:
        """Close the connections to the Sentinels."""
        for each in self._all.sentinels:
            await each.aclose()
