"""
The shipped example in the Alertmanager that was built, and one alert on the whole way to it.

The alert starts from pushes, through the shipped rules in Prometheus 3. e2e/test_alertmanager.py
tests which alert holds back which; its tests run here, too.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from collector.built import built
from collector.roads import running_roads
from e2e import test_alertmanager as shipped
from e2e.alertmanager import Alertmanager, running_alertmanager
from harness import eventually
from labelled_crowd import push_crowd, settings
from rule_files import RULES


@pytest.fixture
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """Return the Alertmanager that was built, without alerts."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with running_alertmanager(folder, built("alertmanager")) as running:
        yield running


def test_with_the_service_dead_nobody_is_told_of_what_hangs_on_it(
    alertmanager: Alertmanager,
) -> None:
    shipped.test_with_the_service_dead_nobody_is_told_of_what_hangs_on_it(alertmanager)


@pytest.mark.parametrize("wide", shipped.HELD)
def test_what_is_wider_holds_back_what_follows_from_it(
    alertmanager: Alertmanager, wide: str
) -> None:
    shipped.test_what_is_wider_holds_back_what_follows_from_it(alertmanager, wide)


def test_a_region_holds_back_its_own_bridges_alone(alertmanager: Alertmanager) -> None:
    shipped.test_a_region_holds_back_its_own_bridges_alone(alertmanager)


@pytest.mark.parametrize("name", ["pull", "grpc", "receiver"])
def test_a_bridge_that_stands_out_wakes_who_is_on_call(
    alertmanager: Alertmanager, tmp_path: Path, name: str
) -> None:
    """Rules on calls wait for a minute and longer; in this test they do not wait."""
    rules = []
    for path in RULES:
        copy = tmp_path / path.name
        text = path.read_text()
        if path.stem == "alerts-calls":
            text = re.sub(r"(?m)^        for: .*\n", "", text)
        copy.write_text(text)
        rules.append(copy)
    at = alertmanager.url.rpartition("/")[2]
    more = settings()
    with running_roads(tmp_path / "r", "jcmc", (name,), tuple(rules), at, **more) as roads:
        push_crowd(roads[name].service)
        eventually(lambda: alertmanager.told, 60)
        # An alert on a conference wakes nobody, and the service has no fault.
        assert set(alertmanager.told) == {"on-call JitsiBridgeStandsOut"}
