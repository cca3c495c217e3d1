"""`otel-jcmc doctor --prometheus` behind each road, in both namings, and with one fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from collector.roads import Road, running_roads
from doctor.conftest import Ask, Told, ask_doctor
from harness import eventually, push_body
from rule_files import RULES

# Told with the last of what the page or the export of a service has.
LAST = {"jcmc": "jitsi_jcmc_fleet_participants_state", "otel": "jitsi_fleet_participants"}


@pytest.fixture
def doctor() -> Ask:
    """Return what runs doctor."""
    return ask_doctor


@contextmanager
def known(folder: Path, naming: str, name: str) -> Iterator[Road]:
    """Run a road, until the end of it knows of somebody who is in a call."""
    with running_roads(folder, naming, (name,), tuple(RULES)) as roads:
        (road,) = roads.values()
        assert road.service.push(push_body()).status == 200
        has = "count({})"
        for each in (LAST[naming], "otel_jcmc_build_info"):
            eventually(lambda each=each: road.prometheus.query(has.format(each)), 60)  # type: ignore[misc]
        yield road


def asked(doctor: Ask, road: Road) -> Told:
    assert road.service.push(push_body()).status == 200
    return doctor(road.service, "--prometheus", road.prometheus.url)


def of_prometheus(told: Told, mark: str) -> list[str]:
    return [text for topic, text in told.of(mark) if topic == "prometheus"]


@pytest.mark.parametrize("naming", ["jcmc", "otel"])
@pytest.mark.parametrize("name", ["pull", "grpc", "receiver", "relayed"])
def test_what_is_well_is_well_behind_every_road(
    tmp_path: Path, doctor: Ask, name: str, naming: str
) -> None:
    with known(tmp_path, naming, name) as road:
        told = asked(doctor, road)
    assert of_prometheus(told, "wrong") == []
    assert of_prometheus(told, "well")[1:] == [
        "it has loaded our 60 rules, and none fails",
        f"it has all series that the dashboards in {naming}/ read",
    ]


def test_a_collector_that_is_away_is_named(tmp_path: Path, doctor: Ask) -> None:
    with known(tmp_path, "jcmc", "grpc") as road:
        assert road.collector is not None
        road.collector.stop()
        eventually(lambda: not road.prometheus.query("count(otel_jcmc_build_info)"), 60)
        eventually(lambda: road.service.get("/-/doctor").json()["words"].get("otlp"), 30)
        told = asked(doctor, road)
    assert of_prometheus(told, "wrong") == [
        "it has no metric of otel_jcmc, neither by scrape nor by OTLP"
    ]
    assert {topic for topic, _ in told.of("wrong")} == {"prometheus", "otlp"}
