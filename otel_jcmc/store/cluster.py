"""
A link to a Redis or Valkey Cluster, used like a Link: each command goes to the master of its key.

`open_link` makes the link that a URL needs. `ClusterLink` takes commands as a Link does, each with
keys of one slot, and returns the replies in order. If a master does not answer, its commands have
`PartAway` as their reply; the other masters answer their commands. The link asks the nodes which
master has which slots: before the first command, when a node answers that a slot has moved, and
while a master is away. It sends nothing to the cluster's replicas.
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

# How long a node may take to name the masters: a push waits at most 0.5 s, and needs time to write.
MAP_SECONDS: Final = 0.2
# While a master is away, a task looks for it this often; pushes do not wait for this task.
LOOK_SECONDS: Final = 0.2
# How many times a command is sent when its slot moves to another master again and again.
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
    Links to all masters of a cluster, each opened by the first command that needs it.

    Attributes:
        stood_still: as in Link; true if it is true for any link to a master.

    Concurrency: any number of tasks of one event loop may call.
    """

    def __init__(self, url: str) -> None:
        """
        Prepare the links to the cluster of *url*; nothing is opened yet.

        Raises:
            StoreCannotStart: *url* has options that redis-py does not know.
        """
        self._url = parse_cluster(url)
        self._seeds = list(self._url.seeds)
        self._links: dict[Address, Link] = {}
        self._link_to(self._seeds[0])
        self._map = SlotMap()
        # Master that did not answer -> why; slot -> why its last command got no answer.
        self._lost: dict[Address, str] = {}
        self._away: dict[int, str] = {}
        self._looking: asyncio.Task[None] | None = None
        self.stood_still = False

    @property
    def away(self) -> str:
        """Why some keys are unreachable, as the last replies showed; empty: all are reachable."""
        return next(iter(self._away.values()), "")

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """
        Send *commands* and return their replies; a command's error is its reply.

        The reply is PartAway if the slot's master does not answer, or if the slot is moving. A
        command without a key goes to the master of the next command with a key. If none follows, it
        goes to the master of the last command with a key before it, otherwise to any master. A
        command may run twice.

        Raises:
            StoreUnavailable: no master answers, or the masters are not known.
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
            # A command without a key has the slot of a command with a key, and goes with it.
            asked = [at for at in asked if slots[at] in moved]
        self.hear(slots, replies)
        if self._lost and self._lost.keys() >= self._map.masters:
            raise StoreUnavailable from PartAway(next(iter(self._lost.values())))
        return replies

    def send(self, commands: Sequence[bytes], timeout_seconds: float, told: Told) -> None:
        """
        Send packed *commands* as `run` does; *told* gets the replies, see Link.send.

        If a master does not answer, or a slot has moved, `run` sends these commands again.
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
        """Send the commands at the indexes *asked* to their masters; fill in their *replies*."""
        shares = self._shares(slots, asked)
        parts = [
            self._ask_one(master, [commands[at] for at in share], seconds)
            for master, share in shares.items()
        ]
        # With few pushes, nearly always one master gets all commands, and no task is needed.
        told = [await parts[0]] if len(parts) == 1 else await asyncio.gather(*parts)
        for share, some in zip(shares.values(), told, strict=True):
            for at, reply in zip(share, some, strict=True):
                replies[at] = reply

    def _shares(
        self, slots: Sequence[int | None], asked: Sequence[int]
    ) -> dict[Address | None, list[int]]:
        """Return master -> the indexes in *asked* of its commands; key None: no master."""
        shares: dict[Address | None, list[int]] = {}
        for at in asked:
            shares.setdefault(self._master_of(slots[at]), []).append(at)
        return shares

    def _master_of(self, slot: int | None) -> Address | None:
        """Return the master of *slot*, or any master that answers if *slot* is None."""
        if slot is not None:
            return self._map.master_of(slot)
        there = (each for each in self._map.masters if each not in self._lost)
        return next(there, None)

    async def _ask_one(
        self, master: Address | None, commands: list[Command], seconds: float
    ) -> list[Any]:
        """Return the replies of *master* to *commands*; if it is away, each reply is PartAway."""
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
        """Note which *slots* got no answer; replace errors of _NOT_NOW in *replies* by PartAway."""
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
        Ask the nodes which master has which slots, until a node answers or the time *ends*.

        The node at *first* is asked first, then known masters, then the nodes in the URL.

        Raises:
            StoreUnavailable: no node answered in time.
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
                    # This node may hang: the next attempt asks another node first.
                    self._seeds.append(self._seeds.pop(0))
            else:
                if found:
                    self._map = found
                    await self._leave()
                    return
        raise why

    async def _leave(self) -> None:
        """Close the links to nodes that are no longer masters."""
        keep = {*self._map.masters, *self._url.seeds}
        for address in [each for each in self._links if each not in keep]:
            await self._links.pop(address).close()
        self._lost = {each: why for each, why in self._lost.items() if each in self._map.masters}

    def _look(self) -> None:
        """Start the task that looks for the masters that are away, if it is not running."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._find())

    async def _find(self) -> None:
        """Ask for the slots and ping the missing masters again and again, until all answer."""
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
        """Close the connections; a later `run` opens them again, also in another loop."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        for link in self._links.values():
            await link.close()
        self._map, self._lost, self._away = SlotMap(), {}, {}


class _Gathered:
    """Collects the replies of several masters to one `send`, and calls back when it has all."""

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
        """Call *told* when *missing* masters have answered; a second try must end at *ends*."""
        self._cluster, self._commands, self._slots = cluster, commands, slots
        self._missing, self._ends, self._told = missing, ends, told
        self._replies: list[Any] = [None] * len(commands)
        # Indexes of the commands to send again: they got no reply, or their slot has moved.
        self._again: list[int] = []

    def hear(self, link: Link, share: list[int], outcome: list[Any] | Exception) -> None:
        """Store the *outcome* that *link* got for the commands at the indexes *share*."""
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
        Send the commands in `_again` once more, and return the replies to all commands.

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
