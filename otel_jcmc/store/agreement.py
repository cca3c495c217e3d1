"""
The number of partitions, on which all services of one Redis agree before they write.

Redis remembers it below the key prefix. Who comes first says it, and who has another number is
refused: most participants would be looked for where they are not. `AgreedLink` is a way to
Redis that sees to it: in go commands as to a Link, and none of them goes out before the number is
known to be ours. A release that knew only of four remembers nothing; then what it has left tells.
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

# A Redis that was emptied, or that is another one now, is told the number again so soon.
AGAIN_SECONDS: Final = 5.0
# And so soon it is looked again where the number is another one.
SOON_SECONDS: Final = 1.0
# Gone a day after the last service has stopped; then what is left of its sessions tells.
KEEP_SECONDS: Final = 86_400
# A look has three exchanges at the most; who waits for it does so for as long as he may.
LOOK_SECONDS: Final = 2.0
# So many of each index tell how many partitions there were.
_LOOKED_AT: Final = 100


class AgreedLink:
    """
    A way to a Redis whose number of partitions is ours; a Link's words.

    Attributes:
        stood_still, away: as AnyLink has them.

    Concurrency: any number of tasks of one event loop may call.
    """

    def __init__(self, link: AnyLink, keys: Keys, *, writes: bool = True) -> None:
        """
        Prepare a way to the *keys* by *link*, which is ours from now on.

        What *writes* waits until Redis remembers the number. What only reads does not, where Redis
        refuses to say or to remember it: it may be out of memory, or a replica.
        """
        self._link = link
        self._keys = keys
        self._writes = writes
        # Whether what is asked may go out: we agree, or it only reads and nothing is against it.
        self._may_go = False
        # Why we do not agree, or nobody knows whether we do, or could be asked.
        self._refusal: Exception | None = None
        self._failure: StoreUnavailable | None = None
        # Whether all that is there, without a number that is remembered, is in its place.
        self._has_looked = False
        self._look_at = 0.0
        self._looking: asyncio.Task[None] | None = None

    @property
    def stood_still(self) -> bool:
        """Whether the loop did when the last replies were due, which came all the same."""
        return self._link.stood_still

    @property
    def away(self) -> str:
        """Why a part of the keys can't be had now, by the last replies; empty if all can."""
        return self._link.away

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """
        Send *commands* and return their replies, as Link.run does, if the number is agreed on.

        Where Redis refuses to say or to remember it, that is the reply to each of those that write.

        Raises:
            StoreUnavailable: Redis did not answer; or, by an Unfit, the number is another one, or
                this user may not ask for it.
        """
        now = monotonic()
        if not self._may_go:
            await self._wait(timeout_seconds)
            timeout_seconds -= monotonic() - now
        elif now > self._look_at:
            # It comes after these commands: they are not late for it.
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
        """Pass on what came of a `send`."""
        if isinstance(outcome, StoreUnavailable):
            self._doubt(outcome)
        told(outcome)

    def _doubt(self, error: StoreUnavailable) -> None:
        """Look again before anything goes out: it may be another Redis that answers next."""
        # One that is slow is the same.
        if not isinstance(error.__cause__, TimeoutError):
            self._may_go = self._has_looked = False
        self._look_at = 0.0

    def _begin_look(self) -> asyncio.Task[None]:
        """Return the look that is under way, a new one if there is none."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        return self._looking

    async def _wait(self, seconds: float) -> None:
        """
        Look, or wait for the look that is under way.

        Raises:
            StoreUnavailable: nothing came of it, or not in time.
        """
        try:
            async with Deadline(seconds):
                if self._looking is not None:
                    await asyncio.shield(self._looking)
                # One that began before may have waited for a Redis that is back by now.
                if not self._may_go and monotonic() > self._look_at:
                    await asyncio.shield(self._begin_look())
        except TimeoutError as error:
            raise StoreUnavailable from error
        if not self._may_go and self._failure is not None:
            raise StoreUnavailable from self._failure.__cause__

    async def _look(self) -> None:
        """See what number Redis remembers, and let it remember ours if it has none."""
        try:
            await self._take(monotonic() + LOOK_SECONDS)
            self._failure = None
        except StoreUnavailable as error:
            self._failure = error
            self._doubt(error)
        finally:
            self._looking = None

    async def _take(self, ends: float) -> None:
        """Do, before *ends*, what comes of how the number is. Raises StoreUnavailable."""
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
            # A push that may be taken by now hears so at once.
            self._look_at = monotonic() + SOON_SECONDS if self._may_go else 0.0

    async def check(self) -> None:
        """
        See whether the number is ours, as far as anybody can say now; nothing is remembered.

        Raises:
            StoreCannotStart: it is another one, or what is there is none that we can use.
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
        Return why it is not known whether we agree, None if we do.

        Raises:
            StoreUnavailable: Redis did not answer.
            Unfit: we do not agree, or may not ask.
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
            # Others' participants need not wait until that part of the cluster is back.
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
        Return what Redis says, for as long as it may say something else the next time.

        Raises:
            Unfit: this user may not do it.
        """
        if isinstance(error, NoPermissionError):
            raise Unfit(
                "REDIS_URL's user may not GET and SET the key that has the number of partitions,"
                f" {self._keys.remembered}: its ACL must let it"
            )
        return error

    async def _look_around(self, ends: float) -> tuple[list[int], Exception | None]:
        """
        See whether what is there is where we would put it.

        Return the numbers of partitions that would put it there too, ours among them, and why a
        part of it could not be seen.

        Raises:
            StoreUnavailable: Redis did not answer.
            Unfit: it is not.
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
            # What this user may not look at is nothing that we could know.
            if reply and not isinstance(reply, Exception):
                names = reply if isinstance(reply, list) else ()
                seen = where.setdefault(at % most.partitions, set())
                seen.update(name[:2].decode(errors="replace") for name in names)
        numbers = [each for each in NUMBERS if _fits(Keys(most.prefix, each), where)]
        if self._keys.partitions not in numbers:
            raise Unfit(self._disagree(numbers[0] if numbers else None))
        return numbers, away

    def _disagree(self, theirs: int | None) -> str:
        """Return what an operator is told who has set another number than *theirs*."""
        ours, prefix = self._keys.partitions, self._keys.prefix
        if theirs is None:
            return (
                f"JCMC_PARTITIONS is {ours}, and what Redis has under {prefix} fits no number:"
                " stop every service and delete it, or set another JCMC_KEY_PREFIX"
            )
        return (
            f"JCMC_PARTITIONS is {ours}, and what Redis has under {prefix} is in {theirs}"
            f" partitions: set JCMC_PARTITIONS={theirs}; to change the number stop every service,"
            " then delete what is there or set another JCMC_KEY_PREFIX"
        )

    async def _ask(self, commands: Sequence[Command], ends: float) -> list[Any]:
        """Return the replies to *commands*, which must come before *ends*."""
        return await self._link.run(commands, max(0.0, min(TIMEOUT_SECONDS, ends - monotonic())))

    async def close(self) -> None:
        """Close the connection; a later `run` opens it anew, in another event loop if need be."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        self._may_go, self._look_at = False, 0.0
        await self._link.close()


def _fits(keys: Keys, where: dict[int, set[str]]) -> bool:
    """Say whether *keys* have digests that begin so in the partitions *where* they were seen."""
    return all(
        # What is no digest was not put there by us.
        partition < keys.partitions
        and all(keys.table.get(each[: keys.digits], partition) == partition for each in seen)
        for partition, seen in where.items()
    )
