"""
Every rule and every dashboard query on a real Prometheus, in both namings.

A crowd pushes in which one bridge stands out. Each query has an answer, and every answer that names
a culprit names that bridge.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple

import boards
import pytest
from e2e.parts import Prometheus, running_prometheus, serving, until
from harness import CLIENT_ID, Service, eventually, request
from labelled_crowd import (
    BAD_BRIDGE,
    BAD_REGION,
    BAD_ROOM,
    GOOD_BRIDGE,
    GOOD_REGION,
    LONER,
    PEOPLE,
    Trouble,
    push_crowd,
    push_trouble,
    settings,
)
from otlp_sink import OtlpSink

pytestmark = pytest.mark.xdist_group("e2e-dashboards")

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "collector-config/rules").glob("*.yaml"))
# A look comes every 10 s, and Prometheus picks up its targets after 5 s.
SECONDS = 60.0


class Watched(NamedTuple):
    """A service with the crowd, and the Prometheus that scrapes it."""

    naming: str
    prometheus: Prometheus
    service: Service

    def board(self, name: str) -> Path:
        return ROOT / f"collector-config/grafana/dashboards/{self.naming}/{name}.json"

    def labels(self, expr: str) -> list[dict[str, str]]:
        """Return the labels of each series of *expr*."""
        found = self.prometheus.ask("query", query=expr)["result"]
        return [each["metric"] for each in found]

    def by(self, label: str, expr: str) -> dict[str, float]:
        """Return the values of *expr*, by one label."""
        found = self.prometheus.ask("query", query=expr)["result"]
        return {each["metric"].get(label, ""): float(each["value"][1]) for each in found}


class Bridge(BaseHTTPRequestHandler):
    """A bridge's own metrics, with the names of jitsi-videobridge."""

    def do_GET(self) -> None:
        body = (
            b"# TYPE jitsi_jvb_stress_level gauge\njitsi_jvb_stress_level 0.9\n"
            b"# TYPE jitsi_jvb_participants gauge\njitsi_jvb_participants 30\n"
            b"# TYPE jitsi_jvb_graceful_shutdown gauge\njitsi_jvb_graceful_shutdown 0\n"
        )
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Watched]]:
    """Return both namings, scraped as in prometheus.yaml, once their crowd is known."""
    with ExitStack() as stack:
        found = {
            naming: _watched(naming, tmp_path_factory.mktemp(naming), stack)
            for naming in ("jcmc", "otel")
        }
        for each in found.values():
            _until_known(each)
        yield found


@pytest.fixture(scope="module", params=["jcmc", "otel"])
def watched(request: pytest.FixtureRequest, both: dict[str, Watched]) -> Watched:
    """Return one of both."""
    return both[request.param]


def _watched(naming: str, folder: Path, stack: ExitStack) -> Watched:
    """Run everything for one naming until *stack* ends, and push its crowd."""
    (folder / "prometheus").mkdir()
    sink = stack.enter_context(OtlpSink())
    service = Service(
        folder / "s",
        JCMC_NAMING=naming,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_LOGS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
        **settings(),
    )
    stack.enter_context(service)
    bridge = stack.enter_context(serving(Bridge))
    prometheus = stack.enter_context(running_prometheus(folder / "prometheus", RULES))
    # None of these names is in a rule.
    for page in ("service", "verdicts", "participants"):
        job = prometheus.scraping(f"my-{page}", service.url, f"/metrics/{page}")
        stack.enter_context(job)
    stack.enter_context(prometheus.scraping("jvb", bridge, bridge=BAD_BRIDGE))
    push_crowd(service)
    push_trouble(service)
    return Watched(naming, prometheus, service)


def _until_known(watched: Watched) -> None:
    """Wait until what stands out is known, and each counter has an increase."""
    eventually(
        lambda: [each.get("name") for each in watched.labels("jitsi:standing_out:ratio")], SECONDS
    )
    # The first push of each kind came before the first scrape, so Prometheus saw no increase.
    push_crowd(watched.service)
    enough = "count_over_time(otel_jcmc:store_up:min[30s]) > 3"
    eventually(lambda: watched.prometheus.value(enough))


def test_every_query_of_every_panel_has_an_answer(watched: Watched) -> None:
    empty = [
        (each.board, each.panel, each.column, each.expr)
        for path in boards.DASHBOARDS
        if path.parent.name == watched.naming
        for each in boards.queries(path)
        if not watched.labels(each.expr)
    ]
    assert empty == []


