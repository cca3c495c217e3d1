"""The page of the search, from a running service with a past."""

import pytest
from harness import Service
from markup import HTML, Element, look
from past import Past
from pasts import BRIDGE, DOWNLINK, NAME, lasting, minute, over

from otel_jcmc.web.session_query import LISTED_BY


@pytest.fixture(scope="module")
def sids(past: Past) -> list[str]:
    """Return the ids of three sessions, the newest first."""
    told = {"conference": "find me", "attributes": {NAME: "Ada", BRIDGE: "jvb-3", 71: "Firefox"}}
    bad = lasting(5, 5, DOWNLINK)
    return [
        over(past, 7, start=30, participant="c", totals=lasting(7), **told),
        over(past, 10, start=20, participant="b", log=(minute(3),), totals=bad, **told),
        over(past, 70, start=10, participant="a", totals=lasting(70), reason="failed", **told),
    ]


def found(page: Element) -> list[str]:
    """Return the session ids of the table of results."""
    tables = page.all("table", word="found")
    rows = tables[0].one("tbody").all("tr") if tables else []
    return [each.one("th").one("a").attributes["href"].rpartition("/")[2] for each in rows]


def test_there_is_a_field_for_all_that_can_be_asked(service: Service) -> None:
    """The page has links, not fields, for the format and for the next page."""
    page = look(service, "/sessions")
    fields = {each.attributes["name"] for each in (*page.all("input"), *page.all("select"))}
    assert fields == set(LISTED_BY) - {"format", "after"}
    assert page.one("form", word="search").attributes["method"] == "get"


def test_what_is_found_is_a_table(service: Service, sids: list[str]) -> None:
    page = look(service, "/sessions?conference=find+me")
    assert found(page) == sids
    heads = [each.text for each in page.one("table").one("thead").all("th")]
    assert heads == [
        *("Participant", "Conference", "Started", "Duration", "Call", "Cause", "How it ended"),
        *("Bridge", "Browser"),
    ]
    cells = [each.text for each in page.one("table").one("tbody").all("tr")[1].all("td")]
    assert cells == [
        *("find me", "2036-03-01, 12:20 UTC", "10 min", "bad"),
        *("network from bridge to participant", "they left", "jvb-3", "Firefox"),
    ]


def test_a_row_leads_to_its_session_and_its_conference_then(
    service: Service, sids: list[str]
) -> None:
    row = look(service, "/sessions?conference=find+me").one("tbody").all("tr")[2]
    session, conference = (each.attributes["href"] for each in row.all("a"))
    assert session == f"/sessions/{sids[2]}"
    assert conference == "/conferences/find%20me?at=2087986201"
    assert look(service, conference).one("h1").text == "find me"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("sort=worst", [1, 0, 2]),
        ("state=bad", [1]),
        ("cause=downlink&region=&bridge=", [1]),
        ("end=failed", [2]),
        ("from=2036-03-01+13:31&tz=Europe/Berlin&to=2036-03-01T12:32:00Z", [0, 2]),
        ("bridge=jvb-4", []),
        ("from=&to=&tz=nowhere&client_id=&participant=", [0, 1, 2]),
    ],
)
def test_the_form_finds_what_a_machine_finds(
    service: Service, sids: list[str], query: str, wanted: list[int]
) -> None:
    page = look(service, f"/sessions?conference=find+me&{query}")
    assert found(page) == [sids[each] for each in wanted]
    for name, _, value in (each.partition("=") for each in query.split("&")):
        if name in ("sort", "state", "cause", "end"):
            options = page.one("select", name=name).all("option")
            assert [x.attributes["value"] for x in options if "selected" in x.attributes] == [value]
    if not wanted:
        assert "No session in the history matches" in page.text


def test_pages_follow_each_other(service: Service, sids: list[str]) -> None:
    seen, path = [], "/sessions?conference=find+me&sort=worst&limit=1"
    while path:
        page = look(service, path)
        seen += found(page)
        path = page.links().get("Next page", "")
    assert seen == [sids[1], sids[0], sids[2]]
    assert page.links()["First page"] == "/sessions?conference=find+me&sort=worst&limit=1"


def test_all_that_is_found_is_there_as_csv_and_lines(service: Service, sids: list[str]) -> None:
    """Also if the page shows one row, these links have all results."""
    links = look(service, "/sessions?conference=find+me&limit=1").links()
    table = service.get(links["All results as CSV"], headers=HTML)
    assert table.headers["x-total-count"] == "3"
    lines = service.get(links["All results as JSON lines"], headers=HTML)
    assert [each[:56] for each in lines.body.splitlines()] == [f'{{"id":"{sid}"' for sid in sids]


@pytest.mark.parametrize(
    ("query", "line", "field"),
    [
        ("from=soon", "from must be a time: ", "from"),
        ("from=-2h&tz=Mars", "tz must be a time zone: ", "tz"),
        ("state=awful", "state must be good, fair, bad or unknown", None),
        ("limit=0", "limit must be a whole number from 1 to 500", None),
        ("after=x", "after must be the `next`", None),
        ("conference=a&conference=b", "conference is given twice", "conference"),
        ("room=x", "unknown parameter: use any of conference, participant", None),
        ("room=", "unknown parameter: use any of conference, participant", None),
        ("bridge=%00", "bridge must be a name that was pushed", "bridge"),
    ],
)
def test_wrong_input_is_one_line_beside_the_form(
    service: Service, query: str, line: str, field: str | None
) -> None:
    page = look(service, f"/sessions?{query}", 400)
    assert page.one("p", id="wrong").text.startswith(line)
    marked = [each.attributes["name"] for each in page.all("input", aria_invalid="true")]
    assert marked == ([field] if field else [])
    assert found(page) == []


def test_a_machine_gets_what_it_got(service: Service, sids: list[str]) -> None:
    told = service.get("/sessions?conference=find+me").json()["sessions"]
    assert [each["id"] for each in told] == sids
    assert service.get("/sessions?room=x").headers.get_content_type() == "text/plain"


def test_a_browser_erases_nothing_by_a_page(service: Service) -> None:
    """Only the API answers the other methods of this path."""
    answer = service.get("/sessions", method="DELETE", headers=HTML)
    assert (answer.status, answer.body) == (
        400,
        "client_id is missing: name the client whose sessions to erase\n",
    )
    assert service.get("/sessions", method="POST", headers=HTML).headers["allow"] == (
        "DELETE, GET, HEAD"
    )
