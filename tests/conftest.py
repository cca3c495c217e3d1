"""Fixtures of most tests: a real store on a socket, and the service in a process."""

import gc
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import redis
from chromium import end_chromium
from harness import Service
from redis_parts import redis_binary

from otel_jcmc.store import embedded
from otel_jcmc.store.embedded import EmbeddedStore


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty folder whose path is short enough for a unix socket."""
    return tmp_path_factory.mktemp("s", numbered=True)


@pytest.fixture
def redis_server(short_path: Path) -> Iterator[EmbeddedStore]:
    """Return a real server on a socket, empty, for one test."""
    server = EmbeddedStore(short_path / "r")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["valkey", "redis"])
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedStore]:
    """Return a server of each kind, shared by all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "redis":
            patch.setattr(embedded, "find_server", redis_binary)
        running = EmbeddedStore(tmp_path_factory.mktemp("s") / "r")
        running.start()
    yield running
    running.stop()


@pytest.fixture
def each_server(kind: EmbeddedStore) -> EmbeddedStore:
    """Return a server of each kind that is empty, without scripts."""
    with redis.Redis.from_url(kind.url) as other:
        other.flushall()
        other.script_flush()
    return kind


@pytest.fixture
def each_client(each_server: EmbeddedStore) -> Iterator[redis.Redis]:
    """Return another client of `each_server`."""
    with redis.Redis.from_url(each_server.url) as other:
        yield other


@pytest.fixture
def service(short_path: Path) -> Iterator[Service]:
    """Return a running service with its embedded store."""
    with Service(short_path) as running:
        yield running


@pytest.fixture
def service_on(redis_server: EmbeddedStore, short_path: Path) -> Iterator[Service]:
    """Return a running service on the store of `redis_server`."""
    with Service(short_path / "a", REDIS_URL=redis_server.url) as running:
        yield running


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return one running service for tests that leave only their own participants behind."""
    with Service(tmp_path_factory.mktemp("s", numbered=True)) as running:
        yield running


@pytest.fixture(scope="session")
def shared_otel_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return one running service with OpenTelemetry's names, for use like `shared_service`."""
    with Service(tmp_path_factory.mktemp("s", numbered=True), JCMC_NAMING="otel") as running:
        yield running


@pytest.fixture
def room() -> str:
    """Return the name of a conference that no other test has."""
    return f"room-{uuid.uuid4()}"


@pytest.fixture
def anyio_backend() -> str:
    """Run coroutine tests on asyncio."""
    return "asyncio"


# The slowest files, the slowest first. If the slowest began last, one process would still run it
# alone at the end.
_LONG = (
    *("pages/test_watching", "sessions/test_quota", "store/test_live_faults", "otlp/test_process"),
    *("web/test_openapi", "pages/test_axe", "faults/test_stream", "e2e/test_dashboards"),
    *("traces/test_faults", "service/test_mounting", "faults/test_partitions", "model/"),
    *("e2e/test_otlp_receivers", "e2e/test_former_client", "traces/test_delivery", "faults/"),
    *("verdict/test_mutations", "wire/test_push_properties", "sessions/test_recorder"),
    *("store/test_live", "server/", "repository/test_benchmarks", "sessions/test_merging"),
    *("crowds/test_bed", "config/", "tools/", "e2e/", "pages/", "client/", "wire/", "intake/"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """End a browser before the first test that may want to run an event loop."""
    if "browser" not in getattr(item, "fixturenames", ()):
        end_chromium(unless_of=item.path)


def pytest_unconfigure() -> None:
    """End a browser that still runs."""
    end_chromium()


# Imported modules and collected tests stay in memory. To search them for garbage takes a third of
# the time of collecting, and some of each later search.
gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Turn the garbage collector on again after the collection of tests."""
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first, whatever their names are."""
    places = {path: _place(path) for path in {item.path for item in items}}
    items.sort(key=lambda item: places[item.path])


def _place(path: Path) -> int:
    """Return the place of the file at *path* among the slow files, otherwise the last place."""
    named = path.relative_to(Path(__file__).parent).as_posix()
    return next((at for at, word in enumerate(_LONG) if named.startswith(word)), len(_LONG))
