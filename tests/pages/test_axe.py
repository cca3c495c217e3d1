"""What axe finds in pages: WCAG 2.1 AA, as far as a program can check it."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from harness import Service
from playwright.sync_api import Browser
from sender import body

from otel_jcmc.pages.viewing import LOOK_SECONDS

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with three conferences, one of them bad."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, METRICS_EXPIRATION="300") as running:
        for room, loss_up in (("alpha", 0), ("beta", 20), ("gamma", 0)):
            for number in range(3):
                running.push(body(f"{room}{number}", room, loss_up=loss_up))
        time.sleep(LOOK_SECONDS)
        yield running


PAGES = [
    *("/", "/live", "/live?conference=beta", "/live?name=nobody"),
    *("/sessions", "/conferences/beta", "/conferences/nobody", "a session"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(service: Service, browser: Browser, path: str, scheme: str) -> None:
    """On a telephone, a desk screen and a wall screen."""
    if path == "a session":
        path = f"/sessions/{service.get('/sessions').json()['sessions'][0]['id']}"
    for width in (360, 1280, 2560):
        with closing(
            browser.new_context(
                color_scheme=scheme,  # type: ignore[arg-type]
                viewport={"width": width, "height": 900},
                bypass_csp=True,
            )
        ) as context:
            tab = context.new_page()
            tab.goto(f"{service.url}{path}")
            tab.add_script_tag(path=AXE)
            found = tab.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})")
            assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
            # A narrow page does not scroll sideways.
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
