"""
Reads all live participants from Redis page by page, so that no push waits for a read.

In this file a page is a piece of a partition's index, with a thousand members at most. The caller
names the partitions and the expiries that it knows, and gets pages of live participants. A long
command blocks Redis, and a long reply blocks this process. Therefore pages are small, and one
command asks for 250 values. A busy event loop reads each answer late, so a few commands are sent
together. In a cluster, each partition is on one server, and the clock of that server decides which
participants of the partition are live.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from otel_jcmc.store.commands import Command, PartAway, expect_all
from otel_jcmc.store.keys import Keys

# The most members of the index, and the most values, that one command asks for. Redis answers such
# a command in less than a millisecond.
PAGE: Final = 1000
VALUES: Final = 250
# The most commands in one exchange: four for a page's values, and one for the next page. Redis
# answers all of them in 2 ms.
AT_ONCE: Final = 5
# This script returns the server's time in µs. It is called with a key, so that in a cluster the
# server that has the key answers.
_CLOCK: Final = b"local time = redis.call('TIME') return time[1] * 1000000 + time[2]"

# Member of the index -> a tuple. Its first item is the expiry that was read for the member, as
# bytes. The other items belong to the caller and are not used here.
KnownExpiries = Mapping[bytes, tuple[Any, ...]]
Read = Callable[[list[Command]], Awaitable[list[Any]]]
# Members and expiries, in the same order.
_Page = tuple[list[bytes], list[bytes]]


class Live(NamedTuple):
    """
    A page of live participants.

    Attributes:
        members, expiries: the members of the index and their expiries, in the same order.
        values: member -> stored value, for participants that have pushed since the read whose
            expiry the caller knows. None: the participant has left or expired during this read.
            Participants that have not pushed are missing.
        now_us: Redis's clock when the read began.
        unread: 1 for UNREAD, which says that a partition could not be read to its end; otherwise 0.
        partition: the place of this page's partition in the caller's list of partitions, from 0.
    """

    members: list[bytes]
    expiries: list[bytes]
    values: dict[bytes, bytes | None]
    now_us: int
    unread: int = 0
    partition: int = 0


# Returned in place of pages when the cluster's master of a partition is away.
UNREAD: Final = Live([], [], {}, 0, unread=1)


def is_away(reply: Any) -> bool:
    """
    Say whether *reply* is PartAway: the cluster's master for the command is away.

    Raises:
        StoreUnavailable: *reply* is another error.
    """
    if isinstance(reply, PartAway):
        return True
    expect_all([reply])
    return False


async def read_clocks(read: Read, keys: Sequence[str]) -> list[int]:
    """
    Return the time at the server of each of *keys*, in microseconds; 0 where the server is away.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    told = await read([("EVAL", _CLOCK, 1, key) for key in keys])
    return [0 if is_away(each) else each for each in told]


