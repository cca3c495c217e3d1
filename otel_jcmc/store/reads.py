"""
Everyone who is live, read from Redis page by page, so that no push waits for a read.

In go the partitions and what is known already, out come pages of those who are live. A command
that takes long is a time in which Redis does nothing else, and a long reply one in which this
process does not: so a page of the index is a thousand, and values are asked for by a few hundred.
Each partition is read by the clock of the server that has it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_jcmc.store.commands import Command, PartAway, expect_all
from otel_jcmc.store.keys import Keys

# Of the index, and of values: the longest of these commands takes Redis under a millisecond.
PAGE: Final = 1000
VALUES: Final = 250
# By a key, so that it is the clock of the server that has the key.
_CLOCK: Final = b"local time = redis.call('TIME') return time[1] * 1000000 + time[2]"

# Member of the index -> its expiry when it was read as bytes, and what was made of it.
KnownExpiries = Mapping[bytes, tuple[Any, ...]]
Read = Callable[[list[Command]], Awaitable[list[Any]]]


class Live(NamedTuple):
    """
    A page of those who are live.

    Attributes:
        members, expiries: of the index, side by side.
        values: what is stored of those who have pushed since they were known, None of those who
            went away meanwhile; who is not in it has not pushed.
        now_us: Redis's clock when the read began.
        unread: how many partitions could not be read, or not to their end.
    """

    members: list[bytes]
    expiries: list[bytes]
    values: dict[bytes, bytes | None]
    now_us: int
    unread: int = 0


# In place of those of a partition whose part of a cluster is away.
UNREAD: Final = Live([], [], {}, 0, unread=1)


def is_away(reply: Any) -> bool:
    """
    Say whether *reply* is that of a part of a cluster which is away.

    Raises:
        StoreUnavailable: it is another error.
    """
    if isinstance(reply, PartAway):
        return True
    expect_all([reply])
    return False


async def read_clocks(read: Read, keys: Sequence[str]) -> list[int]:
    """
    Return what the time is where each of *keys* is, in microseconds; 0 where that is away.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    told = await read([("EVAL", _CLOCK, 1, key) for key in keys])
    return [0 if is_away(each) else each for each in told]


async def read_pages(
    read: Read, keys: Keys, known: KnownExpiries, partitions: Sequence[int]
) -> AsyncIterator[Live]:
    """
    Return every live participant of *partitions*, each of them once.

    Whose expiry is as it was *known* has not pushed since: each push sets another one, by the
    microsecond. Only the values of the others are read. Where a part of a cluster is away UNREAD
    stands for each of its partitions.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    indexes = keys.each("live", partitions)
    clocks = await read_clocks(read, indexes)
    starts = keys.each("participant:", partitions)
    for index, start_of_key, now_us in zip(indexes, starts, clocks, strict=True):
        if not now_us:
            yield UNREAD
            continue
        try:
            async for page in _pages_of(read, index, now_us):
                yield await _with_values(read, start_of_key.encode(), page, known, now_us)
        except _Away:
            yield UNREAD


class _Away(Exception):
    """The part of the cluster that is being read is away."""


_Page = tuple[list[bytes], list[bytes]]


async def _with_values(
    read: Read, base: bytes, page: _Page, known: KnownExpiries, now_us: int
) -> Live:
    """Return those of a *page*, with the values of who has pushed since he was *known*."""
    members, expiries = page
    wanted = [
        member
        for member, expiry in zip(members, expiries, strict=True)
        if (before := known.get(member)) is None or before[0] != expiry
    ]
    values: dict[bytes, bytes | None] = {}
    for first in range(0, len(wanted), VALUES):
        some = wanted[first : first + VALUES]
        found = await _reply(read, ("MGET", *[base + each for each in some]))
        values.update(zip(some, found, strict=True))
    return Live(members, expiries, values, now_us)


async def _reply(read: Read, command: Command) -> list[Any]:
    """
    Return the reply to one *command*.

    Raises:
        StoreUnavailable: Redis did not answer in time, or refuses it.
        _Away: the part of the cluster that it is for is away.
    """
    (reply,) = await read([command])
    if is_away(reply):
        raise _Away
    found: list[Any] = reply
    return found


async def _pages_of(read: Read, index: str, now_us: int) -> AsyncIterator[_Page]:
    """
    Return members and expiries of an *index*, those that are later than *now_us*.

    Each page begins with the expiry that the one before it has ended with, since others may have
    the same. A push only ever moves its member up, so nobody is passed over; who was read already
    is left out when he comes again.
    """
    begin, size = f"({now_us}", PAGE
    seen: set[bytes] = set()
    while True:
        command: Command = ("ZRANGEBYSCORE", index, begin, "+inf", "WITHSCORES", "LIMIT", 0, size)
        listed = await _reply(read, command)
        fresh = [
            each for each in zip(listed[::2], listed[1::2], strict=True) if each[0] not in seen
        ]
        if fresh:
            members, expiries = (list(each) for each in zip(*fresh, strict=True))
            seen.update(members)
            yield members, expiries
        if len(listed) < 2 * size:
            return
        last = listed[-1].decode()
        # More than a page has one and the same expiry: the next page has to be larger.
        size = 2 * size if last == begin else PAGE
        begin = last
