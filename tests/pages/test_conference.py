"""The page of one conference in history, from a running service with a past."""

from typing import Any
from urllib.parse import quote

import pytest
from harness import Service, push_body
from markup import HTML, Element, look, strangers
from past import Past
from pasts import BRIDGE, DOWNLINK, NAME, UPLINK, lasting, minute, over

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "../../sessions?x=1&y=2#z",
    "a/b//c",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "zażółć 日本 😀",
    "100% &amp; more",
)


@pytest.fixture(scope="module")
def sids(past: Past) -> dict[str, str]:
    """Return two sessions of one conference, one with a break, and the ones before and after."""
    ann = (*map(minute, (1, 2)), minute(3, 2, DOWNLINK), minute(4, 1, UPLINK), *map(minute, (5, 6)))
    bob = (minute(1), minute(5, 2, DOWNLINK), minute(6, 2, DOWNLINK))
    told: dict[str, Any] = {
        "conference": "board",
        "attributes": {69: "eu", BRIDGE: "jvb-3", 71: "Firefox"},
    }
    named: dict[str, Any] = told | {"attributes": {NAME: "Bob B."}}
    return {
        "ann": over(past, 6, participant="ann", log=ann, totals=lasting(5, 1, DOWNLINK), **told),
        "bob": over(past, 6, participant="bob", log=bob, reason="failed", **named),
        "before": over(past, 10, start=-60, conference="board", participant="eve"),
        "after": over(past, 10, start=60, conference="board", participant="zoe"),
    }


@pytest.fixture(scope="module")
def page(service: Service, sids: dict[str, str]) -> Element:
    """Return the page of the conference in the middle."""
    assert sids
    return look(service, "/conferences/board?at=2036-03-01T12:03:00Z")


def rows(page: Element) -> dict[str, Element]:
    """Return the rows of the participants, by the session id in the row's first link."""
    table = page.one("table", word="people").one("tbody")
    return {
        each.one("a").attributes["href"].rpartition("/")[2]: each
        for each in table.all("tr")
        if each.all("a")
    }


def stripes(of: Element) -> list[tuple[str, str, str]]:
    return [
        (each.attributes["class"], each.attributes["x"], each.attributes["width"])
        for each in of.all("rect")
    ]


def test_everyone_is_a_row_with_states_on_one_axis(page: Element, sids: dict[str, str]) -> None:
    """Six minutes are 1000 units wide. Bob was away for three of them."""
    found = rows(page)
    assert [*found] == [sids["ann"], sids["bob"]]
    ann, bob = found.values()
    assert stripes(ann) == [
        ("good", "27.8", "305.6"),
        ("bad", "333.3", "166.7"),
        ("fair", "500.0", "166.7"),
        ("good", "666.7", "333.3"),
    ]
    assert stripes(bob) == [("good", "27.8", "138.9"), ("bad", "694.4", "305.6")]
    assert ann.one("th").text == "ann Firefox, jvb-3"
    assert bob.one("th").text == "Bob B."
    assert ann.all("td")[-1].text == "bad they left network from bridge to participant"
    assert bob.all("td")[-1].text == "unknown the call failed"


def test_each_row_leads_to_its_session(service: Service, page: Element) -> None:
    link = page.links()["Bob B."]
    assert look(service, link).one("h1").text == "Bob B. in board"


def test_what_stood_out_is_above_on_the_same_axis(page: Element) -> None:
    first = page.one("table", word="people").one("tbody").all("tr")[0]
    assert first.one("th").text == "Bridge jvb-3 stood out"
    assert stripes(first) == [("bad", "333.3", "333.3")]


def test_the_time_that_was_asked_for_is_marked(page: Element) -> None:
    assert {each.attributes["x1"] for each in page.all("line", word="at")} == {"500.0"}
    assert page.one("input", name="at").attributes["value"] == "2036-03-01T12:03:00Z"
    assert "does not update" not in page.text


def test_the_one_before_and_the_one_after_are_linked(
    service: Service, page: Element, sids: dict[str, str]
) -> None:
    before, after = (page.one("a", rel=each).attributes["href"] for each in ("prev", "next"))
    first, last = (look(service, each) for each in (before, after))
    assert [*rows(first)] == [sids["before"]]
    assert [*rows(last)] == [sids["after"]]
    assert first.all("a", rel="prev") == last.all("a", rel="next") == []
    assert first.one("a", rel="next").attributes["href"] == "/conferences/board?at=2087985601"


