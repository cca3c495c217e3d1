"""
All services on one Redis agree on the number of partitions before they write.

Redis remembers the number below the key prefix. The first service stores its number there. A
service with another number is refused, because it would look for most participants in the wrong
place. `AgreedLink` is a way to Redis that checks this: it takes commands as a Link does, and sends
none of them before the number in Redis is known to be ours. Old releases had four partitions and
stored no number. If Redis has no number, the service derives it from the keys that Redis has.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final

from redis.exceptions import NoPermissionError

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.store.commands import Command, PartAway, Unfit
from otel_jcmc.store.deadline import Deadline
from otel_jcmc.store.keys import NUMBERS, Keys
from otel_jcmc.store.link import TIMEOUT_SECONDS, AnyLink, tell
from otel_jcmc.store.wire import Told

# How often the service looks at the number in Redis. If Redis was emptied, or is another server
# now, the service stores the number again.
AGAIN_SECONDS: Final = 5.0
# If Redis has another number, the service looks again after this time.
SOON_SECONDS: Final = 1.0
# The key expires a day after the last service has stopped. After that, the service derives the
# number from the keys of sessions that are left.
KEEP_SECONDS: Final = 86_400
# A look (at the number in Redis) takes three exchanges at most. A caller waits for the end of the
# look until the caller's own time-out.
LOOK_SECONDS: Final = 2.0
# So many members of each index are read to find out how many partitions there were.
_LOOKED_AT: Final = 100


class AgreedLink:
    """
    A way to a Redis that has the same number of partitions as this service. It is used like a Link.

    Attributes:
        stood_still, away: see AnyLink.

    Concurrency: any number of tasks of one event loop may call.
    """

    def __init__(self, link: AnyLink, keys: Keys, *, writes: bool = True) -> None:
        """
        Prepare a way to the *keys* by *link*, which belongs to this object from now on.

        With *writes*, commands wait until Redis remembers the number. Without *writes* (a link that
        only reads), commands also go out when Redis refuses to return or to store the number: Redis
        may be out of memory, or a replica.
        """
        self._link = link
        self._keys = keys
        self._writes = writes
        # Whether commands may go out: the number is agreed on, or this link only reads and Redis
        # has no other number, as far as is known.
        self._may_go = False
        # _refusal: why there is no agreement, or why it is not known whether there is one.
        # _failure: why Redis could not be asked.
        self._refusal: Exception | None = None
        self._failure: StoreUnavailable | None = None
        # Whether all keys were found in their places while Redis remembered no number.
        self._has_looked = False
        self._look_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    @property
    def stood_still(self) -> bool:
        """Whether the event loop stood still when the last replies were due, although they came."""
        return self._link.stood_still

    @property
    def away(self) -> str:
        """Why some of the keys can't be reached now, by the last replies; empty if all can."""
        return self._link.away

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """
        Send *commands* and return their replies, as Link.run does, if the number is agreed on.

        If Redis refuses to tell or to store the number, its error is the reply to each command of a
        link that writes.

        Raises:
            StoreUnavailable: Redis did not answer. Caused by an Unfit: Redis has another number, or
                this user may not ask for it.
        """
        now = monotonic()
        if not self._may_go:
            await self._wait(timeout_seconds)
            timeout_seconds -= monotonic() - now
        elif now > self._look_at:
            # The look is sent after these commands and does not delay them.
            self._begin_look()
        if isinstance(self._refusal, Unfit):
            raise StoreUnavailable from self._refusal
        if self._refusal is not None:
            return [self._refusal] * len(commands)
        try:
            return await self._link.run(commands, max(0.0, timeout_seconds))
        except StoreUnavailable as error:
            self._doubt(error)
            raise

    def send(self, commands: Sequence[bytes], timeout_seconds: float, told: Told) -> None:
        """Do what `run` does with *commands*, which are packed; see Link.send."""
        if self._may_go:
            if monotonic() > self._look_at:
                self._begin_look()
            self._link.send(commands, timeout_seconds, partial(self._hear, told))
        else:
            tell(told, self.run(commands, timeout_seconds))

    def _hear(self, told: Told, outcome: list[Any] | Exception) -> None:
        """Call *told* with the *outcome* of a `send`; if it failed, look at the number again."""
        if isinstance(outcome, StoreUnavailable):
            self._doubt(outcome)
        told(outcome)

    def _doubt(self, error: StoreUnavailable) -> None:
        """
        Make the next command wait for a new look at the number, because of *error*.

        After a lost connection, the next answer may come from another Redis. After a time-out,
        commands need not wait: a Redis that is only slow is still the same one.
        """
        if not isinstance(error.__cause__, TimeoutError):
            self._may_go = self._has_looked = False
        self._look_at = 0.0

    def _begin_look(self) -> asyncio.Task[None]:
        """Return the task that looks at the number; start it if none is running."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return self._looking

    async def _wait(self, seconds: float) -> None:
        """
        Look, or wait for the look that is under way.

        Raises:
            StoreUnavailable: the look failed, or did not end in time.
        """
        try:
            async with Deadline(seconds):
                if self._looking is not None:
                    await asyncio.shield(self._looking)
                # A look that began earlier may have waited for a Redis that is back by now.
                if not self._may_go and monotonic() > self._look_at:
                    await asyncio.shield(self._begin_look())
        except TimeoutError as error:
            raise StoreUnavailable from error
        if not self._may_go and self._failure is not None:
            raise StoreUnavailable from self._failure.__cause__

    async def _look(self) -> None:
        """Read the number that Redis remembers, and store ours if it has none."""
        try:
            await self._take(monotonic() + LOOK_SECONDS)
            self._failure = None
        except StoreUnavailable as error:
            self._failure = error
            self._doubt(error)
        finally:
            self._looking = None

    async def _take(self, ends: float) -> None:
        """
        Ask Redis for the number, until the time *ends*, and decide whether commands may go out.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        try:
            refusal = await self._agree(ends)
        except Unfit as unfit:
            self._refusal, self._may_go = unfit, False
            self._look_at = monotonic() + SOON_SECONDS
            return
        self._may_go = self._may_go or refusal is None or not self._writes
        self._refusal = None if self._may_go else refusal
        if refusal is None:
            self._look_at = monotonic() + AGAIN_SECONDS
        else:
            # At 0 the next push looks again at once: Redis may let us store the number by then.
            self._look_at = monotonic() + SOON_SECONDS if self._may_go else 0.0

    async def check(self) -> None:
        """
        Check whether Redis has our number of partitions, as far as can be known; store nothing.

        Raises:
            StoreCannotStart: Redis has another number, or this service cannot use this Redis.
            StoreUnavailable: Redis did not answer.
        """
        try:
            await self._agree(monotonic() + TIMEOUT_SECONDS, tells=False)
        except Unfit as unfit:
            raise StoreCannotStart(str(unfit)) from None
        except StoreUnavailable as away:
            if isinstance(away.__cause__, Unfit):
                raise StoreCannotStart(str(away.__cause__)) from None
            raise

    async def _agree(self, ends: float, *, tells: bool = True) -> Exception | None:
        """
        Return None if Redis and this service agree on the number, otherwise why that is not known.

        If Redis has no number, store ours; with *tells* false, store nothing.

        Raises:
            StoreUnavailable: Redis did not answer.
            Unfit: the numbers differ, or this user of Redis may not ask for the number.
        """
        key, ours = self._keys.remembered, str(self._keys.partitions).encode()
        found = (await self._ask([("GET", key), ("PEXPIRE", key, KEEP_SECONDS * 1000)], ends))[0]
        if found is None:
            if not self._has_looked:
                _, away = await self._look_around(ends)
                if away is not None:
                    return away
            self._has_looked = True
            if not tells:
                return None
            told, found = await self._ask(
                [("SET", key, ours, "NX", "PX", KEEP_SECONDS * 1000), ("GET", key)], ends
            )
            if isinstance(told, Exception):
                return self._refused(told)
        if isinstance(found, PartAway) and not self._may_go:
            # Participants of other partitions need not wait until that part of the cluster is back.
            numbers, _ = await self._look_around(ends)
            return None if numbers == [self._keys.partitions] else found
        if isinstance(found, Exception):
            return self._refused(found)
        if found != ours:
            theirs = next((each for each in NUMBERS if str(each).encode() == found), None)
            raise Unfit(self._disagree(theirs))
        return None

    def _refused(self, error: Exception) -> Exception:
        """
        Return the *error* of Redis, if the next try may have another outcome.

        Raises:
            Unfit: this user may not run the command.
        """
        if isinstance(error, NoPermissionError):
            raise Unfit(
                "REDIS_URL's user may not GET and SET the key that has the number of partitions,"
                f" {self._keys.remembered}: its ACL must allow both"
            )
        return error

    async def _look_around(self, ends: float) -> tuple[list[int], Exception | None]:
        """
        Check whether the keys in Redis are in the partitions where this service would put them.

        Return the numbers of partitions that fit the keys found, ours among them, and the error
        because of which some keys could not be read; None if all keys could be.

        Raises:
            StoreUnavailable: Redis did not answer.
            Unfit: this service would put the keys into other partitions.
        """
        most = Keys(self._keys.prefix, NUMBERS[-1])
        indexes = [*most.each("live"), *most.each("sessions")]
        commands: list[Command] = [
            ("ZRANGEBYSCORE", key, "-inf", "+inf", "LIMIT", 0, _LOOKED_AT) for key in indexes
        ]
        commands += [("EXISTS", key) for key in most.each("past")]
        replies = await self._ask(commands, ends)
        away = None
        where: dict[int, set[str]] = {}
        for at, reply in enumerate(replies):
            if isinstance(reply, PartAway):
                away = reply
            # A key that this user may not read tells nothing.
            if reply and not isinstance(reply, Exception):
                names = reply if isinstance(reply, list) else ()
                seen = where.setdefault(at % most.partitions, set())
                seen.update(name[:2].decode(errors="replace") for name in names)
        numbers = [each for each in NUMBERS if _fits(Keys(most.prefix, each), where)]
        if self._keys.partitions not in numbers:
            raise Unfit(self._disagree(numbers[0] if numbers else None))
        return numbers, away

    def _disagree(self, theirs: int | None) -> str:
        """
        Return the message for an operator when Redis has another number of partitions.

        *theirs* is the number of Redis; None: the keys in Redis fit no number.
        """
        ours, prefix = self._keys.partitions, self._keys.prefix
        if theirs is None:
            return (
                f"JCMC_PARTITIONS is {ours}, but the keys below {prefix} in Redis fit no number:"
                " stop every service and delete them, or set another JCMC_KEY_PREFIX"
            )
        return (
            f"JCMC_PARTITIONS is {ours}, but the keys below {prefix} in Redis are in {theirs}"
            f" partitions: set JCMC_PARTITIONS={theirs}; to change the number, stop every service,"
            " then delete the keys or set another JCMC_KEY_PREFIX"
        )

    async def _ask(self, commands: Sequence[Command], ends: float) -> list[Any]:
        """Return the replies to *commands*; wait for them until the time *ends* at most."""
        return await self._link.run(commands, max(0.0, min(TIMEOUT_SECONDS, ends - monotonic())))

    async def close(self) -> None:
        """Close the connection; a later `run` opens it again, also in another event loop."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        self._may_go, self._look_at = False, 0.0
        await self._link.close()


def _fits(keys: Keys, where: dict[int, set[str]]) -> bool:
    """Say whether *keys* would put these digests into the partitions *where* they were seen."""
    return all(
        # A name that is no digest was not written by this service.
        partition < keys.partitions
        and all(keys.table.get(each[: keys.digits], partition) == partition for each in seen)
        for partition, seen in where.items()
    )
