"""The page of one session, from a running service with a past."""

import asyncio
import csv
import io
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request, Response
from harness import Service
from markup import HTML, Element, look, read, strangers
from past import NOON, Past
from pasts import BRIDGE, DOWNLINK, MINUTE, NAME, UPLINK, lasting, minute, over

from otel_jcmc.pages.answering import answer_page
from otel_jcmc.pages.door import Door
from otel_jcmc.pages.templating import large_page
from otel_jcmc.sessions.turn import Busy, Turn
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.reading import answer_read

NOBODY = "f" * 48
FAR = {"x-forwarded-for": "203.0.113.9"}


@pytest.fixture(scope="module")
def sid(past: Past) -> str:
    """Return a session of 10 minutes, without pushes for three of them and with two bridges."""
    log = (
        minute(1, bridge="jvb-3", f10=0.5, f11=0.1, f13=[40], f44=4.3, f8=1000, f9=2000),
        minute(2, f10=0.5, f11=0.1, f13=[50], f44=4.3, f8=1000, f9=2000),
        minute(3, 2, DOWNLINK, f1=20, f10=1, f11=12, f13=[450], f44=2.1, f8=900, f9=250),
        minute(4, 1, UPLINK, f10=4, f11=0, f13=[60], f44=4.0, f8=500, f9=2000),
        minute(8, None, bridge="jvb-7", f10=0, f11=0, f13=[30], f44=4.4, f8=1000, f9=2000),
        minute(9),
        minute(10),
    )
    told = {69: "eu", NAME: "Ada & Co", BRIDGE: "jvb-7", 71: "Firefox", 72: "134.0"}
    return over(
        past, 10, conference="board", log=log, totals=lasting(6, 1, DOWNLINK), attributes=told
    )


@pytest.fixture(scope="module")
def page(service: Service, sid: str) -> Element:
    """Return its page."""
    return look(service, f"/sessions/{sid}")


def rects(of: Element) -> list[tuple[str, float, float]]:
    """Return each stripe in *of*: its class, where it begins and how wide it is."""
    return [
        (each.attributes["class"], float(each.attributes["x"]), float(each.attributes["width"]))
        for each in of.all("rect")
    ]


def row(page: Element, name: str) -> Element:
    """Return the row of the pictures that begins with *name*."""
    (found,) = [
        each
        for each in page.one("table", word="tracks").all("tr")
        if each.all("th") and each.all("th")[0].text.startswith(name)
    ]
    return found


# Browser or API client


def test_a_machine_gets_what_it_got(service: Service, sid: str) -> None:
    assert service.get(f"/sessions/{sid}").json()["id"] == sid
    assert service.get(f"/sessions/{sid}", headers={"accept": "*/*"}).json()["id"] == sid


def test_a_browser_that_names_a_format_gets_it(service: Service, page: Element) -> None:
    links = page.links()
    told = service.get(links["This session as JSON"], headers=HTML).json()
    assert told["participant_id"] == "ada"
    table = csv.reader(io.StringIO(service.get(links["Samples as CSV"], headers=HTML).body))
    assert next(table)[0] == "time"
    assert len([*table]) == 7


# Names and verdict


def test_it_says_who_it_was_and_how_it_was_in_plain_words(page: Element) -> None:
    assert page.one("h1").text == "Ada & Co in board"
    said = page.one("p", word="said").text
    assert said == ("bad Cause: network from bridge to participant. It affected the whole bridge.")
    assert "10 min. Ended: they left." in page.one("p", word="asof").text
    facts = {each.one("dt").text: each.one("dd").text for each in page.one("dl").all("div")}
    assert facts == {"Bridge": "jvb-7", "Region": "eu", "Browser": "Firefox 134.0"}


def test_its_conference_is_linked_as_it_was_then(service: Service, page: Element) -> None:
    link = page.links()["board"]
    assert link == "/conferences/board?at=2087985601"
    assert look(service, link).one("h1").text == "board"


def test_a_session_that_goes_on_says_so(service: Service, past: Past) -> None:
    sid = over(past, 5, participant="live", conference="goes on", ended_ms=0, log=(minute(1),))
    past.live(sid, NOON + 6 * MINUTE)
    page = look(service, f"/sessions/{sid}")
    assert page.one("strong", word="live").text == "Live"
    assert "to now" in page.one("p", word="asof").text
    assert page.one("ol", word="happened").all("li")[-1].text.endswith("they joined")


