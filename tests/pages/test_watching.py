"""What a viewer sees and does on `/live`: a real browser and a running service."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from harness import Service
from playwright.sync_api import Browser, Page, expect
from redis_parts import RedisServer
from sender import body

from otel_jcmc.pages.viewing import FOLLOW_SECONDS, LOOK_SECONDS

HOSTILE = "<img src=x onerror=alert(1)>"
# The promise: a bad call is shown this long after its push at most.
PROMISED_MS = 12_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path, METRICS_EXPIRATION="300") as running:
        for room in ("alpha", "beta", "gamma"):
            for number in range(3):
                running.push(body(f"{room}{number}", room))
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Return an empty tab; the test fails if it logs an error or opens a dialogue."""
    with closing(browser.new_context(timezone_id="America/New_York")) as context:
        tab = context.new_page()
        complaints: list[str] = []
        tab.on("console", lambda said: complaints.append(said.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: complaints.append(dialog.message))
        yield tab
        assert complaints == []


def test_a_bad_push_is_shown_in_time_without_a_hand(service: Service, page: Page) -> None:
    page.goto(f"{service.url}/live")
    expect(page.locator("#age")).to_have_text("Updates automatically")
    first = page.locator("table.rooms tbody tr").first
    began = time.monotonic()
    service.push(body("beta1", "beta", loss_up=20))
    expect(first).to_contain_text("beta", timeout=PROMISED_MS)
    expect(first).to_contain_text("network from participant to bridge")
    assert 1000 * (time.monotonic() - began) < PROMISED_MS


def test_what_stands_out_is_told_in_time(service: Service, page: Page) -> None:
    """The service looks every ten seconds; the page shows the result at once."""
    page.goto(f"{service.url}/live")
    began = time.monotonic()
    for number in range(3):
        service.push(body(f"gamma{number}", "gamma", loss_up=20))
    expect(page.locator(".standing li")).to_contain_text("Conference gamma", timeout=PROMISED_MS)
    assert 1000 * (time.monotonic() - began) < PROMISED_MS
    expect(page.locator(".picture .rowlabels")).to_contain_text("Conference gamma")
    # The label is on its row, and the time axis below has the same width.
    name, row, clock = (
        page.locator(f".picture {each}").bounding_box()
        for each in (".rowlabels li", "> svg", ".clock")
    )
    assert name
    assert row
    assert clock
    assert (name["y"], name["height"]) == (row["y"], row["height"])
    assert clock["width"] == row["width"]
    assert clock["y"] >= row["y"] + row["height"]


def test_nothing_moves_under_the_pointer(service: Service, page: Page) -> None:
    page.goto(f"{service.url}/live")
    row = page.locator("tr[data-key='c:beta']")
    row.hover()
    place, text = row.bounding_box(), row.inner_text()
    for number in range(100):
        service.push(body(f"new{number}", f"new-{number % 20}", loss_up=20))
        if number == 50:
            service.push(body("beta0", "beta", loss_up=20))
        page.mouse.move(place["x"] + 30 + number % 3, place["y"] + 10)  # type: ignore[index]
        page.wait_for_timeout(60)
    expect(page.locator("#age")).to_have_text("New data: shown when the pointer rests")
    assert row.bounding_box() == place
    # The row shows its new values all the same.
    expect(row).not_to_have_text(text)
    expect(row).to_contain_text("network from participant to bridge")
    assert row.bounding_box() == place
    assert page.locator("tr[data-key='c:new-0']").count() == 0


def test_what_stands_out_tells_its_new_numbers_while_somebody_reads(
    service: Service, page: Page
) -> None:
    for number in range(3):
        service.push(body(f"gamma{number}", "gamma", loss_up=20))
    service.push(body("gamma3", "gamma"))
    page.goto(f"{service.url}/live")
    line = page.locator(".standing li")
    expect(line).to_contain_text("75 % of calls are bad", timeout=PROMISED_MS)
    service.push(body("gamma3", "gamma", loss_up=20))
    deadline = time.monotonic() + PROMISED_MS / 1000
    while "100 % of calls are bad" not in line.inner_text():
        assert time.monotonic() < deadline
        page.mouse.move(300 + 20 * (time.monotonic() % 2), 400)
        page.wait_for_timeout(100)
    expect(page.locator("#age")).to_have_text("New data: shown when the pointer rests")


def test_the_worst_conference_is_on_the_first_screen_of_a_telephone(
    service: Service, page: Page
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for number in range(3):
        service.push(body(f"gamma{number}", "gamma", loss_up=20))
    page.goto(f"{service.url}/live")
    expect(page.locator(".standing li")).to_contain_text("Conference gamma", timeout=PROMISED_MS)
    box = page.locator("tr[data-key='c:gamma']").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 844


def test_an_open_conference_has_the_width_of_a_telephone(service: Service, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{service.url}/live?conference=alpha")
    box = page.locator("tr.people > td").bounding_box()
    assert box
    assert box["width"] > 300


def test_all_of_it_works_by_keyboard(service: Service, page: Page) -> None:
    service.push(body("beta1", "beta", loss_up=20))
    page.goto(f"{service.url}/live")
    page.keyboard.press("/")
    expect(page.locator("input[name=name]")).to_be_focused()
    page.keyboard.type("bet")
    page.keyboard.press("Enter")
    page.wait_for_url("**/live?name=bet**")
    assert page.locator("table.rooms > tbody > tr").count() == 1
    link = page.locator("table.rooms a", has_text="beta")
    for _ in range(40):
        page.keyboard.press("Tab")
        if link.evaluate("each => each === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("tr.people")).to_contain_text("upload loss 20 %, threshold 5 %")
    expect(page.locator("table.rooms a").first).to_have_attribute("aria-expanded", "true")


def test_the_first_stop_leads_past_what_every_page_has(service: Service, page: Page) -> None:
    page.goto(f"{service.url}/live")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_it_says_when_it_is_out_of_date(service: Service, page: Page) -> None:
    page.goto(f"{service.url}/live")
    expect(page.locator("#age")).to_have_text("Updates automatically")
    os.kill(service.pid, signal.SIGSTOP)
    try:
        expect(page.locator("#age")).to_contain_text("Out of date: last update", timeout=30_000)
    finally:
        os.kill(service.pid, signal.SIGCONT)
    expect(page.locator("#age")).to_have_text("Updates automatically", timeout=30_000)


@pytest.mark.parametrize(
    ("status", "why"), [(403, "sign in again"), (500, "the service answers 500")]
)
def test_it_says_why_nothing_is_new(
    service: Service, browser: Browser, status: int, why: str
) -> None:
    with closing(browser.new_page()) as tab:
        tab.goto(f"{service.url}/live")
        expect(tab.locator("#age")).to_have_text("Updates automatically")
        tab.route("**/live?part=1", lambda route: route.fulfill(status=status))
        expect(tab.locator("#age")).to_contain_text(why, timeout=15_000)
        expect(tab.locator("#age")).to_contain_text("Out of date: last update")


def test_it_says_that_the_store_is_away(tmp_path: Path, browser: Browser) -> None:
    with RedisServer(tmp_path / "r") as store, Service(tmp_path, REDIS_URL=store.url) as running:
        tab = browser.new_page()
        tab.goto(f"{running.url}/live")
        expect(tab.locator("#age")).to_have_text("Updates automatically")
        store.stop()
        expect(tab.locator("#age")).to_contain_text("Redis does not answer", timeout=30_000)
        tab.close()


def test_a_hostile_name_does_nothing(service: Service, page: Page) -> None:
    service.push(body(HOSTILE, HOSTILE, loss_up=20))
    page.goto(f"{service.url}/live")
    page.locator("table.rooms a", has_text=HOSTILE).click()
    expect(page.locator("tr.people")).to_contain_text(HOSTILE)
    page.wait_for_timeout(1000 * (LOOK_SECONDS + FOLLOW_SECONDS))
    assert page.locator("img").count() == 0


def test_times_are_the_readers_own(service: Service, page: Page) -> None:
    page.goto(f"{service.url}/live")
    told = page.locator(".asof time")
    utc = int(str(told.get_attribute("datetime"))[11:13])
    shown = page.evaluate(
        "at => new Date(at).toLocaleTimeString(undefined, {hour: '2-digit'})",
        told.get_attribute("datetime"),
    )
    assert told.inner_text()[:2] == shown[:2]
    assert int(shown[:2]) % 12 == (utc - 5) % 12 or int(shown[:2]) % 12 == (utc - 4) % 12


def test_without_scripts_it_is_a_page(service: Service, browser: Browser) -> None:
    with closing(browser.new_context(java_script_enabled=False)) as context:
        tab = context.new_page()
        tab.goto(f"{service.url}/live")
        tab.locator("input[name=name]").fill("alpha")
        tab.get_by_role("button", name="Show").click()
        tab.get_by_role("link", name="alpha").click()
        expect(tab.locator("tr.people")).to_contain_text("alpha2")
        assert "UTC" in tab.locator(".asof").inner_text()