def test_every_variable_has_values(watched: Watched) -> None:
    found = {}
    for path in boards.DASHBOARDS:
        if path.parent.name != watched.naming:
            continue
        for each in boards.load(path)["templating"]["list"]:
            if each["type"] == "query":
                series, label = (
                    each["definition"].removeprefix("label_values(")[:-1].rsplit(", ", 1)
                )
                series = series.replace("$conference", "room-0")
                found[path.stem, each["name"]] = {
                    one[label]
                    for one in watched.prometheus.ask("series", **{"match[]": series})
                    if label in one
                }
    assert found["now", "bridge"] == {BAD_BRIDGE, GOOD_BRIDGE}
    assert found["now", "region"] == {BAD_REGION, GOOD_REGION}
    assert len(found["conference", "conference"]) == 38
    assert found["conference", "participant"] == {f"p0-{number}" for number in range(5)}
    assert len(found["service", "instance"]) == 1
    assert len(found) == 5


def test_what_stands_out_is_the_bridge(watched: Watched) -> None:
    board = watched.board("now")
    panel = "What stands out: this is to blame"
    scope, name, region = {
        "jcmc": ("scope", "name", "region"),
        "otel": ("jitsi_verdict_scope", "jitsi_standing_out_name", "jitsi_region"),
    }[watched.naming]
    share = boards.column(board, panel, "Share")
    # A conference on the other bridge, in addition.
    told = sorted(watched.labels(share), key=lambda each: each[scope])
    assert told == [
        {scope: "bridge", name: BAD_BRIDGE, region: BAD_REGION},
        {scope: "conference", name: BAD_ROOM},
    ]
    assert watched.by(name, share) == {BAD_BRIDGE: 1, BAD_ROOM: 1}
    for column in ("Bad", "Known", "Reporting", "Present"):
        people = watched.by(name, boards.column(board, panel, column))
        assert people == {BAD_BRIDGE: 30, BAD_ROOM: 5}
    (now,) = watched.by("", "vector(time())").values()
    for since_ms in watched.by(name, boards.column(board, panel, "Since")).values():
        assert 0 <= now - since_ms / 1000 < 120


def test_the_table_of_bridges_has_both_sides(watched: Watched) -> None:
    board = watched.board("now")

    def said(column: str) -> dict[str, float]:
        return watched.by("bridge", boards.column(board, "Bridges", column))

    assert said("Share") == {BAD_BRIDGE: 1, GOOD_BRIDGE: 6 / 160}
    assert said("Bad") == {BAD_BRIDGE: 30, GOOD_BRIDGE: 6}
    assert said("Participants") == {BAD_BRIDGE: 30, GOOD_BRIDGE: 160}
    # Of the scraped metrics.
    assert said("Stress") == {BAD_BRIDGE: 0.9}
    assert said("Endpoints") == {BAD_BRIDGE: 30}


def test_the_worst_conferences_and_participants_are_those_that_are_bad(watched: Watched) -> None:
    board = watched.board("now")
    room = {"jcmc": "roomname", "otel": "jitsi_conference_name"}[watched.naming]
    person = {"jcmc": "participant_id", "otel": "jitsi_participant_id"}[watched.naming]
    panel = "Conferences with the most bad participants"
    bad = watched.by(room, boards.column(board, panel, "Bad"))
    assert bad == {f"room-{number}": 5 for number in (*range(6), 30)} | {"room-31": 1}
    panel = "Participants whose call is bad"
    everybody = watched.labels(boards.column(board, panel, "Bad"))
    assert len(everybody) == 36
    loss = watched.by(person, boards.column(board, panel, "Loss down"))
    assert loss.keys() == {each[person] for each in everybody}
    assert loss[LONER] == {"jcmc": 12, "otel": 0.12}[watched.naming]


def test_everyone_in_the_room_is_on_one_axis(watched: Watched) -> None:
    (asked,) = [
        each
        for each in boards.queries(watched.board("conference"))
        if each.panel == "How each call was"
    ]
    person = {"jcmc": "participant_id", "otel": "jitsi_participant_id"}[watched.naming]
    assert watched.by(person, asked.expr) == {f"p0-{number}": 2 for number in range(5)}


def test_a_click_on_a_participant_lists_its_sessions(watched: Watched) -> None:
    (url,) = boards.links(watched.board("conference"), "Who is there, and what is wrong")
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds")
    filled = {
        "${service_url}": watched.service.url,
        "${__data.fields.Conference}": "room-0",
        "${__data.fields.Client}": CLIENT_ID,
        # As Grafana does it.
        "${__from:date:iso}": hour_ago.replace("+00:00", "Z"),
    }
    for variable, value in filled.items():
        url = url.replace(variable, value)
    assert "$" not in url

    def sessions() -> set[str]:
        return {each["participant_id"] for each in request(url).json()["sessions"]}

    # In the test all have the same client id; in the other naming only the conference selects.
    everybody = {f"p0-{number}" for number in range(5)}
    assert until(everybody, lambda: sessions() & everybody) == everybody