# Pictures


def test_states_are_bands_and_a_gap_is_a_gap(page: Element) -> None:
    """Ten minutes are 1000 units wide. The first push covers only its own moment."""
    assert rects(row(page, "Call")) == [
        ("good", 16.7, 183.3),
        ("bad", 200, 100),
        ("fair", 300, 100),
        ("unknown", 716.7, 83.3),
        ("good", 800, 200),
    ]
    titles = [each.text for each in row(page, "Call").all("title")]
    assert titles[1] == "bad, network from bridge to participant, the whole bridge: 1 min"
    assert row(page, "Call").one("svg").attributes["aria-label"] == (
        "How the call was: bad for 1 min, fair for 1 min, good for 3 min 50 s, unknown for 50 s"
    )


def test_what_stood_out_meanwhile_is_on_the_same_axis(page: Element) -> None:
    found = row(page, "Bridge jvb-3 stood out")
    assert rects(found) == [("bad", 200, 200)]
    assert found.all("td")[-1].text == "6 of 8 had a bad call"


def test_numbers_are_lines_with_a_gap_where_nothing_is_known(page: Element) -> None:
    quality = row(page, "Quality").one("path", word="line").attributes["d"]
    assert quality == (
        "M100.0,10.0 L200.0,10.0 L300.0,80.0 L400.0,10.0 M800.0,10.0 L900.0,10.0 L1000.0,10.0"
    )
    # A single known value is a dot.
    trip = row(page, "Round trip").one("path", word="line").attributes["d"]
    assert trip.endswith(" M800.0,94.0h.01")


def test_loss_and_round_trip_have_the_thresholds_of_the_settings(page: Element) -> None:
    loss, trip = row(page, "Packet loss"), row(page, "Round trip")
    assert [
        float(each.one("line", word="threshold").attributes["y1"]) for each in (loss, trip)
    ] == [
        66.7,
        20,
    ]
    assert "bad above 5 %" in loss.one("th").text
    assert "bad above 400 ms" in trip.one("th").text
    assert row(page, "Quality").all("line", word="threshold") == []


def test_each_chart_has_its_words(page: Element) -> None:
    labels = [each.attributes["aria-label"] for each in page.all("svg", word="plot")]
    assert labels == [
        "Quality, as Jitsi Meet shows it. Quality: best 90, median 90, worst 20",
        (
            "Packet loss, both directions. sent: best 0 %, median 0.5 %, worst 4 %;"
            " received: best 0 %, median 0.1 %, worst 12 %"
        ),
        "Round trip, to the bridge and back. Round trip: best 30 ms, median 50 ms, worst 450 ms",
        "Speech quality, as heard (MOS). Speech quality: best 4.4, median 4.3, worst 2.1",
        (
            "Bitrate, sent and received. sent: best 1.00 Mbit/s, median 1.00 Mbit/s,"
            " worst 0.50 Mbit/s; received: best 2.00 Mbit/s, median 2.00 Mbit/s,"
            " worst 0.25 Mbit/s"
        ),
    ]


def test_the_numbers_are_a_table_too(page: Element) -> None:
    table = page.one("details").one("table")
    heads = [each.text for each in table.one("thead").all("th")]
    assert heads == [
        *("Time", "Quality", "Upload loss", "Download loss", "Round-trip time", "Speech quality"),
        *("Sent bitrate", "Received bitrate"),
    ]
    rows = table.one("tbody").all("tr")
    assert [each.text for each in rows[2].all("td")] == [
        *("20", "1 %", "12 %", "450 ms", "2.1", "0.90 Mbit/s", "0.25 Mbit/s")
    ]
    assert [each.text for each in rows[6].all("td")] == ["90", "", "", "", "", "", ""]


def test_what_happened_is_told_in_order(page: Element) -> None:
    texts = [each.text.partition("UTC")[2].strip() for each in _happened(page)]
    assert texts == [
        "they joined",
        "bad network from bridge to participant",
        "fair network from participant to bridge",
        "Bridge changed from jvb-3 to jvb-7",
        "good",
        "they left",
    ]


def _happened(page: Element) -> list[Element]:
    return page.one("ol", word="happened").all("li")


