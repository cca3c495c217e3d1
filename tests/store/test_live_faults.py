"""Pushes and scrapes while Redis is stopped, killed, full, read-only or hanging."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import redis
from exposition import assert_only_histograms
from harness import Answer, Service, eventually, push_body
from people import take
from redis_parts import Wire
from storing import put, put_many

from otel_jcmc.catalogue.reasons import Reason, StoreUnavailable
from otel_jcmc.store import refusals
from otel_jcmc.store import writes as writes_road
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Write
from otel_jcmc.store.wire import Told
from otel_jcmc.store.writes import Stored

# The deadline of a push is 0.9 s; the rest is for a machine that runs other tests, too.
IN_TIME = 1.6
FULL = "Redis refuses writes: OOM, it is out of memory"
READ_ONLY = "Redis refuses writes: READONLY, it is a replica"

pytestmark = pytest.mark.xdist_group("store-faults")


class Pushed(NamedTuple):
    """One push: when it began and ended, and its answer."""

    began: float
    ended: float
    answer: Answer


class Pushers:
    """Browsers that push all the time; a context manager."""

    def __init__(self, service: Service, threads: int = 4) -> None:
        self.pushed: list[Pushed] = []
        self._service = service
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(f"p{number}",)) for number in range(threads)
        ]

    def _run(self, name: str) -> None:
        while not self._stopped.wait(0.01):
            began = time.monotonic()
            answer = self._service.push(push_body(name))
            self.pushed.append(Pushed(began, time.monotonic(), answer))

    def wait_for(self, status: int, count: int = 12) -> None:
        """Wait for *count* more pushes with this *status*."""
        start = len(self.pushed)
        eventually(
            lambda: sum(each.answer.status == status for each in self.pushed[start:]) >= count
        )

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def assert_refused_in_time(pushed: list[Pushed], reason: str = "store_unavailable") -> None:
    """Each of *pushed* was stored, or refused with *reason* in time; at least one was refused."""
    refused = [each for each in pushed if each.answer.status != 200]
    assert refused
    for each in refused:
        assert each.answer.status == 503
        assert each.answer.json() == {"errors": [{"field": "", "reason": reason}], "more": 0}
        assert int(each.answer.headers["retry-after"]) >= 1
    assert max(each.ended - each.began for each in pushed) < IN_TIME


@pytest.fixture
def parts(redis_server: EmbeddedStore, short_path: Path) -> Iterator[tuple[EmbeddedStore, Service]]:
    """
    Return a server and a service on it.

    They are new for each test, because a service needs ten seconds until it trusts Redis again.
    """
    with Service(short_path / "a", REDIS_URL=redis_server.url) as service:
        yield redis_server, service


@pytest.fixture
def server(parts: tuple[EmbeddedStore, Service]) -> Iterator[EmbeddedStore]:
    """Return the server; after the test, the service must find it good again."""
    found, service = parts
    yield found
    if found.is_running:
        os.kill(pid_of(found), signal.SIGCONT)
    else:
        found.restart()
    with redis.Redis.from_url(found.url) as other:
        other.config_set("maxmemory", 0)
        other.replicaof("NO", "ONE")
    eventually(lambda: service.push(push_body()).status == 200)
    assert service.process is not None
    assert service.process.poll() is None


@pytest.fixture
def client(server: EmbeddedStore) -> Iterator[redis.Redis]:
    """Return another client of `server`."""
    with redis.Redis.from_url(server.url) as other:
        yield other


class Log:
    """The service's log since this object was made."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._start = len(service.log.read_text())

    def lines(self, level: str = "") -> list[str]:
        text = self._service.log.read_text()[self._start :]
        return [line for line in text.splitlines() if f" {level}" in line]


@pytest.fixture
def service(
    server: EmbeddedStore,  # noqa: ARG001  # it is well
    parts: tuple[EmbeddedStore, Service],
) -> Service:
    """Return a working service on `server`."""
    running = parts[1]
    assert running.push(push_body()).body == "OK"
    return running


@pytest.fixture
def log(service: Service) -> Log:
    """Return the service's log during the test."""
    return Log(service)


def pid_of(server: EmbeddedStore) -> int:
    assert server.pid is not None
    return server.pid


