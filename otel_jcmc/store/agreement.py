"""
All services on one Redis agree on the number of partitions before they write.

Redis keeps the number in a key that begins with the key prefix. The first service stores its number
there. A service with another number sends no pushes to this Redis, because it would look for most
participants in the wrong partition. `AgreedLink` checks the number: it takes commands as a Link
does, and sends the first command only when Redis has our number. Old releases had four partitions
and stored no number. If Redis has no number, the service derives it from the other keys in Redis.
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

# How often the service reads the number in Redis. If Redis was emptied, or if it is another server
# now, the service stores the number again.
AGAIN_SECONDS: Final = 5.0
# If Redis has another number, the service looks again after this time.
SOON_SECONDS: Final = 1.0
# The key expires a day after the last service has stopped. A service that starts later derives the
# number from the keys of sessions that Redis still has.
KEEP_SECONDS: Final = 86_400
# To read the number, and to store it if Redis has none, takes three exchanges at most. A caller
# waits for these exchanges until the caller's own time-out.
LOOK_SECONDS: Final = 2.0
# The most members that are read of each index, to find out how many partitions Redis has.
_LOOKED_AT: Final = 100


class AgreedLink:
    """
    A link that sends commands only to a Redis with our number of partitions; used like a Link.

    Attributes:
        stood_still, away: see AnyLink.

    Concurrency: any number of tasks of one event loop may call.
    """

    def __init__(self, link: AnyLink, keys: Keys, *, writes: bool = True) -> None:
        """
        Prepare to send commands for *keys* by *link*, which this object closes at its end.

        With *writes*, commands wait until Redis has stored the number. Without *writes* (a link
        that only reads), commands also go out when Redis refuses to return or to store the number:
        Redis may be out of memory, or a replica.
        """
        self._link = link
        self._keys = keys
        self._writes = writes
        # Whether commands may go out: Redis has our number, or this link only reads and Redis has
        # shown no other number.
        self._may_go = False
        # _refusal: why commands may not go out: Redis has another number, or refuses to tell it.
        # _failure: why Redis did not answer the question for the number.
        self._refusal: Exception | None = None
        self._failure: StoreUnavailable | None = None
        # Whether the keys were found in the right partitions while Redis had no number.
        self._has_looked = False
        self._look_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    @property
    def stood_still(self) -> bool:
        """Whether the event loop stood still when the last replies were due, and read them late."""
        return self._link.stood_still

    @property
    def away(self) -> str:
        """Why some keys are unreachable, as the last replies showed; empty: all are reachable."""
        return self._link.away

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """
        Send *commands* and return their replies, as Link.run does, if Redis has our number.

        If Redis refuses to return or to store the number, a link that writes sends no command: the
        error of Redis is then the reply to each command.

        Raises:
            StoreUnavailable: Redis did not answer. If its cause is an Unfit, Redis has another
                number, or this user of Redis may not read the number.
        """
        now = monotonic()
        if not self._may_go:
            await self._wait(timeout_seconds)
            timeout_seconds -= monotonic() - now
        elif now > self._look_at:
            # The question for the number is sent after these commands and does not delay them.
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
        """Send packed *commands* as `run` does; *told* gets the replies, see Link.send."""
        if self._may_go:
            if monotonic() > self._look_at:
                self._begin_look()
            self._link.send(commands, timeout_seconds, partial(self._hear, told))
        else:
            tell(told, self.run(commands, timeout_seconds))

    def _hear(self, told: Told, outcome: list[Any] | Exception) -> None:
        """Call *told* with the *outcome* of a `send`; after a failure, read the number again."""
        if isinstance(outcome, StoreUnavailable):
            self._doubt(outcome)
        told(outcome)

    def _doubt(self, error: StoreUnavailable) -> None:
        """
        Let the next command start a new read of the number in Redis, because of *error*.

        After a lost connection, that command waits for the number, because another Redis may answer
        now. After a time-out it does not wait: the Redis is the same, and only slow.
        """
        if not isinstance(error.__cause__, TimeoutError):
            self._may_go = self._has_looked = False
        self._look_at = 0.0

    def _begin_look(self) -> asyncio.Task[None]:
        """Return the task that reads the number in Redis; start it if it is not running."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return self._looking

    async def _wait(self, seconds: float) -> None:
        """
        Wait at most *seconds* until the number in Redis was read; start the read if none runs.

        Raises:
            StoreUnavailable: the read failed, or did not end in time.
        """
        try:
            async with Deadline(seconds):
                if self._looking is not None:
                    await asyncio.shield(self._looking)
                # A read that began earlier may have failed although Redis is back by now.
                if not self._may_go and monotonic() > self._look_at:
                    await asyncio.shield(self._begin_look())
        except TimeoutError as error:
            raise StoreUnavailable from error
        if not self._may_go and self._failure is not None:
            raise StoreUnavailable from self._failure.__cause__

    async def _look(self) -> None:
        """Read the number in Redis, store ours if Redis has none, and note a failure."""
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
            # 0 lets the next push ask again at once: Redis may store the number by then.
            self._look_at = monotonic() + SOON_SECONDS if self._may_go else 0.0

    async def check(self) -> None:
        """
        Check that Redis does not have another number of partitions than ours; store nothing.

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
        Return None if Redis has our number, otherwise the error of Redis that left this unknown.

        If Redis has no number, store ours. With *tells* false, store nothing.

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
            # The node that keeps the number is away. Participants on other nodes need not wait.
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
        Return *error*, the refusal of Redis, if Redis may accept the same command later.

        Raises:
            Unfit: the ACL of Redis forbids this user to run the command.
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

        Return the numbers of partitions that fit the keys found, ours among them. Return also the
        error because of which some keys could not be read; None if all keys were read.

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
            # A key that this user of Redis may not read is ignored.
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

        *theirs* is the number that Redis has; None: the keys in Redis fit no number.
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
        # A name that is no digest fits everywhere, because this service did not write it.
        partition < keys.partitions
        and all(keys.table.get(each[: keys.digits], partition) == partition for each in seen)
        for partition, seen in where.items()
    )