def test_who_is_live_says_so(service: Service) -> None:
    service.push(push_body("1a2b3c4d", "live room"))
    page = look(service, "/conferences/live%20room")
    assert "Live, 1 in the conference now." in page.one("p", word="asof").text
    (row,) = rows(page).values()
    assert row.one("strong", word="live").text == "Live"
    # The page does not update, and says so.
    told = page.one("p", word="asof")
    assert "This page does not update" in told.text
    assert told.links()["reload it"] == ""
    (sid,) = rows(page)
    assert (
        "This page does not update" in look(service, f"/sessions/{sid}").one("p", word="asof").text
    )


def test_a_time_that_is_none_is_one_line_beside_the_form(service: Service) -> None:
    page = look(service, "/conferences/board?at=soon", 400)
    assert page.one("p", id="wrong").text.startswith("at must be a time: 14:00, ")
    assert page.one("input", name="at").attributes["value"] == "soon"
    assert page.all("table") == []


def test_a_zone_that_is_none_can_be_mended(service: Service) -> None:
    """The script fills this hidden field, and a small image may not know the reader's zone."""
    page = look(service, "/conferences/board?at=14:00&tz=Mars/Olympus", 400)
    assert page.one("p", id="wrong").text.startswith("tz must be a time zone: ")
    assert page.one("input", name="tz").attributes.get("type") is None
    shown = look(service, "/conferences/board?at=2036-03-01T12:03:00Z&tz=UTC")
    assert shown.one("input", name="tz").attributes["type"] == "hidden"


def test_an_empty_field_asks_for_nothing(service: Service) -> None:
    service.push(push_body("1a2b3c4d", "empty"))
    assert look(service, "/conferences/empty?at=&tz=Nowhere").one("h1").text == "empty"


def test_a_conference_that_was_not_is_told_with_a_way_to_look_for_it(service: Service) -> None:
    page = look(service, "/conferences/no%2Bsuch", 404)
    assert "History has no conference with exactly this name" in page.one("p", id="wrong").text
    assert page.links()["Search for this conference"] == "/sessions?conference=no%2Bsuch"


def test_a_machine_gets_what_it_got(service: Service, sids: dict[str, str]) -> None:
    told = service.get("/conferences/board?at=2036-03-01T12:03:00Z").json()
    assert [each["id"] for each in told["people"]] == [sids["ann"], sids["bob"]]
    answer = service.get("/conferences/board?at=soon")
    assert (answer.status, answer.headers.get_content_type()) == (400, "text/plain")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_does_nothing_wherever_it_stands(service: Service, past: Past, name: str) -> None:
    """Each page shows the name as text, and each link with the name leads to its conference."""
    log = (minute(1, bridge=name), minute(2, bridge=f"{name} 2"))
    attributes = {NAME: name, 69: name, BRIDGE: name, 71: name, 72: name}
    sid = over(past, 2, conference=name, participant=name, log=log, attributes=attributes)
    link = f"/conferences/{quote(name, safe='')}?at=2087985601"
    query = quote(name, safe="")
    for path in (
        link,
        f"/sessions/{sid}",
        f"/sessions?conference={query}&bridge={query}&tz={query}",
    ):
        page = look(service, path)
        assert strangers(page) == []
        assert name in page.text
        ours = [each for each in page.links().values() if "/conferences/" in each]
        assert {each for each in ours if each != link} == set()
    found = look(service, f"/sessions?participant={query}&bridge={query}")
    assert found.one("input", name="bridge").attributes["value"] == name
    assert service.get(found.links()[name], headers=HTML).status == 200


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_browsers_take_for_a_folder_has_a_link_too(
    service: Service, past: Past, name: str
) -> None:
    sids = [
        over(past, 2, start=start, conference=name, participant="ann", log=(minute(start + 1),))
        for start in (0, 60)
    ]
    link = f"/conferences?name={name}&at=2087985601"
    assert look(service, f"/sessions/{sids[0]}").links()[name] == link
    page = look(service, link)
    assert page.one("h1").text == name
    assert [*rows(page)] == [sids[0]]
    # The form asks for the same conference again.
    assert page.one("form").one("input", name="name").attributes["value"] == name
    after = page.one("a", rel="next").attributes["href"]
    assert [*rows(look(service, after))] == [sids[1]]
    assert look(service, "/conferences?name=&at=1", 400).one("p", id="wrong").text