def test_a_stopped_redis_costs_503_in_time_and_the_first_push_after_it_works(
    service: Service, server: EmbeddedStore, log: Log
) -> None:
    with Pushers(service) as pushers:
        pushers.wait_for(200)
        os.kill(pid_of(server), signal.SIGSTOP)
        pushers.wait_for(503)
        began = time.monotonic()
        assert service.get("/-/ready").status == 503
        assert service.get("/-/healthy").status == 200
        assert time.monotonic() - began < IN_TIME
        # A scrape may take longer than a push; it ends, without participants.
        scraped = service.get("/metrics")
        assert time.monotonic() - began < 9
        os.kill(pid_of(server), signal.SIGCONT)
        assert service.push(push_body("after")).body == "OK"
        pushers.wait_for(200)
    assert_refused_in_time(pushers.pushed)
    assert scraped.status == 200
    assert "otel_jcmc_store_up 0.0" in scraped.body
    assert_only_histograms(scraped.body)
    assert service.own("otel_jcmc_store_up") == 1
    assert len(log.lines("WARNING")) == 1
    assert len(log.lines()) == 2


def test_a_killed_redis_costs_503_fast_and_a_scrape_shows_our_own_metrics(
    service: Service, server: EmbeddedStore, log: Log
) -> None:
    with Pushers(service) as pushers:
        pushers.wait_for(200)
        os.kill(pid_of(server), signal.SIGKILL)
        pushers.wait_for(503, 60)
        began = time.monotonic()
        answer = service.get("/metrics")
        assert time.monotonic() - began < IN_TIME
        ready, healthy = service.get("/-/ready"), service.get("/-/healthy")
    assert_refused_in_time(pushers.pushed)
    assert (answer.status, ready.status, healthy.status) == (200, 503, 200)
    lines = answer.body.splitlines()
    assert "otel_jcmc_store_up 0.0" in lines
    assert any(line.startswith("otel_jcmc_build_info{") for line in lines)
    assert any('outcome="failed",reason="store_unavailable"' in line for line in lines)
    assert not [line for line in lines if line.startswith("otel_jcmc_participants ")]
    assert_only_histograms(answer.body)
    assert len(log.lines()) == len(log.lines("WARNING")) == 1


def test_the_first_push_to_an_emptied_redis_works(
    service: Service, server: EmbeddedStore, log: Log
) -> None:
    """It needs no earlier script or connection."""
    for number in range(3):
        os.kill(pid_of(server), signal.SIGKILL)
        eventually(lambda: not server.is_running)
        if number == 1:
            assert service.push(push_body()).status == 503
        server.restart()
        assert service.push(push_body(f"p{number}")).body == "OK"
        assert service.own("otel_jcmc_participants") == 1
        assert service.own("otel_jcmc_store_up") == 1
    # Only the check every 5 s could see the two restarts without a push in between.
    assert len(log.lines("WARNING")) <= 2


def test_a_full_redis_refuses_pushes_and_is_read_on(
    service: Service, client: redis.Redis, log: Log
) -> None:
    service.push(push_body("inside", session={"id": "session-1"}))
    before = service.series()
    client.config_set("maxmemory", 1)
    for _ in range(20):
        answer = service.push(push_body("outside"))
        assert answer.status == 503
        assert answer.json()["errors"] == [{"field": "", "reason": "store_full"}]
        assert answer.headers["retry-after"]
    assert service.series() == before
    assert service.own("otel_jcmc_store_up") == 1
    ready = service.get("/-/ready")
    assert (ready.status, ready.body) == (503, f"not ready: {FULL}\n")
    failed = 'otel_jcmc_pushes_total{outcome="failed",reason="store_full"}'
    assert service.own(failed) == 20
    client.config_set("maxmemory", 0)
    assert service.push(push_body("outside")).body == "OK"
    # History logs the same for its own batches, if one was due.
    assert len([line for line in log.lines("WARNING") if " store: " in line]) == 1


