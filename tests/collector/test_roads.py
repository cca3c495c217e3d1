"""
The same two participants at the end of every road, in both namings.

PromQL gives what they pushed. docs/roads.md says what each series is there, and for how long a
participant that left is shown. `GOLDEN=write` writes the tables of that page again.
"""

import os
import re
import time
from collections.abc import Iterator
from itertools import chain

import pytest
from collector import table
from collector.built import PARTS
from collector.pushed import FOUND, LEAVE, WHO, push_both
from collector.roads import ROADS, Road, running_roads
from e2e.parts import Prometheus, until
from harness import eventually

SECONDS = 60.0
# Prometheus picks up its targets after 5 s, and the relaying Collector scrapes every 15 s.
SOON = 20.0
LAST = {"otel_jcmc_last_scrape_timestamp_seconds", "otel_jcmc_last_export_timestamp_seconds"}


@pytest.fixture(scope="module", params=["jcmc", "otel"])
def roads(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Road]]:
    """Return all roads of one naming, with Ada and Bob pushed on each."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_roads(folder, request.param) as found:
        for service in {id(road.service): road.service for road in found.values()}.values():
            push_both(service)
        yield found


def naming(roads: dict[str, Road]) -> str:
    """Return the naming of *roads*."""
    return roads["pull"].service.environ["JCMC_NAMING"]


@pytest.mark.parametrize("name", ROADS)
def test_promql_gives_what_was_pushed(roads: dict[str, Road], name: str) -> None:
    expected: dict[str, float] = FOUND[naming(roads)]
    prometheus = roads[name].prometheus

    def answers() -> dict[str, float | None]:
        return {expr: prometheus.value(expr) for expr in expected}

    assert until(expected, answers, SECONDS) == expected


@pytest.mark.parametrize("name", ROADS)
def test_a_series_says_nothing_of_the_scope_and_keeps_no_second_job(
    roads: dict[str, Road], name: str
) -> None:
    for label in ("otel_scope_name", "otel_scope_version", "exported_job", "exported_instance"):
        assert roads[name].prometheus.value(f'count({{{label}!=""}})') is None


def shapes(road: Road) -> dict[str, set[frozenset[str]]]:
    """Return for each of our metrics the label sets of its series."""
    found: dict[str, set[frozenset[str]]] = {}
    for each in road.prometheus.ask("series", **{"match[]": '{__name__=~"(jitsi|otel_jcmc)_.+"}'}):
        name = each.pop("__name__")
        found.setdefault(name, set()).add(frozenset(each) - {"job", "instance"})
    return found


@pytest.mark.parametrize("name", ROADS[1:])
def test_every_series_has_the_name_and_the_labels_of_the_page(
    roads: dict[str, Road], name: str
) -> None:
    """All series, not only those of the table; only times of sending differ by road."""

    def said(road: Road) -> dict[str, set[frozenset[str]]]:
        return {each: labels for each, labels in shapes(road).items() if each not in LAST}

    # A process has counts of its exports only after an export.
    pulled = said(roads["pull"])
    assert len(pulled) > 40
    assert until(pulled, lambda: said(roads[name]), SECONDS) == pulled
    assert len(LAST & shapes(roads[name]).keys()) == 1


def test_the_table_of_series_is_what_prometheus_says(roads: dict[str, Road]) -> None:
    head = f"`{naming(roads)}`"
    made = table.lines(table.rows(roads, table.SERIES[naming(roads)]))
    own = table.lines(table.rows(roads, table.OWN))
    if os.environ.get("GOLDEN") == "write":
        table.write(head, made)
        table.write("own", own)
    assert made == table.written(head)
    assert own == table.written("own")


def until_settled(prometheus: Prometheus, who: str) -> None:
    """Wait until *who* is not found any more, or has had no sample for a while."""

    def is_settled() -> bool:
        last = prometheus.value(f'timestamp({{{who},__name__=~".*quality"}})')
        return last is None or time.time() - last > SOON

    eventually(is_settled, SECONDS + SOON, 0.5)


def lingering(prometheus: Prometheus, who: str, left_at: float) -> int:
    """
    Return for how many seconds PromQL finds *who*, who left at *left_at*.

    Prometheus answers for any time, also for the future if nothing more comes.
    """
    found = f"count({{{who}}})"
    for seconds in chain(range(60), range(60, 3600, 10)):
        if not prometheus.ask("query", query=found, time=str(left_at + seconds))["result"]:
            return seconds
    raise AssertionError("for more than an hour")


def words(seconds: int) -> str:
    """Return *seconds* in the words of the page."""
    if seconds < SOON:
        return "until the next scrape or export"
    return f"{round(seconds, -1)} s" if seconds < 120 else f"{round(seconds / 60)} minutes"


def test_the_table_of_roads_says_for_how_long_one_who_has_left_is_shown(
    roads: dict[str, Road],
) -> None:
    """The last test in this file: Ada leaves."""
    who = WHO[naming(roads)]
    participant = f'{{{who}="bob00002",__name__=~".*quality"}}'
    ada = f'{who}="ada00001"'
    there = f"count({{{ada}}})"
    eventually(lambda: all(each.prometheus.value(there) for each in roads.values()), SECONDS)
    left_at = {}
    for road in roads.values():
        if road.service.url not in left_at:
            assert road.service.push(LEAVE).body == "OK"
            left_at[road.service.url] = time.time()
    for road in roads.values():
        until_settled(road.prometheus, ada)
    made = [
        (
            name,
            table.identity(road, participant),
            table.identity(road, "otel_jcmc_participants"),
            words(lingering(road.prometheus, ada, left_at[road.service.url])),
        )
        for name, road in roads.items()
    ]
    if os.environ.get("GOLDEN") == "write":
        table.write("road", table.lines(made))
    assert table.lines(made) == table.written("road")


def test_the_page_says_which_versions_were_tried() -> None:
    text = table.PAGE.read_text()
    for module, name in (
        ("collector", "go.opentelemetry.io/collector/otelcol"),
        ("collector", "contrib/receiver/prometheusreceiver"),
        ("prometheus", "github.com/prometheus/prometheus"),
        ("jaeger", "github.com/jaegertracing/jaeger"),
        ("alertmanager", "github.com/prometheus/alertmanager"),
    ):
        found = re.search(rf"{name} v(\S+)", (PARTS / module / "go.mod").read_text())
        assert found is not None
        assert re.search(rf"(?<![\w.]){re.escape(found[1])}(?![\w.])", text), (name, found[1])
