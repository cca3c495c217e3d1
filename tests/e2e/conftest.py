"""Fixtures of the tests with real programs: one Prometheus for all, and a browser for a module."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from chromium import kept_chromium
from e2e.meeting import Seat, running_site, taken_seat
from e2e.parts import Prometheus, running_prometheus
from playwright.sync_api import Browser

Sit = Callable[..., Seat]


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a running Prometheus for all tests, because its first sample takes 5 s."""
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Browser:
    """Return a headless Chromium, for all tests of a module."""
    return kept_chromium(request.path)


@pytest.fixture
def sit(browser: Browser) -> Iterator[Sit]:
    """Return a function that opens a participant's page with the client of a service."""
    with ExitStack() as stack:

        def take(service_url: str, headers: dict[str, str] | None = None) -> Seat:
            site = stack.enter_context(running_site(f"{service_url}/client-file", headers or {}))
            return stack.enter_context(taken_seat(browser, site))

        yield take