def test_a_full_redis_takes_leaves(service: Service, client: redis.Redis, log: Log) -> None:
    """A leave frees memory, and a success in between is not logged each time."""
    for number in range(10):
        service.push(push_body(f"p{number}", session={"id": f"session-{number}"}))
    client.config_set("maxmemory", 1)
    for number in range(10):
        ending = {"id": f"session-{number}", "end": {"reason": "left"}}
        assert service.push(push_body("outside")).status == 503
        leave = push_body(f"p{number}", session=ending)
        assert service.push(leave).body == "OK"
    assert 'participant_id="p' not in service.get("/metrics").body
    assert len(log.lines()) <= 2


def test_a_read_only_redis_refuses_pushes_and_is_read_on(
    service: Service, client: redis.Redis, log: Log
) -> None:
    before = service.series()
    client.replicaof("127.0.0.1", "1")
    for _ in range(20):
        answer = service.push(push_body("outside"))
        assert answer.status == 503
        assert answer.json()["errors"] == [{"field": "", "reason": "store_unavailable"}]
    assert service.series() == before
    ready = service.get("/-/ready")
    assert (ready.status, ready.body) == (503, f"not ready: {READ_ONLY}\n")
    client.replicaof("NO", "ONE")
    assert service.push(push_body("outside")).body == "OK"
    # History logs the same for its own batches, if one was due.
    assert len([line for line in log.lines("WARNING") if " store: " in line]) == 1


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_without_a_push_the_service_finds_out_that_none_would_be_taken(
    service: Service, client: redis.Redis, log: Log, fault: str
) -> None:
    if fault == "full":
        client.config_set("maxmemory", 1)
    else:
        client.replicaof("127.0.0.1", "1")
    why = FULL if fault == "full" else READ_ONLY
    assert eventually(lambda: service.get("/-/ready").status == 503, 8)
    assert service.get("/-/ready").body == f"not ready: {why}\n"
    client.config_set("maxmemory", 0)
    client.replicaof("NO", "ONE")
    # After it has lasted, although no push came meanwhile.
    assert eventually(lambda: service.get("/-/ready").status == 200, 20)
    said = [line.partition(" store: ")[2] for line in log.lines() if " store: " in line]
    assert [line.partition(":")[0] for line in said] == [
        "Redis refuses writes",
        "Redis takes writes again",
    ]


def test_probes_cost_redis_nothing(service: Service, client: redis.Redis) -> None:
    def writes_tried() -> int:
        commands: Any = client.info("commandstats")
        return int(commands.get("cmdstat_setrange", {}).get("calls", 0))

    before = writes_tried()
    for _ in range(200):
        assert service.get("/-/ready").status == 200
    # Four in 5 s, however many clients ask.
    assert writes_tried() - before <= 8
    assert not list(client.scan_iter("*probe*"))


def test_what_goes_through_at_the_edge_does_not_make_it_ready_and_unready(
    service: Service, client: redis.Redis
) -> None:
    """Memory is full, then not, then full again: it is not ready until that is over."""
    told = set()
    for _ in range(10):
        client.config_set("maxmemory", 1)
        assert service.push(push_body()).status == 503
        client.config_set("maxmemory", 0)
        assert service.push(push_body()).status == 200
        told.add(service.get("/-/ready").status)
    assert told == {503}


