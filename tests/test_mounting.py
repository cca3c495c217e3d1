"""
A guest in somebody's application: it starts by itself, leaves the host alone, and ends with it.

The first half asks the application itself, the second a real server in a process of its own.
"""

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from harness import push_body
from starlette.applications import Starlette
from starlette.routing import Mount

import otel_jcmc
from otel_jcmc import life
from otel_jcmc.embedded import EmbeddedStore
from otel_jcmc.faults import StoreCannotStart
from otel_jcmc.life import Life

PUSH = json.dumps(push_body()).encode()


class Told(NamedTuple):
    """What an application answered."""

    status: int
    headers: dict[str, str]
    body: str


async def ask(
    app: Callable[..., Awaitable[None]], path: str, body: bytes | None = None, root: str = ""
) -> Told:
    """Send one request to *app*, a POST if it has a *body*."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body or b""}

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
    return Told(sent[0]["status"], headers, b"".join(each["body"] for each in sent[1:]).decode())


@pytest.fixture
def metrics(redis_server: EmbeddedStore) -> Any:
    """Return the application on a store of its own."""
    return otel_jcmc.create_app(otel_jcmc.Settings(redis_url=redis_server.url))


def hosts(mounted: Any) -> dict[str, Any]:
    """Return what somebody may have mounted us in, at /jitsi-metrics."""
    fastapi = FastAPI()
    fastapi.mount("/jitsi-metrics", mounted)
    return {
        "FastAPI": fastapi,
        "Starlette": Starlette(routes=[Mount("/jitsi-metrics", mounted)]),
    }


# Where it is mounted


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
    """Stands for the service: counts its starts and ends, and does as it is told."""

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
    """Run *story* in an event loop of its own; return what stood for the service."""
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
    """And the start goes on meanwhile: who asks later finds it done."""
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

    caplog.set_level("INFO", "otel_jcmc.life")
    live(story)
    assert caplog.messages == [
        "otel_jcmc does not start: no store: set REDIS_URL",
        "otel_jcmc does not start: RuntimeError",
        "otel_jcmc is up",
    ]


def test_what_runs_beside_the_requests_is_no_part_of_the_first_one() -> None:
    """Its context has the host's trace, and perhaps its user."""

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


def test_a_loop_that_was_just_closed_takes_it_along() -> None:
    running = Running()
    of = Life(running)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(of.start())
    running.is_dead = True
    loop.close()
    assert asyncio.run(of.start()) == 0.0
    assert running.starts == 2
    gc.collect()  # asyncio says of the task that was in that loop that it never ended


def test_another_loop_of_the_same_time_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    of = Life(Running())

    async def first() -> None:
        await of.start()
        for _ in range(2):
            assert await asyncio.to_thread(asyncio.run, of.start()) == 5.0
        assert of.is_up

    asyncio.run(first())
    assert caplog.messages == ["otel_jcmc is up in another event loop of this process: it has one"]


def test_a_push_that_comes_while_it_cannot_start_is_told_when_to_come_again(
    short_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a page of another origin can read it; and the host answers as ever."""
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


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_only_a_request_starts_it(metrics: Any, kind: str) -> None:
    async def check() -> list[str]:
        said = [{"type": "websocket.connect"}, {"type": "lifespan.shutdown"}]
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return said[kind == "lifespan"]

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        scope = {
            "type": kind,
            "path": "/jitsi-metrics/metrics/push",
            "root_path": "",
            "headers": [],
        }
        if kind == "websocket":
            await hosts(metrics)["FastAPI"](scope, receive, send)
            assert not metrics.life.is_up
        return sent

    assert asyncio.run(check()) == (["websocket.close"] if kind == "websocket" else [])


# The host's lifespan


def of_host(host: str, metrics: Any) -> Any:
    """Return an application whose lifespan has that of *metrics*."""
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
    """And down after the last one, with its store."""
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
