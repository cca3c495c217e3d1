"""
The large faults, a few minutes each, with a line of figures for each: `make soak`.

The test suite tries the same with smaller numbers. Everything is in temporary folders. The tests
assert what must always be true; they print how much and how fast it was.
"""

import asyncio
import resource
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import psutil
import pytest
from crowd import Browser, Told, at_once, push_request, shown
from harness import Service, eventually
from recording import SPANS, Process, push
from redis_parts import RedisServer, Wire

from otel_jcmc.sessions.quota import Bounds

SLOW = 2_000
STRANGERS = 50_000
CONNECTIONS = 64

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Iterator[Say]:
    """Return a function that prints a line on the terminal, after the name of the test."""
    began = time.monotonic()
    lines: list[str] = []
    yield lines.append
    with capsys.disabled():
        for line in lines:
            name = request.node.name.removeprefix("test_").replace("_", " ")
            print(f"\n  {name}: {line}; {time.monotonic() - began:.0f} s", end="")


@pytest.fixture(scope="module", autouse=True)
def _descriptors() -> None:
    """Allow thousands of descriptors, because each connection needs one on both sides."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20_000, most), most))


def megabytes(service: Service) -> int:
    """Return the resident memory of *service*."""
    return round(psutil.Process(service.pid).memory_info().rss / 1e6)


class Load:
    """
    Browsers that push participants of their own, at *rate* pushes a second in total.

    Attributes:
        statuses: number of each status; 0: the connection ended without an answer.
        seconds: duration of each answer.
        acknowledged: participants whose last push was answered 200.
        longest_gap: seconds between two answers 200.
    """

    def __init__(self, service: Service, rate: float, people: int = 500) -> None:
        self._service = service
        self._every = CONNECTIONS / rate
        self._people = people
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.acknowledged: set[str] = set()
        self.longest_gap = 0.0
        self._last = time.monotonic()
        self._browser: dict[int, Browser | None] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        tasks = [asyncio.create_task(self._push(number)) for number in range(CONNECTIONS)]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for number in range(CONNECTIONS):
                self._close(number)
            await asyncio.sleep(0.01)

    async def _push(self, number: int) -> None:
        self._browser[number] = None
        await asyncio.sleep(self._every * number / CONNECTIONS)
        for turn in range(10**9):
            began = time.monotonic()
            name = f"p{number}-{turn % max(1, self._people // CONNECTIONS)}"
            told = await self._push_once(number, name)
            now = time.monotonic()
            self.statuses[told.status if told else 0] += 1
            self.seconds.append(now - began)
            if told and told.status == 200:
                self.acknowledged.add(name)
                self.longest_gap = max(self.longest_gap, now - self._last)
                self._last = now
            await asyncio.sleep(max(0.0, began + self._every - time.monotonic()))

    async def _push_once(self, number: int, name: str) -> Told | None:
        """Push on the open connection, or on a new one."""
        told = None
        with suppress(OSError):
            browser = self._browser[number] or await Browser.opened(self._service.url)
            self._browser[number] = browser
            told = await browser.push(name, f"room-{number}")
        if told is None or told.closes:
            self._close(number)
        return told

    def _close(self, number: int) -> None:
        if browser := self._browser[number]:
            browser.close()
        self._browser[number] = None

    def figures(self) -> str:
        ordered = sorted(self.seconds)
        p99 = ordered[len(ordered) * 99 // 100] * 1000
        counts = ", ".join(
            f"{status or 'none'}: {n}" for status, n in sorted(self.statuses.items())
        )
        gap = f"longest without a 200 {self.longest_gap:.1f} s"
        return f"{len(ordered)} pushes ({counts}), p99 {p99:.0f} ms, {gap}"


class Ensemble:
    """Two servers, one of them the master, and three Sentinels."""

    def __init__(self, folder: Path) -> None:
        self.servers = [RedisServer(folder / f"r{number}") for number in range(2)]
        config = f"""
            sentinel monitor mymaster 127.0.0.1 {self.servers[0].port} 2
            sentinel down-after-milliseconds mymaster 500
            sentinel failover-timeout mymaster 3000
        """
        self.sentinels = [RedisServer(folder / f"s{n}", sentinel=config) for n in range(3)]

    def __enter__(self) -> Self:
        for server in self.servers:
            server.start()
        with self.servers[1].client() as client:
            client.replicaof("127.0.0.1", str(self.servers[0].port))
        for sentinel in self.sentinels:
            sentinel.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (*self.sentinels, *self.servers):
            each.stop(signal.SIGKILL)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/mymaster"

    def master(self) -> RedisServer:
        with self.sentinels[0].client() as client:
            _, port = client.sentinel_get_master_addr_by_name("mymaster")
        return next(each for each in self.servers if each.port == int(port))

    def is_whole(self) -> bool:
        """Say whether a replica is connected and every Sentinel knows it."""
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                replicas = client.sentinel_slaves("mymaster")
            if not replicas or any(each["is_disconnected"] for each in replicas):
                return False
        with self.master().client() as client:
            return bool(client.info("replication")["connected_slaves"])

    def fail_over(self) -> None:
        """Kill the master, wait for the next one, and start the old one as a replica."""
        gone = self.master()
        gone.kill()
        eventually(lambda: self.master() is not gone, 30)
        gone.start()
        eventually(self.is_whole, 60)


def test_fail_overs_under_load(short_path: Path, say: Say) -> None:
    """Three times the master is killed and comes back as a replica."""

    async def fail_over(load: Load) -> None:
        async with load.running():
            for _ in range(3):
                await asyncio.sleep(3)
                await asyncio.to_thread(ensemble.fail_over)
            load.statuses, before = Counter(), load.statuses
            await asyncio.sleep(3)
            assert load.statuses.keys() == {200}
            load.statuses += before

    with Ensemble(short_path) as ensemble:
        eventually(ensemble.is_whole, 60)
        with Service(short_path / "a", REDIS_URL=ensemble.url) as service:
            load, before = Load(service, 1_000), megabytes(service)
            asyncio.run(fail_over(load))
            assert load.statuses.keys() == {200, 503}
            assert load.acknowledged <= shown(service)
            assert len(service.said()) < 40
            say(f"{load.figures()}, {before} to {megabytes(service)} MB")


def test_a_redis_that_is_slow_again_and_again(short_path: Path, say: Say) -> None:
    async def slow(load: Load, wire: Wire) -> None:
        async with load.running():
            for delay in (0.0, 1.0) * 5 + (0.0,):
                wire.delay = delay
                await asyncio.sleep(4)
            load.statuses, before = Counter(), load.statuses
            await asyncio.sleep(2)
            assert load.statuses.keys() == {200}
            load.statuses += before

    with (
        RedisServer(short_path / "r") as server,
        Wire(server.port) as wire,
        Service(short_path / "a", REDIS_URL=wire.url) as service,
    ):
        load, before = Load(service, 1_000), megabytes(service)
        asyncio.run(slow(load, wire))
        assert load.statuses.keys() == {200, 503}
        assert max(load.seconds) < 3
        say(f"{load.figures()}, {before} to {megabytes(service)} MB")


def test_stops_under_load(short_path: Path, say: Say) -> None:
    """Stopped, killed, stopped: with one Redis, no acknowledged participant is lost."""

    async def stop(load: Load, service: Service) -> None:
        async with load.running():
            for how in (signal.SIGTERM, signal.SIGKILL) * 3:
                await asyncio.sleep(3)
                code = await asyncio.to_thread(service.stop, how)
                assert code == (0 if how == signal.SIGTERM else -how)
                service.environ["JCMC_PORT"] = service.url.rpartition(":")[2]
                await asyncio.to_thread(service.start)

    with (
        RedisServer(short_path / "r") as server,
        Service(short_path / "a", REDIS_URL=server.url, METRICS_EXPIRATION="300") as service,
    ):
        load = Load(service, 1_000)
        asyncio.run(stop(load, service))
        assert load.statuses.keys() <= {200, 503, 0}
        assert load.acknowledged <= shown(service)
        assert "Traceback" not in service.log.read_text()
        say(f"{load.figures()}, six starts, {len(load.acknowledged)} people, none lost")


def test_thousands_of_slow_senders_and_readers(short_path: Path, say: Say) -> None:
    whole = push_request("slow")

    async def open_all(url: str, count: int) -> list[Browser]:
        found: list[Browser] = []
        for _ in range(count // 100):
            opened = await at_once([lambda: Browser.opened(url, limit=2_000)] * 100)
            found += opened
        return found

    async def crowd(service: Service, load: Load) -> int:
        senders = await open_all(service.url, SLOW)
        readers = await open_all(service.url, SLOW)
        for browser in readers:
            with suppress(ConnectionError):
                await browser.send(whole * 20)
        most = 0
        async with load.running():
            for turn in range(25):
                for number, browser in enumerate(senders):
                    start = 10 if number % 2 else len(whole) - 60
                    with suppress(ConnectionError):
                        await browser.send(
                            whole[:start] if turn == 0 else whole[start + turn :][:1]
                        )
                most = max(most, megabytes(service))
                await asyncio.sleep(1)
        for browser in (*senders, *readers):
            browser.close()
        return most

    with Service(short_path / "a", JCMC_LIMIT_ANSWER_SECONDS="10") as service:
        load, before = Load(service, 300), megabytes(service)
        most = asyncio.run(crowd(service, load))
        assert load.statuses.keys() == {200}
        assert most < 500
        cut = service.series("otel_jcmc_connections_cut_total")
        words = {name.split('"')[1]: int(count) for name, count in cut.items() if count}
        assert "Traceback" not in service.log.read_text()
        say(f"{load.figures()}, {before} to {most} to {megabytes(service)} MB, cut {words}")


def test_fifty_thousand_strangers(short_path: Path, say: Say) -> None:
    """Each has ids of its own, while others go on pushing; afterwards all strangers expire."""

    async def push_all(service: Service, load: Load) -> Counter[int]:
        names = iter([uuid.uuid4().hex for _ in range(STRANGERS)])
        statuses: Counter[int] = Counter()

        async def push() -> None:
            browser = await Browser.opened(service.url)
            for name in names:
                told = await browser.push(name, f"room-{name[:3]}")
                statuses[told.status if told else 0] += 1
            browser.close()

        async with load.running():
            await at_once([push] * CONNECTIONS)
        return statuses

    with (
        RedisServer(short_path / "r") as server,
        Service(short_path / "a", REDIS_URL=server.url, METRICS_EXPIRATION="120") as service,
    ):
        load, before = Load(service, 100), megabytes(service)
        statuses = asyncio.run(push_all(service, load))
        assert statuses == {200: STRANGERS}
        taken = megabytes(service)
        # Each of the others may have had one push on its way at the end.
        others = len(shown(service)) - STRANGERS
        assert 0 <= others - len(load.acknowledged) <= CONNECTIONS
        asked = megabytes(service)
        assert asked < 1_200
        with server.client() as client:
            stored = client.info("memory")["used_memory"] / 1e6
            client.flushall()
        assert shown(service) == set()
        after = megabytes(service)
        say(
            f"{STRANGERS} taken beside {load.figures()}; {before} MB, {taken} when taken,"
            f" {asked} after a scrape, {after} when they are gone; Redis {stored:.0f} MB"
        )


def test_scrapes_that_are_cut_by_the_hundred(short_path: Path, say: Say) -> None:
    async def cut(service: Service) -> int:
        most = 0
        for _ in range(40):
            browsers = [await Browser.opened(service.url, limit=2_000) for _ in range(5)]
            for browser in browsers:
                await browser.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.5)
            most = max(most, megabytes(service))
            for browser in browsers:
                browser.close()
        return most

    async def fill(service: Service) -> None:
        async with Load(service, 2_000, people=5_000).running():
            await asyncio.sleep(8)

    with Service(short_path / "a", METRICS_EXPIRATION="300") as service:
        asyncio.run(fill(service))
        people, before = len(shown(service)), megabytes(service)
        log = service.log.read_text()
        most = asyncio.run(cut(service))
        assert len(shown(service)) == people
        assert service.log.read_text() == log
        say(f"200 of {people} people, {before} to {most} to {megabytes(service)} MB")


@pytest.mark.anyio
async def test_history_holds_its_bound_in_a_rush(tmp_path: Path, say: Say) -> None:
    """Newcomers arrive at full speed; between two checks history may exceed its bound."""
    most, newcomers, at_a_time = 100_000_000, 120_000, 250
    with RedisServer(tmp_path) as server, server.client() as client:
        here, other = (Process(server.url, SPANS, bounds=Bounds(0, each)) for each in (most, 2**40))
        here.recorder.start()
        highest = 0

        async def watch() -> None:
            nonlocal highest
            while True:
                await other.quota.make_space()
                highest = max(highest, other.quota.bytes or 0)
                await asyncio.sleep(0.25)

        watching = asyncio.create_task(watch())
        began = time.monotonic()
        for first in range(0, newcomers, at_a_time):
            who = range(first, first + at_a_time)
            reports = [push(f"p{n}", f"session-{n}", conference=f"room-{n}", f1=97) for n in who]
            await asyncio.gather(*map(here.push, reports))
        rate = newcomers / (time.monotonic() - began)
        await asyncio.sleep(5)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await other.quota.make_space()
        left = [client.zcard(f"jcmc:{{{number:02d}}}:sessions") for number in range(4)]
        say(f"{rate:.0f} a second, at most {highest / most:.0%} of the bound, then {left}")
        assert (other.quota.bytes or 0) <= most
        # Sessions of two seconds, each in a conference of its own.
        assert highest <= most + 2 * rate * 3000
        assert max(left) - min(left) <= 500
        assert here.quota.evicted["number"] == newcomers - sum(left)
        for each in (here, other):
            await each.recorder.stop()
            await each.store.close()