def test_a_service_that_starts_on_a_full_redis_is_not_ready(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory", 1)
        with Service(short_path / "a", REDIS_URL=redis_server.url) as service:
            answer = service.get("/-/ready")
            assert (answer.status, answer.body) == (503, f"not ready: {FULL}\n")
            assert service.get("/metrics").status == 200


def test_a_redis_that_comes_back_read_only_is_not_ready_at_once(
    service: Service, server: EmbeddedStore, client: redis.Redis
) -> None:
    os.kill(pid_of(server), signal.SIGKILL)
    assert eventually(lambda: not server.is_running)
    assert service.get("/-/ready").status == 503
    server.restart()
    client.replicaof("127.0.0.1", "1")
    assert service.get("/-/ready").body == f"not ready: {READ_ONLY}\n"


def test_a_user_who_may_not_try_is_ready_while_pushes_are_taken(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    path = redis_server.url.removeprefix("unix://")
    with redis.Redis.from_url(redis_server.url) as client:
        client.acl_setuser(
            "narrow",
            enabled=True,
            passwords=["+narrow"],
            keys=["*"],
            categories=["+@all"],
            commands=["-setrange"],
        )
        with Service(short_path / "a", REDIS_URL=f"unix://narrow:narrow@{path}") as service:
            assert service.push(push_body()).status == 200
            assert service.get("/-/ready").status == 200
            assert [line for line in service.said() if "WARNING" in line] == []


@pytest.mark.anyio
async def test_what_is_public_of_a_refusal_is_its_code(redis_server: EmbeddedStore) -> None:
    """Some of Redis's errors repeat what it was sent."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.execute_command(
            "ACL", "SETUSER", "default", "on", "nopass", "~*", "+@all", "-evalsha", "-eval"
        )
        ours = Store(redis_server.url)
        with pytest.raises(StoreUnavailable):
            await put(ours, writes(1)[0])
        assert await ours.why_not_ready() == "Redis refuses writes: NOPERM, the log says more"
        await ours.close()


def test_a_connection_that_redis_closed_costs_no_push(
    service: Service, client: redis.Redis, log: Log
) -> None:
    for number in range(5):
        client.client_kill_filter(_type="normal", skipme=True)
        assert service.push(push_body(f"p{number}")).body == "OK"
    assert service.own("otel_jcmc_participants") == 6
    assert log.lines() == []


def test_connections_closed_with_pushes_in_flight_cost_none(
    service: Service, client: redis.Redis
) -> None:
    with Pushers(service) as pushers:
        for _ in range(5):
            pushers.wait_for(200)
            client.client_kill_filter(_type="normal", skipme=True)
        pushers.wait_for(200)
    assert {each.answer.status for each in pushers.pushed} == {200}


def test_a_short_pause_costs_no_push(service: Service, client: redis.Redis) -> None:
    client.client_pause(250)
    began = time.monotonic()
    assert service.push(push_body()).body == "OK"
    assert time.monotonic() - began > 0.15


def test_a_wrong_password_at_the_start_is_one_line_and_can_be_mended(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    path = redis_server.url.removeprefix("unix://")
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", "quite-another")
        client.execute_command("AUTH", "quite-another")
        with Service(short_path / "a", REDIS_URL=f"unix://:not-this@{path}") as service:
            assert service.get("/-/ready").status == 503
            assert service.get("/-/healthy").status == 200
            for _ in range(5):
                assert service.push(push_body()).status == 503
            assert service.own("otel_jcmc_store_up") == 0
            assert service.series() == {}
            assert len(service.said()) == 1
            assert "not-this" not in service.log.read_text()
            client.config_set("requirepass", "not-this")
            assert service.push(push_body()).body == "OK"
            assert service.get("/-/ready").status == 200


@pytest.mark.anyio
async def test_a_missing_password_is_no_answer(redis_server: EmbeddedStore) -> None:
    ours = Store(redis_server.url)
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", "asked-for")
    for attempt in (ours.ping(), take(ours)):
        with pytest.raises(StoreUnavailable):
            await attempt
    results, _ = await put_all(ours, writes(20))
    assert reasons(results) == {Reason.STORE_UNAVAILABLE: 20}
    assert ours.up is False
    await ours.close()


def test_a_redis_that_takes_connections_and_never_answers_costs_503_in_time(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    path = Path(redis_server.url.removeprefix("unix://"))
    with Wire(path) as proxy:
        proxy.hangs = True
        with Service(short_path / "a", REDIS_URL=proxy.url) as service:
            assert service.get("/-/ready").status == 503
            with Pushers(service) as pushers:
                pushers.wait_for(503, 5)
            assert_refused_in_time(pushers.pushed)

            proxy.hangs = False
            assert service.push(push_body()).body == "OK"

            with Pushers(service) as pushers:
                pushers.wait_for(200)
                proxy.hangs = True
                pushers.wait_for(503, 5)
                proxy.hangs = False
                assert service.push(push_body("after")).body == "OK"
            assert_refused_in_time(pushers.pushed)

            proxy.hang_up()
            assert service.push(push_body("after")).body == "OK"
            assert service.own("otel_jcmc_participants") == 6


# The queue.


def writes(count: int, payload: bytes = b"x") -> list[Write]:
    """Return pushes of this many participants, which no test reads."""
    return [Write(f"{number:032x}"[::-1], "", -1, 30_000, payload) for number in range(count)]


async def put_all(of: Store, sent: list[Write]) -> tuple[list[Any], float]:
    """Put all at once; return results or errors, and the seconds until the last one."""
    began = time.monotonic()
    results = await asyncio.gather(*(put(of, each) for each in sent), return_exceptions=True)
    return list(results), time.monotonic() - began


def reasons(results: list[Any]) -> dict[Reason, int]:
    found: dict[Reason, int] = {}
    for result in results:
        assert isinstance(result, StoreUnavailable), result
        found[result.reason] = found.get(result.reason, 0) + 1
    return found


@pytest.mark.anyio
async def test_thousands_that_wait_are_all_answered_within_the_deadline(
    redis_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Store(redis_server.url)
    assert await put(ours, writes(1)[0]) is Stored.STORED
    waits: list[float] = []
    send = ours._pushes.send

    def noted(commands: list[bytes], seconds: float, told: Told) -> None:
        waits.append(max(0.0, seconds))
        send(commands, seconds, told)

    os.kill(pid_of(redis_server), signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(ours._pushes, "send", noted)
            results, _ = await put_all(ours, writes(5_000))
    finally:
        os.kill(pid_of(redis_server), signal.SIGCONT)
    assert reasons(results) == {Reason.STORE_UNAVAILABLE: 5_000}
    # All twenty batches share one deadline.
    assert len(waits) == 20
    assert sum(waits) <= 0.9
    assert await put_many(ours, writes(5_000)) == [Stored.STORED] * 5_000
    await ours.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("bound", "limit", "payload"), [("QUEUE_PUSHES", 100, b"x"), ("QUEUE_BYTES", 100, b"x" * 1000)]
)
async def test_what_does_not_fit_the_queue_is_told_at_once(
    redis_server: EmbeddedStore,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    limit: int,
    payload: bytes,
) -> None:
    monkeypatch.setattr(writes_road, bound, limit * (len(payload) if bound == "QUEUE_BYTES" else 1))
    ours = Store(redis_server.url)
    os.kill(pid_of(redis_server), signal.SIGSTOP)
    try:
        in_flight = asyncio.create_task(put_all(ours, writes(10, payload)))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(put_all(ours, writes(100, payload)))
        await asyncio.sleep(0.05)
        refused, seconds = await put_all(ours, writes(50, payload))
        for task, count in ((in_flight, 10), (waiting, 100)):
            results, _ = await task
            assert reasons(results) == {Reason.STORE_UNAVAILABLE: count}
    finally:
        os.kill(pid_of(redis_server), signal.SIGCONT)
    assert reasons(refused) == {Reason.STORE_BUSY: 50}
    assert seconds < 0.3
    # Refused and late pushes use no memory.
    for _ in range(3):
        results, _ = await put_all(ours, writes(100, payload))
        assert results == [Stored.STORED] * 100
    await ours.close()


@pytest.mark.anyio
async def test_a_socket_that_nobody_serves_is_known_at_once(short_path: Path) -> None:
    ours = Store(f"unix://{short_path}/nobody")
    results, seconds = await put_all(ours, writes(600))
    assert reasons(results) == {Reason.STORE_UNAVAILABLE: 600}
    assert seconds < IN_TIME
    assert ours.up is False
    with pytest.raises(StoreUnavailable):
        await take(ours)
    with pytest.raises(StoreUnavailable):
        await ours.ping()
    await ours.close()


@pytest.mark.anyio
async def test_the_end_of_refusals_is_logged_once_it_has_lasted(
    redis_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refusals, "REFUSAL_OVER_SECONDS", 0.2)
    caplog.set_level("INFO")
    ours = Store(redis_server.url)
    with redis.Redis.from_url(redis_server.url) as client:
        for _ in range(2):
            client.config_set("maxmemory", 1)
            for _ in range(3):
                with pytest.raises(StoreUnavailable, match="store_full"):
                    await put(ours, writes(1)[0])
            client.config_set("maxmemory", 0)
            for _ in range(3):
                await put(ours, writes(1)[0])
                await ours.try_writing()
                await asyncio.sleep(0.15)
    await ours.close()
    said = [record.message.partition(":")[2].split(":")[0] for record in caplog.records]
    assert said == [
        " Redis answers",
        *(" Redis refuses writes", " Redis takes writes again") * 2,
    ]
