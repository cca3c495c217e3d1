"""Fixtures of the client's tests: the real file in a real browser."""

from collections.abc import Iterator

import pytest
from chromium import kept_chromium
from client.pages import Origin, Tab, opened_tab, running_origin
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Browser:
    """Return a headless Chromium, for all tests of a module."""
    return kept_chromium(request.path)


@pytest.fixture(scope="module")
def module_origin() -> Iterator[Origin]:
    with running_origin() as running:
        yield running


@pytest.fixture
def origin(module_origin: Origin) -> Origin:
    """Return the server of the Jitsi page, in its first state."""
    module_origin.requests.clear()
    module_origin.push_status = 200
    module_origin.push_headers = {}
    module_origin.preflight_status = 403
    return module_origin


@pytest.fixture
def other_origin() -> Iterator[Origin]:
    """Return a server of another origin than the page's."""
    with running_origin() as running:
        yield running


@pytest.fixture
def bare_tab(browser: Browser, origin: Origin) -> Iterator[Tab]:
    """Return a new page without the client. The test fails if the page complains."""
    with opened_tab(browser, origin) as tab:
        yield tab
        assert tab.take_complaints() == []


@pytest.fixture(scope="module")
def module_tab(browser: Browser, module_origin: Origin) -> Iterator[Tab]:
    with opened_tab(browser, module_origin) as tab:
        tab.load_client()
        yield tab


@pytest.fixture
def tab(module_tab: Tab) -> Iterator[Tab]:
    """
    Return a page with the client file of the repository, for tests that leave nothing behind.

    All tests of a module share it. The test fails if the page complains.
    """
    yield module_tab
    assert module_tab.take_complaints() == []