async def read_pages(
    read: Read, keys: Keys, known: KnownExpiries, partitions: Sequence[int]
) -> AsyncIterator[Live]:
    """
    Return every live participant of *partitions* once, page by page.

    Each push sets a new expiry, in microseconds. So if a participant has the expiry in *known*, it
    has not pushed since, and its value is not read again. In a cluster, UNREAD is returned for each
    partition whose master is away.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    indexes = keys.each("live", partitions)
    clocks = await read_clocks(read, indexes)
    starts = keys.each("participant:", partitions)
    waiting = deque[_Partition]()
    for at, (index, start_of_key, now_us) in enumerate(zip(indexes, starts, clocks, strict=True)):
        if now_us:
            waiting.append(_Partition(at, index, start_of_key.encode(), known, now_us))
        else:
            yield UNREAD
    while waiting:
        some = _next_of(waiting)
        replies = await _replies_to(read, [command for each in some for command in each.commands])
        begun = []
        for each in some:
            own = [replies.popleft() for _ in each.commands]
            if any(is_away(reply) for reply in own):
                yield UNREAD
                continue
            for live in each.take(own):
                yield live
            if each.commands:
                begun.append(each)
        # Partitions that are read in part are continued first, so that few are open at a time.
        waiting.extendleft(reversed(begun))


class _Partition:
    """
    Reads one partition: has the commands to send next, and makes pages from their replies.

    The commands ask for the values of a page together with the next page of the index. This saves
    time: the event loop is busy with pushes, and each answer waits until the loop reads it.

    Attributes:
        commands: the next commands to send; empty when the whole partition is read.
    """

    def __init__(self, at: int, index: str, base: bytes, known: KnownExpiries, now_us: int) -> None:
        """Begin to read *index* at *now_us*; its participants have keys that begin with *base*."""
        self._at = at
        self._index, self._base, self._known, self._now_us = index, base, known, now_us
        self._begin, self._size = f"({now_us}", PAGE
        self._seen: set[bytes] = set()
        self._page: _Page = [], []
        self._wanted: list[bytes] = []
        self.commands: list[Command] = [self._list()]
        self._is_listed = False

    def _list(self) -> Command:
        """Return the command that asks for the next page of the index."""
        limits = ("LIMIT", 0, self._size)
        return ("ZRANGEBYSCORE", self._index, self._begin, "+inf", "WITHSCORES", *limits)

    def take(self, replies: list[Any]) -> list[Live]:
        """Return the pages that *replies* complete; put the next commands into `commands`."""
        listed = None if self._is_listed else replies.pop()
        whole = []
        if self._wanted:
            found = chain.from_iterable(replies)
            whole.append(self._live(dict(zip(self._wanted, found, strict=True))))
        self.commands, self._wanted = [], []
        if listed is not None:
            self._turn_to(listed)
            if self._page[0] and not self._wanted:
                whole.append(self._live({}))
        return whole

    def _live(self, values: dict[bytes, bytes | None]) -> Live:
        """Return the present page, with the *values* of participants that have pushed."""
        return Live(*self._page, values, self._now_us, partition=self._at)

    def _turn_to(self, listed: list[bytes]) -> None:
        """
        Make the next page from *listed*: a member, its expiry, the next member, and so on.

        Each page begins with the last expiry of the page before, because several members may have
        that expiry. A push only moves its member towards the end of the index, so no member is
        missed. A member that was read already is left out.
        """
        seen = self._seen
        fresh = [
            each for each in zip(listed[::2], listed[1::2], strict=True) if each[0] not in seen
        ]
        self._page = [member for member, _ in fresh], [expiry for _, expiry in fresh]
        seen.update(self._page[0])
        known = self._known
        self._wanted = [
            member
            for member, expiry in fresh
            if (before := known.get(member)) is None or before[0] != expiry
        ]
        for first in range(0, len(self._wanted), VALUES):
            some = self._wanted[first : first + VALUES]
            self.commands.append(("MGET", *[self._base + each for each in some]))
        self._is_listed = len(listed) < 2 * self._size
        if not self._is_listed:
            last = listed[-1].decode()
            # More members than a page have the same expiry: the next page must be larger.
            self._size = 2 * self._size if last == self._begin else PAGE
            self._begin = last
            self.commands.append(self._list())


def _next_of(waiting: deque[_Partition]) -> list[_Partition]:
    """Remove the first *waiting* partitions, as many as fit in one exchange, and return them."""
    some = [waiting.popleft()]
    asked = len(some[0].commands)
    while waiting and (asked := asked + len(waiting[0].commands)) <= AT_ONCE:
        some.append(waiting.popleft())
    return some


async def _replies_to(read: Read, commands: list[Command]) -> deque[Any]:
    """
    Return the replies to *commands*, which are sent a few at a time.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    replies = deque[Any]()
    for first in range(0, len(commands), AT_ONCE):
        replies.extend(await read(commands[first : first + AT_ONCE]))
    return replies
