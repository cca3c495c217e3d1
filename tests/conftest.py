"""Fixtures that most tests share: a real store on a socket, and the service in a process."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Service

from otel_jcmc.embedded import EmbeddedStore


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
    """Return one running service, for tests that leave only participants of their own behind."""
    with Service(tmp_path_factory.mktemp("s", numbered=True)) as running:
        yield running


@pytest.fixture(scope="session")
def shared_otel_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return one running service with OpenTelemetry's names, to be used like `shared_service`."""
    with Service(tmp_path_factory.mktemp("s", numbered=True), JCMC_NAMING="otel") as running:
        yield running


@pytest.fixture
def room() -> str:
    """Return the name of a conference that no other test has."""
    return f"room-{uuid.uuid4()}"


@pytest.fixture
def anyio_backend() -> str:
    """Run the coroutines of tests on asyncio."""
    return "asyncio"