def test_every_rule_is_healthy_and_nothing_but_what_is_bad_is_told(watched: Watched) -> None:
    groups = watched.prometheus.ask("rules")["groups"]
    health = {
        (rule["name"], rule["health"], rule.get("lastError", ""))
        for group in groups
        for rule in group["rules"]
    }
    assert {each for each in health if each[1] != "ok"} == set()
    assert len(health) > 50

    def raised() -> set[tuple[str, str]]:
        alerts = watched.labels("ALERTS")
        return {(each["alertname"], each.get("name", "")) for each in alerts}

    # The alerts are pending: they fire only after a minute.
    both = {("JitsiBridgeStandsOut", BAD_BRIDGE), ("JitsiConferenceStandsOut", BAD_ROOM)}
    assert until(both, raised) == both


def test_every_recorded_name_has_data(watched: Watched) -> None:
    groups = watched.prometheus.ask("rules")["groups"]
    names = {
        rule["name"] for group in groups for rule in group["rules"] if rule["type"] == "recording"
    }
    assert {name for name in names if not watched.labels(name)} == set()


def test_the_former_names_say_the_same(watched: Watched) -> None:
    def said(name: str) -> dict[str, float]:
        return watched.by("conference" if name.startswith("conf") else "region", name)

    assert said("conference:jitsi_participants_bad:ratio")["room-31"] == 0.2
    assert said("region:jitsi_participants:count") == {BAD_REGION: 30, GOOD_REGION: 160}
    assert said("region:jitsi_participants_bad:count") == {BAD_REGION: 30, GOOD_REGION: 6}


def test_participants_are_counted_where_pages_are_split(watched: Watched) -> None:
    counted = until(PEOPLE, lambda: watched.prometheus.value("otel_jcmc:participants:max"))
    assert counted == PEOPLE
    assert watched.prometheus.value("otel_jcmc:conferences:max") == 38


# The alert for each trouble, and its receiver.
WIDEST = {
    Trouble.FLEET: ("", "JitsiFleetStandsOut"),
    Trouble.REGION: (BAD_REGION, "JitsiRegionStandsOut"),
    Trouble.CONFERENCE: (BAD_ROOM, "JitsiConferenceStandsOut"),
}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Trouble, Watched]]:
    """Return a service and a Prometheus for each trouble; all wait for the same look."""
    found = {}
    with ExitStack() as stack:
        for trouble in WIDEST:
            folder = tmp_path_factory.mktemp(trouble)
            (folder / "p").mkdir()
            service = stack.enter_context(Service(folder / "s", **settings()))
            push_crowd(service, trouble)
            prometheus = stack.enter_context(running_prometheus(folder / "p", RULES))
            job = prometheus.scraping("verdicts", service.url, "/metrics/verdicts")
            stack.enter_context(job)
            found[trouble] = Watched("jcmc", prometheus, service)
        yield found


@pytest.mark.parametrize("trouble", WIDEST)
def test_the_widest_that_stands_out_is_named(
    troubled: dict[Trouble, Watched], trouble: Trouble
) -> None:
    board = ROOT / "collector-config/grafana/dashboards/jcmc/now.json"
    share = boards.column(board, "What stands out: this is to blame", "Share")
    found = troubled[trouble]
    name, alert = WIDEST[trouble]

    def named() -> set[tuple[str, str]]:
        return {(each["scope"], each.get("name", "")) for each in found.labels(share)}

    # A conference elsewhere may stand out beside a region.
    expected = {(trouble.value, name)}
    if trouble is Trouble.REGION:
        expected.add(("conference", BAD_ROOM))
    assert until(expected, named, SECONDS) == expected
    count = f'count(ALERTS{{alertname="{alert}"}})'
    assert until(1.0, lambda: found.prometheus.value(count)) == 1


def test_a_service_that_dies_is_red_at_once(
    prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    board = ROOT / "collector-config/grafana/dashboards/jcmc/now.json"
    (tile,) = [each for each in boards.queries(board) if each.panel == "Service"]
    assert tile.is_instant
    with (
        Service(tmp_path_factory.mktemp("d")) as service,
        prometheus.scraping("dies", service.url, "/metrics/service"),
    ):
        assert until(1.0, lambda: prometheus.value(tile.expr)) == 1
        service.stop()
        # It lasts until the next scrape, a second, and not for the lookback of five minutes.
        assert until(-1.0, lambda: prometheus.value(tile.expr), 15) == -1
