"""The page `/live` from a running service, requested as a browser does."""

import asyncio
import http.client
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from harness import Service, eventually
from looking import LOOK_SECONDS, looking_often
from sender import body

import otel_jcmc
from otel_jcmc.pages.live import MOST_SHOWN
from otel_jcmc.pages.templating import rendered
from otel_jcmc.server.ending import HANG_UP_SECONDS
from otel_jcmc.store.embedded import EmbeddedStore

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOST = "http://127.0.0.1"
HOSTILE = "\"><script>alert(1)</script>'&{{7*7}}"


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with looking_often(Service(folder, METRICS_EXPIRATION="300")) as running:
        for number in range(4):
            running.push(body(f"q{number}", "quiet"))
        running.push(body("l0", "loud"))
        running.push(body("l1", "loud", loss_up=12))
        running.push(body(HOSTILE, HOSTILE, loss_up=12))
        yield running


def live(service: Service, query: str = "") -> str:
    """Return the page, made of a look that is newer than the last push."""
    time.sleep(LOOK_SECONDS + 0.1)
    return service.get(f"/live{query}", headers=HTML).body


def rooms(body: str) -> list[str]:
    """Return the conferences of a page, in its order."""
    return [
        str(each["data-key"]).removeprefix("c:")
        for _, each in Tags(body).tags
        if str(each.get("data-key", "")).startswith("c:")
    ]


def test_the_worst_conference_is_first_and_opens_into_who_is_bad_and_why(service: Service) -> None:
    told = live(service)
    assert "7 participants in 3 conferences" in told
    assert rooms(told) == [HOSTILE, "loud", "quiet"]
    assert "l1" not in told
    opened = live(service, "?conference=loud")
    assert opened.index(">l1<") < opened.index(">l0<")
    assert "upload loss 12 %, threshold 5 %" in opened
    assert "network from participant to bridge" in opened


def test_what_is_asked_for_is_shown_and_what_is_not_understood_is_as_usual(
    service: Service,
) -> None:
    assert rooms(live(service, "?state=bad&name=LOU")) == ["loud"]
    assert rooms(live(service, "?sort=largest"))[0] == "quiet"
    assert rooms(live(service, "?sort=name"))[-1] == "quiet"
    assert len(rooms(live(service, "?sort=nonsense&state=nonsense"))) == 3
    assert "No conference matches now." in live(service, "?name=nobody")


def test_a_hostile_name_is_a_name(service: Service) -> None:
    for query in ("", f"?conference={quote(HOSTILE)}", f"?name={quote(HOSTILE)}"):
        found = Tags(live(service, query)).tags
        assert [each for tag, each in found if tag == "script"] == [
            {"src": next(each["src"] for tag, each in found if tag == "script"), "defer": None}
        ]
        assert not [each for _, each in found if any(name.startswith("on") for name in each)]
        assert not [each for _, each in found if "style" in each]


def test_nothing_comes_from_elsewhere_and_files_are_kept_for_good(service: Service) -> None:
    answer = service.get("/live", headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    assert len(answer.body) < 100_000
    paths = re.findall(r'(?:src|href)="(/-/pages/[^"]+)"', answer.body)
    assert len(paths) == 2
    for path in paths:
        assert "immutable" in service.get(path).headers["cache-control"]
        assert service.get(path.replace("/-/pages/", "/-/pages/0")).status == 404
    addresses = [
        value
        for _, each in Tags(answer.body).tags
        for name, value in each.items()
        if name in ("src", "href", "action", "data-part")
    ]
    assert all(str(each).startswith(("/", "#")) for each in addresses)


def test_an_open_page_is_told_of_each_look(service: Service) -> None:
    opened = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=15)
    opened.request("GET", "/live/events", headers={"accept": "text/event-stream"})
    answer = opened.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    lines = [answer.readline().decode().strip() for _ in range(6)]
    assert lines[0] == lines[3] == "event: look"
    assert int(lines[4].removeprefix("data: ")) > int(lines[1].removeprefix("data: "))
    opened.close()


def test_who_does_not_follow_gets_an_answer_with_an_end(service: Service) -> None:
    assert service.get("/live/events").status == 406


