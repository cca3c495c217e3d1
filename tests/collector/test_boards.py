"""
Every query of the boards and every rule in Prometheus 3 after each road.

A crowd pushes in which one bridge stands out. No query fails, and each road has the answers of the
pull road. e2e/test_dashboards.py tests the answers themselves, on an older Prometheus.
"""

import re
from collections.abc import Iterator
from typing import Any

import boards
import pytest
from collector.roads import Road, running_roads
from e2e.parts import Prometheus, until
from harness import eventually
from labelled_crowd import BAD_BRIDGE, BAD_ROOM, push_crowd, push_trouble, settings
from otlp_sink import OtlpSink
from rule_files import RULES

NAMES = ("pull", "grpc", "http", "receiver", "relayed")
SECONDS = 120.0
NOBODY_PUSHES = ("OtelJcmcNobodyPushes", "")


@pytest.fixture(scope="module", params=["jcmc", "otel"])
def roads(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Road]]:
    """Return all roads of one naming, once their crowd is known at the end of each."""
    naming = request.param
    folder = tmp_path_factory.mktemp(naming)
    with OtlpSink() as sink:
        more = settings() | {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{sink.http_endpoint}/v1/traces",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        }
        with running_roads(folder, naming, NAMES, tuple(RULES), **more) as found:
            services = {id(road.service): road.service for road in found.values()}.values()
            for service in services:
                push_crowd(service)
                push_trouble(service)
            _until(found, "jitsi:standing_out:ratio")
            # An increase of each counter: the first push of each kind came before the first sample.
            for service in services:
                push_crowd(service)
            _until(found, "count_over_time(otel_jcmc:store_up:min[1m]) > 3")
            yield found


def _until(roads: dict[str, Road], expr: str) -> None:
    """Wait until *expr* has an answer at the end of every road."""
    eventually(lambda: all(labels(each.prometheus, expr) for each in roads.values()), SECONDS)


def labels(prometheus: Prometheus, expr: str) -> list[dict[str, str]]:
    """Return the labels of the answer to *expr*, which Prometheus must accept."""
    return [each["metric"] for each in prometheus.ask("query", query=expr)["result"]]


def queries(road: Road) -> dict[tuple[str, str, str], str]:
    """Return every query of the boards, in the naming of *road*."""
    naming = road.service.environ["JCMC_NAMING"]
    return {
        (each.board, each.panel, each.column): each.expr
        for path in boards.DASHBOARDS
        if path.parent.name == naming
        for each in boards.queries(path)
    }


def answered(road: Road) -> set[tuple[str, str, str]]:
    """Return the queries that have an answer."""
    return {key for key, expr in queries(road).items() if labels(road.prometheus, expr)}


# A look for what stands out comes every 10 s, the relaying Collector's scrape every 15 s.
@pytest.mark.parametrize("name", NAMES)
def test_every_query_of_the_boards_is_taken(roads: dict[str, Road], name: str) -> None:
    asked = queries(roads[name])
    assert len(asked) > 50
    for expr in asked.values():
        labels(roads[name].prometheus, expr)


@pytest.mark.parametrize("name", NAMES[1:])
def test_what_the_pull_road_answers_this_one_does(roads: dict[str, Road], name: str) -> None:
    pulled = answered(roads["pull"])
    assert len(pulled) > 50
    assert until(set(), lambda: pulled - answered(roads[name])) == set()


Answer = dict[frozenset[tuple[str, str]], float]


def told(road: Road) -> dict[tuple[str, str, str], Answer]:
    """Return what the boards of calls show now: values, and labels without those of one road."""
    found = {}
    for key, expr in queries(road).items():
        # Rates depend on the moment of each scrape, and an onset on the look of each service.
        if not key[0].endswith("/service") and not re.search(
            r"rate\(|increase\(|since|time\(", expr
        ):
            answer = road.prometheus.ask("query", query=expr)["result"]
            found[key] = {
                frozenset(each["metric"].items() - _whose(each["metric"])): float(each["value"][1])
                for each in answer
            }
    return found


def _whose(labels: dict[str, str]) -> set[tuple[str, str]]:
    """Return what depends on the road: the identity of a series, and each service's own ids."""
    return {item for item in labels.items() if item[0] in {"job", "instance", "session_id"}}


@pytest.mark.parametrize("name", NAMES[1:])
def test_what_is_said_of_calls_is_what_the_pull_road_says(
    roads: dict[str, Road], name: str
) -> None:
    """And nothing else: a series with old labels is over as well."""

    def different() -> dict[tuple[str, str, str], Any]:
        here = told(roads[name])
        return {
            key: differs
            for key, answer in told(roads["pull"]).items()
            if (differs := answer.items() ^ here[key].items())
        }

    assert len(told(roads["pull"])) > 30
    assert until({}, different, 40) == {}


def rules(road: Road) -> list[dict[str, Any]]:
    return [rule for group in road.prometheus.ask("rules")["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_healthy(roads: dict[str, Road], name: str) -> None:
    health = {
        (each["name"], each["health"], each.get("lastError", "")) for each in rules(roads[name])
    }
    assert {each for each in health if each[1] != "ok"} == set()
    assert len(health) > 50


@pytest.mark.parametrize("name", NAMES[1:])
def test_every_recorded_name_has_data_where_the_pull_road_has(
    roads: dict[str, Road], name: str
) -> None:
    def recorded(road: Road) -> set[str]:
        names = {each["name"] for each in rules(road) if each["type"] == "recording"}
        return {each for each in names if labels(road.prometheus, each)}

    pulled = recorded(roads["pull"])
    assert len(pulled) > 10
    assert until(set(), lambda: pulled - recorded(roads[name])) == set()


@pytest.mark.parametrize("name", NAMES)
def test_who_is_told_is_the_same(roads: dict[str, Road], name: str) -> None:
    def raised() -> set[tuple[str, str]]:
        alerts = labels(roads[name].prometheus, "ALERTS")
        # No participant pushes here any more, and late data must look right, too.
        return {(each["alertname"], each.get("name", "")) for each in alerts} - {NOBODY_PUSHES}

    both = {("JitsiBridgeStandsOut", BAD_BRIDGE), ("JitsiConferenceStandsOut", BAD_ROOM)}
    assert until(both, raised) == both