def test_what_happened_often_is_folded_away(service: Service, past: Past) -> None:
    """The first lines are always visible, but the page is not a wall of text."""
    log = tuple(minute(n, 2 * (n % 2), UPLINK) for n in range(1, 41))
    page = look(service, f"/sessions/{over(past, 41, participant='often', log=log)}")
    first, rest = page.all("ol", word="happened")
    assert (len(first.all("li")), len(rest.all("li"))) == (24, 18)
    assert rest in [*page.all("details")[0]]
    assert page.all("summary")[0].text == "18 more"


def test_a_session_without_a_log_says_so(service: Service, past: Past) -> None:
    page = look(service, f"/sessions/{over(past, 1, participant='silent')}")
    assert page.all("svg", word="plot") == []
    assert "No samples" in page.text
    assert "It is not known how the call was overall" in page.text


# Links


def test_the_trace_is_linked_where_the_setting_says(service: Service, past: Past) -> None:
    sid = over(past, 2, participant="traced")
    assert "Trace" not in look(service, f"/sessions/{sid}").links()
    past.client.hset(f"{past.base(sid)}session:{sid}", "instance", str(NOON))
    told = service.get(f"/sessions/{sid}").json()
    assert look(service, f"/sessions/{sid}").links()["Trace"] == (
        f'https://traces.example.org/t?q={{"id":"{told["trace_id"]}"}}&s={told["span_id"]}'
    )


def test_the_leg_before_is_linked(service: Service, past: Past, sid: str) -> None:
    later = over(past, 2, start=20, participant="again")
    past.client.hset(f"{past.base(later)}session:{later}", "previous", sid)
    page = look(service, f"/sessions/{later}")
    assert page.links()["Before they came back"] == f"/sessions/{sid}"
    assert _happened(page)[0].text.endswith("they came back")


# What is missing


@pytest.mark.parametrize("sid", [NOBODY, "x", "%3Cscript%3E", "%F0%9F%98%80", "..%00"])
def test_a_session_that_is_not_there_is_a_page_that_says_so(service: Service, sid: str) -> None:
    page = look(service, f"/sessions/{sid}", 404)
    assert "No session has this id" in page.one("p", word="notice").text
    assert strangers(page) == []


PATHS = (f"/sessions/{NOBODY}", "/sessions", "/conferences/board")


def test_without_history_the_page_says_which_setting_it_is(short_path: Path) -> None:
    with Service(short_path, JCMC_HISTORY_HOURS="0") as service:
        for path in PATHS:
            page = look(service, path, 404)
            assert "JCMC_HISTORY_HOURS is 0" in page.one("p", word="notice").text


def test_a_store_that_is_away_is_told_as_that(short_path: Path) -> None:
    server = EmbeddedStore(short_path / "r")
    server.start()
    with Service(short_path / "s", REDIS_URL=server.url) as service:
        server.stop()
        for path in PATHS:
            page = look(service, path, 503)
            assert "Redis does not answer" in page.one("p", word="notice").text


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not_read_sees_nothing(service: Service, path: str) -> None:
    answer = service.get(path, headers=HTML | FAR)
    assert answer.status == 403
    assert read(answer.body).one("h1").text == "You may not read this page"


def test_pages_have_nothing_in_them_that_the_policy_forbids(
    service: Service, page: Element
) -> None:
    assert strangers(page) == []
    policy = service.get("/sessions", headers=HTML).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_pages_are_made_one_after_the_other() -> None:
    """Six threads at once left no CPU time for pushes, and Redis seemed not to answer."""
    busy = most = 0

    def make() -> dict[str, Any]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        time.sleep(0.01)
        busy -= 1
        return {"title": "One", "why": "of many"}

    async def all_of_them() -> None:
        turn = Turn()
        request = Request({"type": "http", "headers": []})
        pages = [large_page(request, "none.html", make, turn) for _ in range(8)]
        for each in await asyncio.gather(*pages):
            assert b"of many" in bytes(each.body)

    asyncio.run(all_of_them())
    assert most == 1


def test_who_comes_when_many_wait_is_told_to_come_again() -> None:
    async def read(_: Any) -> Response:
        raise Busy

    readers: Any = Readers("pages", (), {}, token="", token_setting="", private_only=False)
    asked = Request({"type": "http", "path": "/", "method": "GET", "headers": []})
    history: Any = object()
    page = asyncio.run(answer_page(asked, Door(readers, ""), history, read, ""))
    line = asyncio.run(answer_read(asked, readers, history, read, ""))
    for answer, words in (
        (page, b"Too many readers asked for history at once."),
        (line, b"too many requests read"),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert words in bytes(answer.body)
