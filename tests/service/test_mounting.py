"""
The package mounted in another application: it starts, leaves the host alone, and ends with it.

The first half asks the application directly, the second a real server in a process of its own.
"""

import asyncio
import gc
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import psutil
import pytest
from fastapi import FastAPI
from harness import Answer, eventually, push_body, request
from hosting import Host
from starlette.applications import Starlette
from starlette.routing import Mount

import otel_jcmc  # what its import does is looked at, too
from otel_jcmc.catalogue.reasons import StoreCannotStart
from otel_jcmc.service import life
from otel_jcmc.service.life import Life
from otel_jcmc.store.embedded import EmbeddedStore

PUSH = json.dumps(push_body()).encode()


class Told(NamedTuple):
    """The answer of an application."""

    status: int
    headers: dict[str, str]
    body: str


async def ask(
    app: Callable[..., Awaitable[None]], path: str, body: bytes | None = None, root: str = ""
) -> Told:
    """Send one request to *app*, a POST if it has a *body*."""
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": body or b""}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(
        {
            "type": "http",
            "method": "GET" if body is None else "POST",
            "path": path,
            "root_path": root,
            "query_string": b"",
            "headers": [(b"origin", b"https://meet.example.org")],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        },
        receive,
        send,
    )
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Told(
        sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:]).decode()
    )


@pytest.fixture
def metrics(redis_server: EmbeddedStore) -> Any:
    """Return the application on a store of its own."""
    return otel_jcmc.create_app(otel_jcmc.Settings(redis_url=redis_server.url))


def hosts(mounted: Any) -> dict[str, Any]:
    """Return hosts of several kinds, which mount the package at /jitsi-metrics."""
    fastapi = FastAPI()
    fastapi.mount("/jitsi-metrics", mounted)
    return {
        "FastAPI": fastapi,
        "Starlette": Starlette(routes=[Mount("/jitsi-metrics", mounted)]),
    }


# The mount path


@pytest.mark.parametrize("host", ["FastAPI", "Starlette"])
def test_all_that_is_served_is_found_below_the_mount(metrics: Any, host: str) -> None:
    async def check() -> None:
        app = hosts(metrics)[host]
        assert (await ask(app, "/jitsi-metrics/metrics/push", PUSH)).body == "OK"
        assert "1a2b3c4d" in (await ask(app, "/jitsi-metrics/metrics")).body
        for path in ("/client-file", "/-/ready", "/-/healthy", "/openapi.json", "/"):
            assert (await ask(app, f"/jitsi-metrics{path}")).status == 200, path
        assert (await ask(app, "/metrics/push", PUSH)).status == 404
        assert (await ask(app, "/jitsi-metrics/jitsi-metrics/metrics")).status == 404

    asyncio.run(check())


def test_mounts_may_be_nested(metrics: Any) -> None:
    async def check() -> None:
        app = FastAPI()
        app.mount("/a", Starlette(routes=[Mount("/b/jitsi-metrics", metrics)]))
        for root in ("", "/api"):
            path = f"{root}/a/b/jitsi-metrics"
            assert (await ask(app, f"{path}/metrics/push", PUSH, root)).body == "OK"
            assert "1a2b3c4d" in (await ask(app, f"{path}/metrics", root=root)).body
            assert (await ask(app, f"{path}/nothing", root=root)).status == 404

    asyncio.run(check())


@pytest.mark.parametrize(
    ("prefix", "root", "path"),
    [
        ("", "/api", "/api/jitsi-metrics"),  # uvicorn --root-path /api
        ("", "/api", "/jitsi-metrics"),  # another server, and a proxy that cuts /api off
        ("/api", "", "/jitsi-metrics"),  # FastAPI(root_path="/api") behind such a proxy
        ("/api", "", "/api/jitsi-metrics"),
    ],
)
@pytest.mark.filterwarnings("ignore:The `root_path` parameter is deprecated")
def test_a_proxy_may_have_a_prefix(metrics: Any, prefix: str, root: str, path: str) -> None:
    async def check() -> None:
        app = FastAPI(root_path=prefix)
        app.mount("/jitsi-metrics", metrics)
        assert (await ask(app, f"{path}/metrics/push", PUSH, root)).body == "OK"
        assert "1a2b3c4d" in (await ask(app, f"{path}/metrics", root=root)).body
        assert (await ask(app, f"{path}/nothing", root=root)).status == 404

    asyncio.run(check())


