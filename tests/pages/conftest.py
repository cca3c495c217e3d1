"""Fixtures for the tests of pages: a real browser, and a service with a past."""

from collections.abc import Iterator

import pytest
from chromium import kept_chromium
from harness import Service
from past import Past, running_past
from pasts import BRIDGE_STOOD_OUT
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Return a Redis for one module, with a journal in which one bridge stood out."""
    with running_past(tmp_path_factory.mktemp("s", numbered=True), BRIDGE_STOOD_OUT) as running:
        yield running


@pytest.fixture(scope="module")
def service(past: Past, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service on this Redis."""
    path = past.client.connection_pool.connection_kwargs["path"]
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(
        folder,
        REDIS_URL=f"unix://{path}",
        JCMC_HISTORY_INTERVAL="60",
        JCMC_TRACE_URL='https://traces.example.org/t?q={"id":"{trace_id}"}&s={span_id}',
    ) as running:
        yield running


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Browser:
    """Return a headless Chromium for one module."""
    return kept_chromium(request.path)
