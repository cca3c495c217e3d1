"""A service of several processes: one address, workers that die, one reading process, one end."""

import asyncio
import http.client
import os
import re
import signal
import socket
import ssl
import stat
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from crowd import Browser, push_request, shown
from harness import Answer, Service, eventually, push_body, request
from redis_parts import Certificates, RedisServer
from workers import Pages, kill_and_await, named, processes_of

from otel_jcmc.metrics.places import PUBLISH_SECONDS

pytestmark = pytest.mark.xdist_group("faults-workers")

WORKERS = "2"
# Longer than any test, so that no participant expires.
STAYS = {"METRICS_EXPIRATION": "120", "JCMC_READ_HOSTS": "meet.example"}
GAUGE = re.compile(r"jitsi_(?!jcmc_fleet_\w+_(bucket|sum|count)\b)")


def are_gone(processes: list[psutil.Process]) -> bool:
    """Say whether none of *processes* runs any more."""
    return not any(each.is_running() and each.status() != "zombie" for each in processes)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("r")) as running:
        yield running


@pytest.fixture(scope="module")
def pair(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service of two workers and a reading process, on the store of `server`."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    told = {"TMPDIR": str(folder), "REDIS_URL": server.url, "JCMC_WORKERS": WORKERS, **STAYS}
    with Service(folder, **told) as running:
        yield running


@pytest.fixture(scope="module")
def single(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service of one process on the same store."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, REDIS_URL=server.url, **STAYS) as running:
        yield running


def test_a_push_to_any_worker_shows_in_a_scrape_through_any(pair: Service) -> None:
    async def push_by_many() -> set[int]:
        browsers = [await Browser.opened(pair.url) for _ in range(24)]
        pushes = [browser.push(f"any-{number}") for number, browser in enumerate(browsers)]
        for told in await asyncio.gather(*pushes):
            assert told is not None
            assert told.status == 200
        taking = {pid for name, pid in named(pair).items() if name != "the reader"}
        port = urlsplit(pair.url).port
        used = {
            pid
            for pid in taking
            for each in psutil.Process(pid).net_connections("tcp")
            if each.laddr[1] == port and each.status == "ESTABLISHED"
        }
        for browser in browsers:
            browser.close()
        assert len(taking) == 2
        return taking - used

    assert asyncio.run(push_by_many()) == set()
    for _ in range(6):
        assert {f"any-{number}" for number in range(24)} <= shown(pair)


def raw(url: str, method: str, target: str, headers: dict[str, str]) -> tuple[Any, ...]:
    """Return status, headers without the date, and body of the answer to a raw request."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=8)
    try:
        connection.request(method, target, headers={"Host": "meet.example", **headers})
        answer = connection.getresponse()
        lines = sorted((name.lower(), text) for name, text in answer.getheaders())
        return answer.status, [line for line in lines if line[0] != "date"], answer.read()
    finally:
        connection.close()


FORGED = {"X-Otel-Jcmc-Caller": '[["8.8.8.8", 1], ["127.0.0.1", 1], "https"]'}
OUTSIDE = {"X-Forwarded-For": "8.8.8.8"}


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("GET", "/", {}, 200),
        ("HEAD", "/", {}, 200),
        ("GET", "/-/healthy", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/openapi.json", {"Host": "other.example"}, 421),
        ("GET", "/sessions?limit=0", {}, 400),
        ("GET", "/nothing?a=%20b", {}, 404),
        ("POST", "/metrics", {}, 405),
        ("GET", "/metrics/", {}, 307),
        ("GET", "/client-file/", {}, 307),
        ("GET", "/metrics/participants", OUTSIDE, 403),
        ("GET", "/metrics/participants", {"Forwarded": 'for="[2001:db8::1]"'}, 403),
        ("GET", "/openapi.json", OUTSIDE, 403),
        # The address of the connection counts, whatever address a caller claims.
        ("GET", "/metrics/participants?partition=x", FORGED, 400),
        ("GET", "/metrics/participants", {**FORGED, **OUTSIDE}, 403),
        ("GET", "/metrics/", FORGED, 307),
    ],
)
def test_everybody_is_answered_as_by_one_process(
    pair: Service, single: Service, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    told = raw(pair.url, method, target, headers)
    assert told == raw(single.url, method, target, headers)
    assert told[0] == status


def test_nobody_else_reaches_the_one_that_reads(pair: Service) -> None:
    """Its socket is for this user only; a caller that no worker names has no private address."""
    (path,) = pair.folder.glob("otel_jcmc-*/reader")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for target, status in (("/metrics", b"403"), ("/metrics/push", b"404"), ("/", b"200")):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode())
            assert client.recv(100).split()[1] == status


def test_a_head_as_large_as_may_be_is_relayed(pair: Service) -> None:
    """Headers that are added on the way do not count towards the caller's limit."""
    lines = {f"X-{number}": "x" for number in range(97)}
    assert raw(pair.url, "GET", "/nothing", {**lines, "A": "a"})[0] == 404
    # 80 bytes below JCMC_LIMIT_HEAD_BYTES, with the headers that the test sends.
    long = {"X-L": "x" * (65_536 - 80 - 77)}
    assert raw(pair.url, "GET", "/nothing", long)[0] == 404
    assert raw(pair.url, "GET", "/nothing", {**lines, "A": "a", "B": "b"})[0] == 431


def test_a_large_scrape_is_the_same_to_the_byte(pair: Service, single: Service) -> None:
    async def push_many() -> None:
        async def push(first: int) -> None:
            browser = await Browser.opened(pair.url)
            for number in range(first, 800, 8):
                assert await browser.push(f"many-{number}", f"room-{number // 20}")
            browser.close()

        await asyncio.gather(*(push(first) for first in range(8)))

    asyncio.run(push_many())
    text = pair.get("/metrics/participants").body
    assert len(text) > 1_000_000
    assert text.count('participant_id="many-799"') > 5
    assert text == single.get("/metrics/participants").body
    # Also by the whole page, except the counts of each service itself.
    ours, theirs = (
        [line for line in each.get("/metrics").body.splitlines() if GAUGE.match(line)]
        for each in (pair, single)
    )
    assert len(ours) > 800
    assert ours == theirs


def test_who_hangs_up_in_the_middle_of_a_scrape_is_forgotten(pair: Service) -> None:
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", urlsplit(pair.url).port or 0)) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    # More than may be answered at once, and later only the present callers.
    eventually(lambda: pair.own("otel_jcmc_connections") == 1)
    assert " ERROR " not in pair.log.read_text()


def test_the_one_that_reads_yields_to_pushes(pair: Service) -> None:
    pids = named(pair)
    niceness = {name: psutil.Process(pid).nice() for name, pid in pids.items()}
    ours = psutil.Process(pair.pid).nice()
    assert niceness == {"worker 1": ours, "worker 2": ours, "the reader": min(19, ours + 5)}
    # A kernel with autogroups weighs sessions by the nice value of the session.
    group = Path(f"/proc/{pids['the reader']}/autogroup")
    if group.exists():
        assert group.read_text().split()[-1] == str(min(19, ours + 5))


def test_a_worker_that_is_killed_is_back_and_nothing_acknowledged_is_lost(pair: Service) -> None:
    pages = Pages(pair.url, "killed")

    async def kill_now_and_then() -> list[float]:
        loading = asyncio.create_task(pages.run(2.6))
        back = []
        for number in range(3):
            await asyncio.sleep(0.7)
            name = f"worker {number % 2 + 1}"
            back.append(await asyncio.to_thread(kill_and_await, pair, name))
        await loading
        return back

    back = asyncio.run(kill_now_and_then())
    assert min(back) < 1
    assert pages.refused == 0
    assert pages.statuses == {200}
    assert len(pages.acknowledged) > 100
    assert pages.acknowledged <= shown(pair)
    assert re.search(
        r"ERROR worker 1 \(pid \d+\) ended \(-9\): started again", pair.log.read_text()
    )


def test_counters_are_those_of_all_and_outlive_whoever_counted(pair: Service) -> None:
    series = 'otel_jcmc_pushes_total{outcome="accepted",reason=""}'
    starts = 'otel_jcmc_process_starts_total{process="%s"}'
    buckets = 'jitsi_jcmc_fleet_round_trip_time_count{region="counted"}'

    def own(name: str) -> float:
        return pair.own(name) or 0.0

    async def push_by_many() -> None:
        for number in range(30):
            browser = await Browser.opened(pair.url)
            body = push_body(f"counted-{number}", "counted")
            body["metrics"]["connectionquality"]["labels"]["serverregion"] = "counted"
            told = await browser.push(f"counted-{number}", "counted", metrics=body["metrics"])
            assert told is not None
            assert told.status == 200
            browser.close()

    # By now the pushes of other tests are counted.
    time.sleep(2 * PUBLISH_SECONDS)
    before = own(series)
    workers, readers = own(starts % "worker"), own(starts % "reader")
    asyncio.run(push_by_many())
    # Each worker reports within half a second.
    eventually(lambda: own(series) == before + 30)
    assert own("otel_jcmc_push_duration_seconds_count") >= 1
    assert own("otel_jcmc_store_up") == 1
    told = pair.get("/metrics/service").body
    for name in ("worker 1", "the reader", "worker 2"):
        kill_and_await(pair, name)
        assert own(series) == before + 30
    again = pair.get("/metrics/service").body
    assert buckets in told
    assert [line for line in told.splitlines() if buckets in line] == [
        line for line in again.splitlines() if buckets in line
    ]
    eventually(lambda: own(starts % "worker") == workers + 2)
    assert own(starts % "reader") == readers + 1
    # A dead worker has no connections any more.
    eventually(lambda: 0 < own("otel_jcmc_connections") < 6, 10)


def test_without_the_one_that_reads_pushes_go_on(pair: Service) -> None:
    pages = Pages(pair.url, "unread")
    answers: list[Answer | None] = []

    def scrape_on(until: float) -> None:
        while time.monotonic() < until:
            try:
                answers.append(pair.get("/metrics"))
            except (http.client.HTTPException, OSError):
                answers.append(None)

    async def kill() -> None:
        until = time.monotonic() + 1.5
        loading = asyncio.create_task(pages.run(1.5, 2))
        scraping = asyncio.gather(*(asyncio.to_thread(scrape_on, until) for _ in range(3)))
        await asyncio.sleep(0.6)
        await asyncio.to_thread(kill_and_await, pair, "the reader")
        await loading
        await scraping

    asyncio.run(kill())
    assert pages.statuses == {200}
    assert {each.status for each in answers if each} <= {200, 503}
    # At most one answer broke off for each client that scraped.
    assert answers.count(None) <= 3
    for each in answers:
        if each and each.status == 503:
            assert each.headers["retry-after"]
            assert each.body.count("\n") == 1
        elif each:
            assert each.body.endswith("\n")
    assert pages.acknowledged <= shown(pair)


def test_who_asks_one_that_dies_is_answered_by_the_next(pair: Service) -> None:
    reader = named(pair)["the reader"]
    with socket.create_connection(("127.0.0.1", urlsplit(pair.url).port or 0)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        # The worker has the request, and no time to answer.
        os.kill(reader, signal.SIGSTOP)
        client.sendall(b"Host: x\r\n\r\n")
        time.sleep(0.2)
        os.kill(reader, signal.SIGKILL)
        client.settimeout(10)
        # No worker had accepted it: the successor does.
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    eventually(lambda: named(pair)["the reader"] != reader)


def test_all_end_as_one_when_told_to(short_path: Path) -> None:
    """Requests under way are answered; the embedded store and every folder are removed."""
    whole = push_request("late")

    async def end(service: Service) -> None:
        browsers = [await Browser.opened(service.url) for _ in range(6)]
        for browser in browsers:
            await browser.send(whole[:-100])
        await asyncio.sleep(0.2)
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        for browser in browsers:
            await browser.send(whole[-100:])
            told = await browser.told()
            assert told is not None
            assert (told.status, told.closes) == (200, True)
            browser.close()

    with Service(short_path, JCMC_WORKERS=WORKERS, TMPDIR=str(short_path)) as service:
        processes = processes_of(service)
        assert len(processes) == 4
        asyncio.run(end(service))
        assert service.stop() == 0
    assert are_gone(processes)
    assert not list(short_path.glob("otel_jcmc-*"))
    assert not (short_path / "store").exists()
    assert " ERROR " not in service.log.read_text()


def test_the_embedded_store_comes_back_and_nobody_outlives_the_first(short_path: Path) -> None:
    with Service(short_path, JCMC_WORKERS=WORKERS, TMPDIR=str(short_path)) as service:
        assert service.push(push_body("before")).body == "OK"
        (store,) = (each for each in processes_of(service) if "valkey" in each.name())
        store.kill()
        eventually(lambda: service.push(push_body("after")).status == 200)
        assert eventually(lambda: shown(service)) == {"after"}
        assert "the embedded server died" in service.log.read_text()
        processes = processes_of(service)
        assert len(processes) == 4
        assert service.stop(signal.SIGKILL) == -9
        eventually(lambda: are_gone(processes))


def test_tls_and_a_port_for_who_reads(short_path: Path) -> None:
    old, new = Certificates(short_path / "old"), Certificates(short_path / "new")
    chain, key = short_path / "chain.pem", short_path / "key.pem"

    def use(made: Certificates) -> None:
        key.write_bytes(made.key.read_bytes())
        chain.write_bytes(made.certificate.read_bytes())

    def ask(url: str, ca: Path, body: dict[str, Any] | None = None) -> int:
        trusting = ssl.create_default_context(cafile=ca)
        opened = http.client.HTTPSConnection(urlsplit(url).netloc, timeout=8, context=trusting)
        with closing(opened), suppress(ssl.SSLCertVerificationError):
            sent = None if body is None else push_request("ada").partition(b"\r\n\r\n")[2]
            opened.request("GET" if body is None else "POST", urlsplit(url).path, sent)
            return opened.getresponse().status
        return 0

    use(old)
    told = {"JCMC_TLS_CERTIFICATE_FILE": str(chain), "JCMC_TLS_KEY_FILE": str(key)}
    with Service(short_path / "a", JCMC_WORKERS=WORKERS, JCMC_ADMIN_PORT="0", **told) as service:
        assert ask(f"{service.url}/metrics/push", old.ca, {}) == 200
        assert ask(f"{service.admin_url}/metrics", old.ca) == 200
        assert ask(f"{service.url}/metrics", old.ca) == 404
        assert ask(f"{service.admin_url}/metrics/push", old.ca, {}) == 404
        use(new)
        os.kill(service.pid, signal.SIGHUP)
        for url in (f"{service.admin_url}/-/healthy", *[f"{service.url}/client-file"] * 12):
            eventually(lambda url=url: ask(url, new.ca) == 200)  # type: ignore[misc]
        # A successor has the new certificate, too.
        kill_and_await(service, "worker 1")
        assert {ask(f"{service.url}/client-file", new.ca) for _ in range(12)} == {200}
    with Service(short_path / "b", JCMC_WORKERS="1", **told) as service:
        trusting = ssl.create_default_context(cafile=new.ca)
        opened = http.client.HTTPSConnection(urlsplit(service.url).netloc, context=trusting)
        opened.request("GET", "/metrics/")
        answer = opened.getresponse()
        # The address, in the scheme and with the name of the request.
        assert answer.getheader("location") == "/metrics"
        opened.close()
        assert service.stop(signal.SIGINT) == 0


def test_an_address_is_one_services_alone(pair: Service, short_path: Path) -> None:
    port = str(urlsplit(pair.url).port)
    other = Service(short_path, JCMC_WORKERS=WORKERS, JCMC_PORT=port)
    with pytest.raises(AssertionError, match="did not start"):
        other.start()
    assert other.stop() == 1
    assert "Address already in use; set JCMC_PORT" in other.log.read_text()


def test_what_one_process_can_not_start_with_is_said_once(short_path: Path) -> None:
    told = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    told["OTEL_EXPORTER_OTLP_COMPRESSION"] = "zip"
    service = Service(short_path, JCMC_WORKERS="2", **told)
    with pytest.raises(AssertionError, match="did not start"):
        service.start()
    assert service.stop() == 1
    said = [line for line in service.said() if line.startswith("otel-jcmc: ")]
    assert len(said) == 1
    assert not (short_path / "store").exists()


def test_what_the_start_and_the_check_say(pair: Service) -> None:
    assert "  workers     2 take pushes, one more process reads" in pair.banner
    assert request(pair.url + "/-/ready").body == "ready\n"
