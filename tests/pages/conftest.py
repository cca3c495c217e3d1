"""Fixtures of the pages' tests: a real browser."""

from collections.abc import Iterator

import pytest
from client.pages import running_chromium
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium for one module, as the client's tests do."""
    with running_chromium() as chromium:
        yield chromium
