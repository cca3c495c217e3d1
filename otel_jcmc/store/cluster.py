"""
A Redis or Valkey Cluster behind the `run` of a Link: each command goes to the master of its key.

`open_link` makes what a URL wants. In go commands as to a Link, whose keys are of one slot each;
out come their replies in order. What a part of the cluster can't answer now is `PartAway` as the
reply of its commands alone. Which master has which slots is asked of the nodes that the URL names,
again when one says that a slot has moved, and while one is away. Replicas are never asked.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final

from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.commands import ClusterNode, Command, PartAway
from otel_jcmc.store.link import TIMEOUT_SECONDS, AnyLink, Link, tell
from otel_jcmc.store.slots import Address, SlotMap, show, slots_of
from otel_jcmc.store.url import is_cluster, parse_cluster
from otel_jcmc.store.wire import Told

# What one node may take to say who has which slots: of a push's half second enough must be left.
MAP_SECONDS: Final = 0.2
# While a master is away it is looked for so often, beside the pushes.
LOOK_SECONDS: Final = 0.2
# A slot that moves again while it is followed is followed so often.
_FOLLOWS: Final = 3
_NOT_NOW: Final = (AskError, TryAgainError, ClusterDownError)


def open_link(url: str) -> AnyLink:
    """
    Return a link to the Redis, or to the cluster, of *url*; nothing is opened yet.

    Raises:
        StoreCannotStart: *url* has options that redis-py does not know.
    """
    return ClusterLink(url) if is_cluster(url) else Link(url)


class ClusterLink:
    """
    A link to each master of a cluster, opened when it is needed.

    Attributes:
        stood_still: as a Link's, of any of them.

    Concurrency: any number of tasks of one event loop may call.
    """

    def __init__(self, url: str) -> None:
        """
        Prepare; nothing is opened yet.

        Raises:
            StoreCannotStart: *url* has options that redis-py does not know.
        """
        self._url = parse_cluster(url)
        self._seeds = list(self._url.seeds)
        self._links: dict[Address, Link] = {}
        self._link_to(self._seeds[0])
        self._map = SlotMap()
        # Master that did not answer -> why; slot -> why its last command had no answer.
        self._lost: dict[Address, str] = {}
        self._away: dict[int, str] = {}
        self._looking: asyncio.Task[None] | None = None
        self.stood_still = False

    @property
    def away(self) -> str:
        """Why a part of the keys can't be had now, by the last replies; empty if all can."""
        return next(iter(self._away.values()), "")

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """
        Send *commands* and return their replies; a command's error is its reply.

        PartAway is the reply of each whose slot has no master that answers, or is on its way to
        another one. A command without a key goes with the next that has one, else with the one
        before, else to any master. A command may run twice, as by Link.

        Raises:
            StoreUnavailable: there is no master at all, or it is not known who they are.
        """
        ends = monotonic() + timeout_seconds
        self.stood_still = False
        seconds = timeout_seconds
        if not self._map:
            await self._learn(None, ends)
            seconds = max(0.0, ends - monotonic())
        slots = slots_of(commands)
        replies: list[Any] = [None] * len(commands)
        asked: Sequence[int] = range(len(commands))
        for _ in range(_FOLLOWS):
            await self._ask(commands, slots, asked, replies, seconds)
            moved = {slots[at]: replies[at] for at in asked if type(replies[at]) is MovedError}
            if not moved:
                break
            error = next(iter(moved.values()))
            with suppress(StoreUnavailable):
                await self._learn((error.host, error.port) if error.host else None, ends)
            seconds = max(0.0, ends - monotonic())
            # Who goes with a command that has moved goes with it again.
            asked = [at for at in asked if slots[at] in moved]
        self.hear(slots, replies)
        if self._lost and self._lost.keys() >= self._map.masters:
            raise StoreUnavailable from PartAway(next(iter(self._lost.values())))
        return replies

    def send(self, commands: Sequence[bytes], timeout_seconds: float, told: Told) -> None:
        """
        Do what `run` does with *commands*, which are packed; see Link.send.

        Where a master is away or a slot has moved, that command goes once more, by `run`.
        """
        slots = slots_of(commands)
        shares = self._shares(slots, range(len(commands)))
        if self._lost or None in shares:
            tell(told, self.run(commands, timeout_seconds))
            return
        self.stood_still = False
        gathered = _Gathered(
            self, commands, slots, len(shares), monotonic() + timeout_seconds, told
        )
        for master, share in shares.items():
            assert master is not None
            hear = partial(gathered.hear, self._link_to(master), share)
            self._link_to(master).send([commands[at] for at in share], timeout_seconds, hear)

    async def _ask(
        self,
        commands: Sequence[Command],
        slots: Sequence[int | None],
        asked: Sequence[int],
        replies: list[Any],
        seconds: float,
    ) -> None:
        """Put into *replies* those to the commands that are *asked*, each by its slot's master."""
        shares = self._shares(slots, asked)
        parts = [
            self._ask_one(master, [commands[at] for at in share], seconds)
            for master, share in shares.items()
        ]
        # Nearly always one at a quiet time, and no task is needed.
        told = [await parts[0]] if len(parts) == 1 else await asyncio.gather(*parts)
        for share, some in zip(shares.values(), told, strict=True):
            for at, reply in zip(share, some, strict=True):
                replies[at] = reply

    def _shares(
        self, slots: Sequence[int | None], asked: Sequence[int]
    ) -> dict[Address | None, list[int]]:
        """Return master -> which of those *asked* it has; None has what there is no master for."""
        shares: dict[Address | None, list[int]] = {}
        for at in asked:
            shares.setdefault(self._master_of(slots[at]), []).append(at)
        return shares

    def _master_of(self, slot: int | None) -> Address | None:
        """Return the master of *slot*, or one that answers; None: there is none."""
        if slot is not None:
            return self._map.master_of(slot)
        there = (each for each in self._map.masters if each not in self._lost)
        return next(there, None)

    async def _ask_one(
        self, master: Address | None, commands: list[Command], seconds: float
    ) -> list[Any]:
        """Return the replies of *master* to *commands*, PartAway for all of them if it is away."""
        why = "no master has the slot" if master is None else self._lost.get(master, "")
        if master is not None and not why:
            link = self._link_to(master)
            try:
                replies = await link.run(commands, seconds)
            except StoreUnavailable as error:
                cause = error.__cause__
                if isinstance(cause, ClusterNode):
                    raise
                why = f"{show(master)}: {str(cause or '') or 'time-out'}"
                self._lost[master] = why
            else:
                self.stood_still = self.stood_still or link.stood_still
                return replies
        self._look()
        return [PartAway(why)] * len(commands)

    def hear(self, slots: Sequence[int | None], replies: list[Any]) -> None:
        """Learn from *replies* which slots are away; what can't be had now is PartAway."""
        for at, (slot, reply) in enumerate(zip(slots, replies, strict=True)):
            if isinstance(reply, _NOT_NOW):
                replies[at] = PartAway(str(reply))
            if slot is None:
                continue
            if type(reply) is PartAway or isinstance(reply, ClusterDownError):
                self._away[slot] = str(reply)
            else:
                self._away.pop(slot, None)

    def _link_to(self, address: Address) -> Link:
        """Return the link to the node at *address*."""
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = Link(self._url.node(*address), of_cluster=True)
        return link

    async def _learn(self, first: Address | None, ends: float) -> None:
        """
        Ask who has which slots: the node at *first*, masters that are known, then the seeds.

        Raises:
            StoreUnavailable: nobody says it in time.
        """
        known = [each for each in self._map.masters if each not in self._lost]
        why: StoreUnavailable = StoreUnavailable()
        for address in dict.fromkeys([*([first] if first else ()), *known, *self._seeds]):
            left = ends - monotonic()
            if left <= 0:
                break
            link = self._link_to(address)
            try:
                (told,) = await link.run([("CLUSTER", "SLOTS")], min(MAP_SECONDS, left))
                found = SlotMap.from_reply(told, address)
            except StoreUnavailable as error:
                why = error
                if isinstance(error.__cause__, ClusterNode):
                    break
                if address == self._seeds[0]:
                    # The next attempt begins with another one: this one may hang.
                    self._seeds.append(self._seeds.pop(0))
            else:
                if found:
                    self._map = found
                    await self._leave()
                    return
        raise why

    async def _leave(self) -> None:
        """Close the links to those who are masters no more."""
        keep = {*self._map.masters, *self._url.seeds}
        for address in [each for each in self._links if each not in keep]:
            await self._links.pop(address).close()
        self._lost = {each: why for each, why in self._lost.items() if each in self._map.masters}

    def _look(self) -> None:
        """Look from now on for the masters that are away, if nobody does yet."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._find())

    async def _find(self) -> None:
        """Look who has the slots, and whether masters are back, until all are there."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                with suppress(StoreUnavailable):
                    await self._learn(None, monotonic() + TIMEOUT_SECONDS)
                for address in [*self._lost]:
                    with suppress(StoreUnavailable):
                        await self._link_to(address).run([("PING",)], MAP_SECONDS)
                        self._lost.pop(address, None)
                if not self._lost and self._map.is_whole:
                    return
        finally:
            self._looking = None

    async def close(self) -> None:
        """Close the connections; a later `run` opens them anew, in another loop if need be."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        for link in self._links.values():
            await link.close()
        self._map, self._lost, self._away = SlotMap(), {}, {}


class _Gathered:
    """The replies of several masters to the commands of one `send`."""

    __slots__ = (
        "_again",
        "_cluster",
        "_commands",
        "_ends",
        "_missing",
        "_replies",
        "_slots",
        "_told",
    )

    def __init__(
        self,
        cluster: ClusterLink,
        commands: Sequence[bytes],
        slots: Sequence[int | None],
        missing: int,
        ends: float,
        told: Told,
    ) -> None:
        """Tell *told* when *missing* masters of *cluster* have answered, or when time *ends*."""
        self._cluster, self._commands, self._slots = cluster, commands, slots
        self._missing, self._ends, self._told = missing, ends, told
        self._replies: list[Any] = [None] * len(commands)
        # Of which commands it is not known, or not by this master, what becomes of them.
        self._again: list[int] = []

    def hear(self, link: Link, share: list[int], outcome: list[Any] | Exception) -> None:
        """Take the *outcome* of a *share* of the commands, by *link*."""
        cluster, replies = self._cluster, self._replies
        cluster.stood_still = cluster.stood_still or link.stood_still
        if isinstance(outcome, Exception):
            self._again += share
        else:
            for at, reply in zip(share, outcome, strict=True):
                replies[at] = reply
                if isinstance(reply, MovedError):
                    self._again.append(at)
        self._missing -= 1
        if self._missing:
            return
        if self._again:
            tell(self._told, self._once_more())
        else:
            cluster.hear(self._slots, replies)
            self._told(replies)

    async def _once_more(self) -> list[Any]:
        """
        Return the replies, with those to the others asked for again.

        Raises:
            StoreUnavailable: see ClusterLink.run.
        """
        again = self._again
        cluster, replies = self._cluster, self._replies
        left = max(0.0, self._ends - monotonic())
        told = await cluster.run([self._commands[at] for at in again], left)
        for at, reply in zip(again, told, strict=True):
            replies[at] = reply
        cluster.hear(self._slots, replies)
        return replies
