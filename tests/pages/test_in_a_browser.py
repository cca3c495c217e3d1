"""The pages of history in a real browser: no console errors, and no page is too wide."""

import pytest
from harness import Service
from past import Past
from pasts import BRIDGE, DOWNLINK, NAME, lasting, minute, over
from playwright.sync_api import Browser, Page

LONG = "W" * 80 + "<b>&\"'"
CONFERENCE = "/conferences/board?at=2087985601"


@pytest.fixture(scope="module")
def paths(past: Past) -> list[str]:
    """Return the paths of a session, its conference and a search."""
    who = {NAME: LONG, BRIDGE: LONG, 71: LONG}
    log = (minute(1, bridge=LONG, f11=1), minute(2, 2, DOWNLINK, f11=9), minute(7, f11=0))
    told = lasting(6, 1, DOWNLINK)
    sid = over(past, 7, conference="board", attributes=who, log=log, totals=told)
    return [f"/sessions/{sid}", CONFERENCE, "/sessions?conference=board"]


def opened(
    browser: Browser, url: str, width: int = 1280, *, scripts: bool = True
) -> tuple[Page, list[str]]:
    """Return a page for a reader in Berlin, and its errors."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        timezone_id="Europe/Berlin",
        locale="en-GB",
        java_script_enabled=scripts,
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    return page, complaints


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_refused_and_nothing_is_wider_than_the_screen(
    browser: Browser, service: Service, paths: list[str], width: int
) -> None:
    for path in paths:
        page, complaints = opened(browser, service.url + path, width)
        assert complaints == []
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
        page.context.close()


def test_times_are_the_readers(browser: Browser, service: Service, paths: list[str]) -> None:
    """Noon in UTC is one o'clock in Berlin; without scripts the page shows UTC and says so."""
    page, _ = opened(browser, service.url + paths[0])
    assert "1 Mar 2036, 13:00" in page.inner_text(".asof")
    assert page.locator(".clock text").first.text_content() == "13:00"
    page.context.close()
    page, _ = opened(browser, service.url + paths[0], scripts=False)
    assert "2036-03-01, 12:00 UTC" in page.inner_text(".asof")
    assert page.locator(".clock text").first.text_content() == "12:00 UTC"
    page.context.close()


def test_what_is_asked_for_is_meant_in_the_readers_zone(
    browser: Browser, service: Service, paths: list[str]
) -> None:
    page, _ = opened(browser, service.url + paths[1])
    page.fill("input[name=at]", "2036-03-01 13:05")
    page.press("input[name=at]", "Enter")
    page.wait_for_url("**/conferences/board?at=2036-03-01+13%3A05&tz=Europe%2FBerlin")
    assert page.locator(".people .at").count() == 1
    page.context.close()


def test_pictures_of_one_page_have_one_axis(
    browser: Browser, service: Service, paths: list[str]
) -> None:
    for width in (320, 1280):
        page, _ = opened(browser, service.url + paths[0], width)
        boxes = [each.bounding_box() for each in page.locator(".tracks svg:not(.mark)").all()]
        assert len({(box["x"], box["width"]) for box in boxes if box}) == 1
        assert len(boxes) == 4
        page.context.close()
