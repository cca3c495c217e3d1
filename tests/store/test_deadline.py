"""After a pause of the process, answers that arrived meanwhile do not count as missing."""

import asyncio
import gc
import os
import signal
import time
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from storing import put

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store import deadline
from otel_jcmc.store.deadline import Deadline, Timer
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.link import Link
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Write
from otel_jcmc.store.writes import Stored
from otel_jcmc.web.bodies import Bodies

LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
NewLoop = Callable[[], asyncio.AbstractEventLoop]
# Longer than the service waits for Redis, and than a push waits in total.
STILL_SECONDS = 1.2


def run(new_loop: NewLoop, what: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(what())  # type: ignore[arg-type]


def pushes(start: int, count: int) -> list[Write]:
    numbers = range(start, start + count)
    return [Write(f"{number:032x}"[::-1], "", -1, 30_000, b"x") for number in numbers]


@LOOPS
@pytest.mark.parametrize("whole_machine", [False, True])
def test_an_answer_that_came_while_the_loop_stood_still_counts(
    redis_server: EmbeddedStore, new_loop: NewLoop, *, whole_machine: bool
) -> None:
    """An answer that comes right afterwards counts too, if Redis stood still as well."""

    async def ask() -> None:
        link = Link(redis_server.url)
        await link.run([("PING",)])
        assert redis_server.pid is not None
        if whole_machine:
            os.kill(redis_server.pid, signal.SIGSTOP)
        asking = asyncio.create_task(link.run([("ECHO", "x")]))
        await asyncio.sleep(0)
        time.sleep(STILL_SECONDS)  # noqa: ASYNC251  # the loop is to stand still
        os.kill(redis_server.pid, signal.SIGCONT)
        assert await asking == [b"x"]
        assert link.stood_still
        await link.close()

    run(new_loop, ask)


@LOOPS
def test_a_redis_that_is_stopped_is_away_for_who_stood_still_too(
    redis_server: EmbeddedStore, new_loop: NewLoop
) -> None:
    async def ask() -> None:
        link = Link(redis_server.url)
        await link.run([("PING",)])
        assert redis_server.pid is not None
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            asking = asyncio.create_task(link.run([("ECHO", "x")]))
            await asyncio.sleep(0)
            time.sleep(STILL_SECONDS)  # noqa: ASYNC251  # the loop is to stand still
            with pytest.raises(StoreUnavailable):
                await asking
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        assert await link.run([("ECHO", "y")]) == [b"y"]
        await link.close()

    run(new_loop, ask)


@LOOPS
def test_pushes_that_waited_while_the_loop_stood_still_are_stored(
    redis_server: EmbeddedStore, new_loop: NewLoop
) -> None:
    """Pushes that are sent to Redis, and pushes that wait for their turn."""

    async def push() -> None:
        store = Store(redis_server.url)
        await put(store, *pushes(0, 1))
        with_redis = [asyncio.create_task(put(store, each)) for each in pushes(1, 20)]
        for _ in range(2):
            await asyncio.sleep(0)
        in_queue = [asyncio.create_task(put(store, each)) for each in pushes(21, 20)]
        await asyncio.sleep(0)
        time.sleep(STILL_SECONDS)  # noqa: ASYNC251  # the loop is to stand still
        assert await asyncio.gather(*with_redis, *in_queue) == [Stored.STORED] * 40
        assert store.up
        await store.close()

    run(new_loop, push)


@LOOPS
def test_a_body_that_came_while_the_loop_stood_still_counts(
    short_path: Path, new_loop: NewLoop
) -> None:
    """Also in a server of another maker, which has the sockets."""

    async def read() -> None:
        told: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await told.put(await reader.read(100))
            writer.close()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": await told.get()}

        server = await asyncio.start_unix_server(serve, short_path / "s")
        _, writer = await asyncio.open_unix_connection(str(short_path / "s"))
        reading = asyncio.create_task(Bodies(1000, 0.2).read([], receive))
        await asyncio.sleep(0.05)
        writer.write(b"{}")
        time.sleep(STILL_SECONDS)  # noqa: ASYNC251  # the loop is to stand still
        assert await reading == b"{}"
        writer.close()
        server.close()
        await server.wait_closed()

    run(new_loop, read)


class Clock:
    """The clock of the timers; the loop has another one, and calls them soon."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(deadline, "monotonic", lambda: self.now)


@pytest.mark.anyio
@pytest.mark.parametrize(("late", "stood_still"), [(0.04, False), (0.06, True), (3600.0, True)])
async def test_a_timer_that_is_late_itself_gives_a_grace_once(
    monkeypatch: pytest.MonkeyPatch, *, late: float, stood_still: bool
) -> None:
    clock = Clock(monkeypatch)
    called = asyncio.Event()
    timer = Timer(asyncio.get_running_loop(), 0.01, called.set)
    clock.now += 0.01 + late
    await called.wait()
    assert timer.stood_still is stood_still


@pytest.mark.anyio
async def test_a_timer_that_is_cancelled_in_its_grace_calls_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    called: list[str] = []
    timer = Timer(asyncio.get_running_loop(), 0, lambda: called.append("late"))
    clock.now += 1
    looked = asyncio.Event()
    Timer(asyncio.get_running_loop(), 0.01, looked.set)
    await looked.wait()
    assert timer.stood_still
    timer.cancel()
    # Its grace is over before that of another one.
    other = asyncio.Event()
    Timer(asyncio.get_running_loop(), 0.4, other.set)
    await other.wait()
    assert called == []


@pytest.mark.anyio
async def test_a_deadline_of_any_time_is_none() -> None:
    async with Deadline(None) as until:
        await asyncio.sleep(0)
    assert not until.stood_still


@pytest.mark.anyio
async def test_a_deadline_that_is_over_already_is_over() -> None:
    with pytest.raises(TimeoutError):
        async with Deadline(-1):
            await asyncio.Event().wait()


@LOOPS
def test_a_timer_that_is_cancelled_is_no_garbage(new_loop: NewLoop) -> None:
    """Each batch has a timer: a cycle would wait for a collection, which stops the process."""

    class Waiting:
        def __init__(self) -> None:
            self.timer = Timer(asyncio.get_running_loop(), 60, self.late)

        def late(self) -> None: ...

    async def wait() -> None:
        waiting = Waiting()
        known = weakref.ref(waiting)
        waiting.timer.cancel()
        del waiting
        await asyncio.sleep(0)
        assert known() is None

    gc.disable()
    try:
        run(new_loop, wait)
    finally:
        gc.enable()