def test_a_page_that_many_ask_for_at_once_is_made_once(
    redis_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def count(template: str, root: str, told: Mapping[str, Any]) -> str:
        made.append(template)
        # All fifty requests have come before the page is made.
        time.sleep(0.5)
        return rendered(template, root, told)

    monkeypatch.setattr("otel_jcmc.pages.live.rendered", count)
    app = otel_jcmc.create_app(otel_jcmc.Settings(redis_url=redis_server.url))

    async def check() -> None:
        async with otel_jcmc.lifespan(app):
            client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HOST)
            async with client:
                asked = [client.get("/live", headers=HTML) for _ in range(50)]
                answers = await asyncio.gather(*asked)
        assert {each.status_code for each in answers} == {200}
        assert {"No participant is in a conference now." in each.text for each in answers} == {True}

    asyncio.run(check())
    assert made == ["live.html"]


def test_the_first_page_says_what_is_well(service: Service) -> None:
    eventually(lambda: " accepted." in service.get("/", headers=HTML).body)
    told = service.get("/", headers=HTML).body
    assert "Redis answers and stores pushes." in told
    assert "Not yet since" in told
    service.get("/metrics")
    assert "Last scraped at" in service.get("/", headers=HTML).body


def test_with_the_store_away_the_page_says_so(tmp_path: Path) -> None:
    with Service(tmp_path, REDIS_URL="redis://127.0.0.1:1") as running:
        answer = running.get("/live", headers=HTML)
        assert answer.status == 503
        assert "Redis does not answer." in answer.body
        first = running.get("/", headers=HTML)
        assert first.status == 200
        assert "The service does not accept pushes" in first.body


@pytest.mark.parametrize("workers", ["0", "1"])
def test_who_looks_holds_up_no_end(tmp_path: Path, workers: str) -> None:
    """A stop waits four seconds for open connections; open pages close theirs when told to."""
    with Service(tmp_path, JCMC_WORKERS=workers) as running:
        opened = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=15)
        opened.request("GET", "/live/events", headers={"accept": "text/event-stream"})
        answer = opened.getresponse()
        assert answer.readline() == b"event: look\n"
        began = time.monotonic()
        assert running.stop() == 0
        took = time.monotonic() - began
        with suppress(http.client.IncompleteRead):
            answer.read()
        opened.close()
    assert took < HANG_UP_SECONDS


def test_the_conference_that_is_open_stays_whatever_is_filtered(service: Service) -> None:
    """Also if no call in it is bad any more, or if a hundred other conferences are worse."""

    def shown(query: str) -> str:
        return service.get(f"/live{query}", headers=HTML).body

    assert rooms(shown("?state=bad&conference=quiet")) == ["quiet", HOSTILE, "loud"]
    assert rooms(shown("?name=loud&conference=loud")) == ["loud"]
    told = shown("?conference=gone%20by")
    assert "No participant is in gone by now." in told
    assert 'href="/conferences/gone%20by"' in told
    assert "No participant is in" not in shown("?conference=loud")


def test_what_is_not_shown_is_counted(tmp_path: Path) -> None:
    with looking_often(Service(tmp_path, METRICS_EXPIRATION="300")) as running:
        for number in range(MOST_SHOWN + 3):
            running.push(body(f"p{number}", f"room {number:03}"))
        last = f"room {MOST_SHOWN + 2}"
        for query, more in (("?sort=name", 3), (f"?sort=name&conference={quote(last)}", 2)):
            told = live(running, query)
            assert f"{more} more conferences are not shown" in told
            assert len(rooms(told)) == MOST_SHOWN + 3 - more
            assert (last in rooms(told)) is (more == 2)


def test_a_conference_whose_name_is_hashed_opens_by_its_name(tmp_path: Path) -> None:
    policy = {"JCMC_PRIVACY": "roomname=hash", "JCMC_PRIVACY_KEY": "0123456789abcdef" * 2}
    with looking_often(Service(tmp_path, **policy)) as running:
        running.push(body("ann", "board"))
        told = live(running, "?conference=board")
        assert "board" not in told
        assert ">ann<" in told