def test_it_may_be_mounted_at_the_root(metrics: Any) -> None:
    async def check() -> None:
        app = FastAPI()
        app.mount("/", metrics)
        assert (await ask(app, "/metrics/push", PUSH)).body == "OK"
        assert (await ask(app, "/-/ready")).status == 200

    asyncio.run(check())


def test_no_path_disappears_for_a_port_that_only_the_command_line_opens(
    redis_server: EmbeddedStore,
) -> None:
    async def check() -> None:
        for port in (0, 3001):
            settings = otel_jcmc.Settings(redis_url=redis_server.url, admin_port=port)
            app = hosts(otel_jcmc.create_app(settings))["FastAPI"]
            for path in ("/metrics", "/client-file", "/-/ready", "/openapi.json"):
                assert (await ask(app, f"/jitsi-metrics{path}")).status == 200

    asyncio.run(check())


# The first request


class Running:
    """Stands for the service: counts its starts and ends, and behaves as told."""

    def __init__(self) -> None:
        self.starts = self.ends = 0
        self.fault: Exception | None = None
        self.is_dead = False
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.seen = ""

    @asynccontextmanager
    async def __call__(self) -> Any:
        self.starts += 1
        self.seen = TRACE.get()
        await self.may_start.wait()
        if self.fault:
            raise self.fault
        try:
            yield
        finally:
            if not self.is_dead:
                await asyncio.sleep(0)  # as who has something to write
            self.ends += 1


TRACE: ContextVar[str] = ContextVar("trace", default="none")
Story = Callable[[Life, Running], Coroutine[Any, Any, None]]


def live(story: Story) -> Running:
    """Run *story* in an event loop of its own; return the stand-in for the service."""
    running = Running()
    asyncio.run(story(Life(running), running))
    return running


def test_requests_that_come_while_it_starts_wait_for_the_same_start() -> None:
    async def story(of: Life, running: Running) -> None:
        running.may_start.clear()
        asking = [asyncio.create_task(of.start()) for _ in range(20)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in asking)
        running.may_start.set()
        assert await asyncio.gather(*asking) == [0.0] * 20

    assert live(story).starts == 1


