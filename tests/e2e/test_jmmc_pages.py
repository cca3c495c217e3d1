"""
Clients of the Jitsi Meet Metrics Collector behind a real nginx, in a real browser, with cookies.

deploy/nginx and the block of docs/jmmc.md are run as they stand, but for their addresses.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from e2e.nginx import BESIDE, fenced, running_nginx
from harness import Service
from playwright.sync_api import Browser, BrowserContext
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")

(LOCATIONS,) = fenced("docs/jmmc.md", "nginx")
PUSH = "/jitsi-meet-metrics-collector/push"
UID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
# It pushes like the middleware's own client, and to another origin with its cookie.
JS = """async ([url, m]) => {
    const answer = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        credentials: "include",
        body: JSON.stringify({ uid: "%s", conf: "standup", m }),
    });
    return [answer.status, await answer.json(), document.cookie];
}"""


@dataclass
class Site:
    """The service behind nginx at `url`, and a page of another, listed origin."""

    service: Service
    url: str
    other: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    port, other = free_port(), free_port()
    origin = f"http://127.0.0.1:{other}"
    (folder / "page").write_text("<!doctype html><title>meeting</title>")
    page = f"root {folder}; location = /page {{ try_files $uri =404; }}"
    with Service(folder / "service", JCMC_CORS_ALLOWED_ORIGINS=origin) as service:
        http = BESIDE.replace("127.0.0.1:3000", service.url.removeprefix("http://"))
        http += f"server {{ listen 127.0.0.1:{port}; {page} {LOCATIONS} }}"
        http += f"server {{ listen 127.0.0.1:{other}; {page} }}"
        with running_nginx(folder, http, port):
            yield Site(service, f"http://127.0.0.1:{port}", origin)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as fresh:
        yield fresh


@pytest.mark.parametrize("at", ["url", "other"])
def test_a_page_opens_a_session_and_goes_on_with_its_cookie(
    site: Site, context: BrowserContext, at: str
) -> None:
    page = context.new_page()
    page.goto(f"{getattr(site, at)}/page")

    def push(m: dict[str, Any]) -> Any:
        return page.evaluate(JS.replace("%s", UID), [site.url + PUSH, m])

    status, told, readable = push({"br": "x", "os": "y", "pid": f"pid-{at}"})
    assert (status, told["m"]["pid"]) == (200, f"pid-{at}")
    assert readable == ""
    # The browser's default for a cookie without a path: the folder of the push URL.
    (cookie,) = context.cookies(site.url + PUSH)
    assert (cookie["name"], cookie["path"]) == ("jmmc_objectId", "/jitsi-meet-metrics-collector")
    assert cookie["httpOnly"]
    assert cookie["secure"]
    assert cookie["sameSite"] == "None"
    assert push({"cq": 97, "u": {"bw": 2900}})[0] == 200
    assert push({"cq": 98})[0] == 200
    seen = {
        name.partition("{")[0]: value
        for name, value in site.service.series("jitsi_jcmc_").items()
        if f"pid-{at}" in name
    }
    assert seen == {
        "jitsi_jcmc_connectionquality": 98,
        "jitsi_jcmc_bandwidth_upload": 2900,
        "jitsi_jcmc_info": 1,
    }


def test_without_the_cookie_it_is_told_to_open_one(site: Site, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{site.url}/page")
    status, told, _ = page.evaluate(JS.replace("%s", UID), [site.url + PUSH, {"cq": 97}])
    assert (status, told["errors"][0]["reason"]) == (400, "cookie_missing")
