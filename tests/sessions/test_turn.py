"""Work that is done one at a time."""

import asyncio

import pytest

from otel_jcmc.sessions.turn import Busy, Turn


async def crowd(turn: Turn, size: int) -> list[int]:
    """Let so many take a turn at once, and return how many had it at each moment."""
    having = 0

    async def have() -> int:
        nonlocal having
        async with turn:
            having += 1
            await asyncio.sleep(0)
            having -= 1
            return having + 1

    return await asyncio.gather(*(have() for _ in range(size)))


def test_one_has_it_at_a_time() -> None:
    assert asyncio.run(crowd(Turn(), 50)) == [1] * 50


def test_one_who_fails_or_hangs_up_gives_it_on() -> None:
    async def story() -> None:
        turn = Turn(1)

        async def fail() -> None:
            async with turn:
                waiting = asyncio.create_task(crowd(turn, 1))
                await asyncio.sleep(0.01)
                waiting.cancel()
                await asyncio.sleep(0.01)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert await crowd(turn, 1) == [1]

    asyncio.run(story())


def test_who_comes_when_many_wait_is_told_so_at_once() -> None:
    async def story() -> None:
        turn = Turn(3)
        async with turn:
            waiting = asyncio.create_task(crowd(turn, 3))
            await asyncio.sleep(0.01)
            with pytest.raises(Busy):
                await crowd(turn, 1)
        assert await waiting == [1] * 3
        assert await crowd(turn, 1) == [1]

    asyncio.run(story())


def test_an_event_loop_that_ended_in_the_middle_is_not_waited_for() -> None:
    turn = Turn(1)

    async def hold() -> None:
        await turn.__aenter__()

    asyncio.run(hold())
    assert asyncio.run(asyncio.wait_for(crowd(turn, 1), 5)) == [1]