def test_who_asked_first_may_hang_up() -> None:
    async def story(of: Life, running: Running) -> None:
        running.may_start.clear()
        first, second = (asyncio.create_task(of.start()) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        running.may_start.set()
        assert await second == 0.0

    assert live(story).starts == 1


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start goes on meanwhile, so a later request finds it done."""
    monkeypatch.setattr(life, "WAIT_SECONDS", 0.01)

    async def story(of: Life, running: Running) -> None:
        running.may_start.clear()
        assert await of.start() == 5.0
        assert await of.start() == 5.0
        running.may_start.set()
        monkeypatch.setattr(life, "WAIT_SECONDS", 5.0)
        assert await of.start() == 0.0

    assert live(story).starts == 1


def test_a_start_that_failed_is_tried_again_later_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(life, "monotonic", lambda: now)

    async def story(of: Life, running: Running) -> None:
        nonlocal now
        running.fault = StoreCannotStart("no store: set REDIS_URL")
        for _ in range(3):
            assert [*await asyncio.gather(of.start(), of.start())] == [5.0, 5.0]
            now += 1
            assert await of.start() == 4.0
            now += 5
        assert running.starts == 3
        running.fault = RuntimeError("with what was sent, perhaps")
        assert await of.start() == 5.0
        now += 6
        running.fault = None
        assert await of.start() == 0.0

    caplog.set_level("INFO", "otel_jcmc.service.life")
    live(story)
    assert caplog.messages == [
        "otel_jcmc does not start: no store: set REDIS_URL",
        "otel_jcmc does not start: RuntimeError",
        "otel_jcmc is up",
    ]


def test_what_runs_beside_the_requests_is_no_part_of_the_first_one() -> None:
    """The context of the first request has the host's trace, and perhaps its user."""

    async def story(of: Life, _running: Running) -> None:
        TRACE.set("the host's")
        await of.start()

    assert live(story).seen == "none"


def test_it_ends_with_the_event_loop_and_begins_again_in_another() -> None:
    running = Running()
    of = Life(running)
    for times in (1, 2):
        assert asyncio.run(of.start()) == 0.0
        assert (running.starts, running.ends) == (times, times)


def test_requests_in_an_event_loop_each_are_answered(metrics: Any) -> None:
    """A host's tests send requests like this, with a client that is no context manager."""
    app = hosts(metrics)["FastAPI"]

    async def crowd() -> list[int]:
        asked = [("/metrics", None), ("/metrics/push", PUSH), ("/-/ready", None)] * 3
        told = [ask(app, f"/jitsi-metrics{path}", body) for path, body in asked]
        return [each.status for each in await asyncio.gather(*told)]

    for _ in range(3):
        assert asyncio.run(crowd()) == [200] * 9


def test_a_loop_that_was_just_closed_takes_it_along() -> None:
    running = Running()
    of = Life(running)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(of.start())
    running.is_dead = True
    loop.close()
    assert asyncio.run(of.start()) == 0.0
    assert running.starts == 2
    gc.collect()  # asyncio complains that that loop's task never ended


def test_another_loop_of_the_same_time_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    of = Life(Running())

    async def first() -> None:
        await of.start()
        for _ in range(2):
            assert await asyncio.to_thread(asyncio.run, of.start()) == 5.0
        assert of.is_up

    asyncio.run(first())
    assert caplog.messages == [
        "otel_jcmc is up in another event loop of this process: a process has one otel_jcmc"
    ]


def test_a_push_that_comes_while_it_cannot_start_is_told_when_to_come_again(
    short_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A page of another origin can read the answer, and the host answers as before."""
    folder = short_path / "r"
    folder.write_text("")

    async def check() -> None:
        metrics = otel_jcmc.create_app(otel_jcmc.Settings(embedded_dir=folder))
        app = hosts(metrics)["FastAPI"]
        app.get("/own")(lambda: "the host's")
        for _ in range(2):
            told = await ask(app, "/jitsi-metrics/metrics/push", PUSH)
            assert (told.status, told.headers["retry-after"]) == (503, "5")
            assert told.headers["access-control-allow-origin"] == "*"
            assert json.loads(told.body)["errors"] == [{"field": "", "reason": "store_unavailable"}]
        other = await ask(app, "/jitsi-metrics/metrics")
        assert (other.status, other.headers["retry-after"]) == (503, "5")
        assert other.body == "otel_jcmc does not start: its log says why\n"
        assert (await ask(app, "/own")).body == '"the host\'s"'

    asyncio.run(check())
    (line,) = caplog.messages
    assert line.startswith("otel_jcmc does not start: ")
    assert "set JCMC_EMBEDDED_DIR or REDIS_URL" in line


def test_a_websocket_is_closed_and_starts_nothing(metrics: Any) -> None:
    async def check() -> list[str]:
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        path = "/jitsi-metrics/metrics/push"
        scope = {"type": "websocket", "path": path, "root_path": "", "headers": []}
        await hosts(metrics)["FastAPI"](scope, receive, send)
        assert not metrics.life.is_up
        return sent

    assert asyncio.run(check()) == ["websocket.close"]


def test_a_host_that_hands_its_lifespan_on_starts_and_ends_it(metrics: Any) -> None:
    """As a server does that runs the application without a host."""

    async def check() -> list[str]:
        said = ["lifespan.startup", "lifespan.shutdown"]
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            assert metrics.life.is_up is (len(said) == 1)
            return {"type": said.pop(0)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await metrics({"type": "lifespan", "state": {}}, receive, send)
        assert not metrics.life.is_up
        return sent

    assert asyncio.run(check()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# The host's lifespan


def of_host(host: str, metrics: Any) -> Any:
    """Return a host whose lifespan contains that of *metrics*."""
    if host == "FastAPI":
        app: Any = FastAPI(lifespan=otel_jcmc.lifespan(metrics))
        app.mount("/jitsi-metrics", metrics)
        return app
    if host == "Starlette":
        mount = Mount("/jitsi-metrics", metrics)
        return Starlette(routes=[mount], lifespan=otel_jcmc.lifespan(metrics))

    @asynccontextmanager
    async def own(_app: FastAPI) -> Any:
        async with otel_jcmc.lifespan(metrics):
            yield {"own": "state"}

    app = FastAPI(lifespan=own)
    app.mount("/jitsi-metrics", metrics)
    return app


@pytest.mark.parametrize("host", ["FastAPI", "Starlette", "own"])
def test_with_the_hosts_lifespan_it_is_up_before_the_first_request(
    short_path: Path, host: str
) -> None:
    """It ends after the last request, together with its store."""
    folder = short_path / "r"
    metrics = otel_jcmc.create_app(otel_jcmc.Settings(embedded_dir=folder))
    app = of_host(host, metrics)

    async def check() -> None:
        for _ in range(2):
            async with app.router.lifespan_context(app):
                assert metrics.life.is_up
                assert (folder / "socket").exists()
                assert (await ask(app, "/jitsi-metrics/metrics/push", PUSH)).body == "OK"
                assert "1a2b3c4d" in (await ask(app, "/jitsi-metrics/metrics")).body
            assert not metrics.life.is_up
            assert not folder.exists()

    asyncio.run(check())


@pytest.mark.parametrize("host", ["FastAPI", "none"])
def test_what_was_not_written_yet_is_written_when_it_ends(
    redis_server: EmbeddedStore, host: str
) -> None:
    """With the host's lifespan, or with the event loop: history writes its present interval."""
    settings = otel_jcmc.Settings(redis_url=redis_server.url)

    async def push() -> None:
        metrics = otel_jcmc.create_app(settings)
        app = of_host(host, metrics) if host != "none" else hosts(metrics)["FastAPI"]
        async with app.router.lifespan_context(app):
            assert (await ask(app, "/jitsi-metrics/metrics/push", PUSH)).body == "OK"
            assert await samples(app) == []

    async def samples(app: Any) -> list[Any]:
        listed = json.loads((await ask(app, "/jitsi-metrics/sessions")).body)["sessions"]
        (session,) = listed
        told = await ask(app, f"/jitsi-metrics/sessions/{session['id']}")
        return list(json.loads(told.body)["samples"])

    async def look() -> list[Any]:
        return await samples(hosts(otel_jcmc.create_app(settings))["FastAPI"])

    asyncio.run(push())
    assert len(asyncio.run(look())) == 1


def test_a_host_comes_up_when_its_guest_does_not(
    short_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = short_path / "r"
    folder.write_text("")
    metrics = otel_jcmc.create_app(otel_jcmc.Settings(embedded_dir=folder))
    app = of_host("FastAPI", metrics)

    async def check() -> None:
        async with app.router.lifespan_context(app):
            assert (await ask(app, "/jitsi-metrics/metrics/push", PUSH)).status == 503

    asyncio.run(check())
    assert len(caplog.messages) == 1


def test_one_lifespan_is_for_any_number_of_guests() -> None:
    class Guest(NamedTuple):
        life: Life

    runnings = [Running(), Running()]

    async def check() -> None:
        async with otel_jcmc.lifespan(*[Guest(Life(each)) for each in runnings]):
            assert [(each.starts, each.ends) for each in runnings] == [(1, 0)] * 2
        assert [(each.starts, each.ends) for each in runnings] == [(1, 1)] * 2

    asyncio.run(check())


# A running host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Return a running host without a composed lifespan that mounts the package twice."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Host(folder, OTHER_STORE=str(folder / "o"), JCMC_ADMIN_PORT="3001") as running:
        yield running


def opened(url: str, headers: dict[str, str]) -> Any:
    """Request *url*; the body of the answer is the raw one."""
    return urlopen(Request(url, headers=headers), timeout=10)


def live_in(answer: Answer) -> set[str]:
    """Return the participants of a scrape."""
    assert answer.status == 200, answer
    return set(re.findall(r'(?:participant_id|jitsi_participant_id)="([^"]+)"', answer.body))


def test_nothing_that_belongs_to_the_whole_process_is_changed(host: Host) -> None:
    """Neither the import, nor the creation, nor the operation changes it."""
    assert host.get("/orders").status == 200
    first = host.get("/globals").json()
    assert first["made"] == first["before"]
    assert host.push(push_body("ada")).body == "OK"
    for path in ("/metrics", "/openapi.json", "/client-file", "/-/ready"):
        assert host.get(f"/jitsi-metrics{path}").status == 200
    assert host.get("/globals").json()["now"] == first["now"]


def test_the_hosts_metrics_are_the_hosts_and_ours_are_ours(host: Host) -> None:
    host.get("/orders")
    host.push(push_body("bob"))
    theirs, ours = host.get("/metrics").body, host.get("/jitsi-metrics/metrics").body
    assert "shop_orders_total" in theirs
    assert "jcmc" not in theirs
    assert "otel_jcmc_pushes_total" in ours
    assert "shop_orders" not in ours
    assert "python_gc" not in ours


def test_nothing_of_ours_is_written_to_the_hosts_providers(host: Host) -> None:
    """FastAPI writes spans and metrics of its routes if there are global providers."""
    host.push(push_body("cid"))
    host.get("/jitsi-metrics/metrics")
    assert host.get("/telemetry").json() == {"spans": ["fastapi"], "meters": ["fastapi"]}


def test_it_writes_nothing_to_the_providers_of_a_host_that_is_not_fastapi(short_path: Path) -> None:
    """The FastAPI inside the package would, if there are global providers."""
    script = """
import asyncio, sys
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
metrics.set_meter_provider(MeterProvider([reader]))
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))

import otel_jcmc  # noqa: E402  # what its import does is looked at, too
from test_mounting import PUSH, ask, hosts

async def live():
    guest = otel_jcmc.create_app(otel_jcmc.Settings())
    app = hosts(guest)["Starlette"]
    async with otel_jcmc.lifespan(guest):
        assert (await ask(app, "/jitsi-metrics/metrics/push", PUSH)).body == "OK"
        for path in ("/metrics", "/client-file", "/-/ready", "/nothing"):
            await ask(app, f"/jitsi-metrics{path}")

asyncio.run(live())
assert spans.get_finished_spans() == (), spans.get_finished_spans()
assert reader.get_metrics_data() is None, reader.get_metrics_data()
"""
    here = Path(__file__)
    tests = os.pathsep.join([str(here.parent), str(here.parents[1] / "helpers")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ
        | {"JCMC_EMBEDDED_DIR": str(short_path / "r")}
        | {"PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_hosts_middleware_works_around_it(host: Host) -> None:
    page = {"origin": "https://shop.example.org", "accept-encoding": "gzip"}
    with opened(f"{host.url}/jitsi-metrics/metrics", page) as answer:
        assert answer.headers["x-host"] == "was here"
        assert answer.headers["content-encoding"] == "gzip"
        assert b"otel_jcmc_pushes_total" in gzip.decompress(answer.read())
    with opened(f"{host.url}/jitsi-metrics/openapi.json", page) as answer:
        assert "paths" in json.loads(gzip.decompress(answer.read()))
    with opened(f"{host.url}/jitsi-metrics/client-file", page) as answer:
        assert answer.headers.get_all("access-control-allow-origin") == ["https://shop.example.org"]
        assert b"otelJcmc" in gzip.decompress(answer.read())
    pushed = host.push(push_body("dora"), headers=page)
    assert pushed.headers.get_all("access-control-allow-origin") == ["https://shop.example.org"]


def test_behind_an_offer_of_an_upgrade_the_connection_ends(host: Host) -> None:
    """uvicorn, not the package, takes the body as another request."""
    hidden = b"GET /jitsi-metrics/metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    head = (
        b"POST /jitsi-metrics/metrics/push HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        b"Upgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(hidden)
    )
    name, _, port = host.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((name, int(port)), timeout=8) as wire:
        wire.sendall(head)
        time.sleep(0.3)
        with suppress(ConnectionError):
            wire.sendall(hidden)
        said = b""
        with suppress(ConnectionError):
            while more := wire.recv(65536):
                said += more
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in said
    assert b"otel_jcmc_" not in said


def test_two_in_one_host_share_nothing(host: Host) -> None:
    page = {"origin": "https://two.example.org"}
    token = host.get("/other/push-token", method="POST", headers=page).json()["token"]
    bearer = page | {"authorization": f"Bearer {token}"}
    before = pushes(host, "/other")
    assert host.push(push_body("emil")).body == "OK"
    assert host.push(push_body("fay"), "/other").status == 401
    assert host.push(push_body("fay"), "/other", headers=bearer).body == "OK"
    one, two = host.get("/jitsi-metrics/metrics"), host.get("/other/metrics")
    assert "emil" in live_in(one) - live_in(two)
    assert live_in(two) == {"fay"}
    assert "jitsi_jcmc_connectionquality{" in one.body
    assert "jitsi_client_" in two.body
    assert pushes(host, "/other") == before + 1
    assert host.get("/jitsi-metrics/push-token", method="POST").status == 404


def pushes(host: Host, mount: str) -> float:
    """Return how many pushes the application at *mount* has accepted."""
    found = re.search(
        r'^otel_jcmc_pushes_total\{outcome="accepted",reason=""\} (\S+)$',
        host.get(f"{mount}/metrics").body,
        re.MULTILINE,
    )
    return float(found[1]) if found else 0.0


def test_pages_of_the_other_collector_find_all_of_it_below_the_mount(host: Host) -> None:
    """The cookie is for the folder of the push URL; both wire formats have the same road."""
    url = f"{host.url}/jitsi-metrics/jmmc/push"
    who = {"uid": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "conf": "standup"}
    opened = request(url, who | {"m": {"br": "?", "os": "?", "pid": "gil"}})
    cookie = opened.headers["set-cookie"]
    assert "path=" not in cookie.lower()
    told = {"cookie": cookie.partition(";")[0]}
    assert request(url, who | {"m": {"cq": 61}}, headers=told).json()["m"]["cq"] == 61
    assert request(url, who | {"m": {"cq": 62}}).status == 400
    assert "gil" in live_in(host.get("/jitsi-metrics/metrics"))
    assert "otelJmmc" in host.get("/jitsi-metrics/jmmc/getClient").body
    described = host.get("/jitsi-metrics/openapi.json").json()["paths"]
    assert {"/jmmc/push", "/jmmc/getClient"} <= set(described)


@pytest.mark.parametrize(
    ("told", "status"), [("203.0.113.9", 403), ("10.0.0.1, 203.0.113.9", 403), ("10.0.0.5", 200)]
)
def test_a_server_that_reads_forwarded_headers_itself_opens_no_door(
    host: Host, told: str, status: int
) -> None:
    """uvicorn replaces the proxy's address by the caller's."""
    headers = {"x-forwarded-for": told}
    for path in ("/metrics", "/sessions", "/openapi.json"):
        assert host.get(f"/jitsi-metrics{path}", headers=headers).status == status


def test_its_document_says_where_it_is_mounted(host: Host) -> None:
    told = host.get("/jitsi-metrics/openapi.json").json()
    assert told["servers"] == [{"url": "/jitsi-metrics"}]
    assert host.push(push_body()).status == 200


@pytest.mark.parametrize(
    ("how", "lifespan"), [(signal.SIGKILL, ""), (signal.SIGINT, ""), (signal.SIGTERM, "1")]
)
def test_nothing_is_left_running_when_the_host_ends(
    short_path: Path, how: signal.Signals, lifespan: str
) -> None:
    """Neither the store nor the exporter's process, however the host ends."""
    with Host(
        short_path,
        LIFESPAN=lifespan,
        OTEL_METRICS_EXPORTER="prometheus,otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    ) as host:
        assert host.push(push_body()).body == "OK"
        children = eventually(lambda: started(host), 10)
        host.stop(how)
        eventually(lambda: not any(is_running(child) for child in children), 10)
        assert (short_path / "r").exists() is (how == signal.SIGKILL)


def started(host: Host) -> list[psutil.Process]:
    """Return the store's and the exporter's process, as soon as both run."""
    children = psutil.Process(host.pid).children(recursive=True)
    names = {"valkey-server", "export"}
    found = [child for child in children if names & {child.name(), *child.cmdline()[-1:]}]
    return found if len(found) == 2 else []


def is_running(process: psutil.Process) -> bool:
    """Say whether *process* runs, and does not only wait for its parent."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_several_workers_with_an_embedded_store_are_told_what_to_set(short_path: Path) -> None:
    """One line for each; the host answers as before."""
    with Host(short_path, "--workers", "2", LIFESPAN="1") as host:
        for _ in range(8):
            assert host.push(push_body()).status == 503
            assert host.get("/orders").body == '"taken"'
        lines = [line for line in host.said().splitlines() if "otel_jcmc" in line]
    assert lines
    wanted = (
        "host says otel_jcmc does not start: the embedded store is for one process and this is one"
        " of several workers, or of a server that reloads: set REDIS_URL, and all of them share"
        " one Redis"
    )
    assert set(lines) == {wanted}
    assert len(lines) <= 2


def test_several_workers_share_one_redis(short_path: Path, redis_server: EmbeddedStore) -> None:
    with Host(short_path, "--workers", "2", REDIS_URL=redis_server.url) as host:
        wanted = {f"p{number}" for number in range(8)}
        for participant in wanted:
            assert host.push(push_body(participant)).body == "OK"
        for _ in range(8):
            assert live_in(host.get("/jitsi-metrics/metrics")) == wanted
        assert "Traceback" not in host.said()
