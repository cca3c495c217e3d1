"""
An alert on its way: the shipped rules in Prometheus 3, the shipped example in Alertmanager.

Which alert holds back which is in e2e/test_alertmanager.py; here it is the release that was built.
"""

from collections.abc import Iterator

import pytest
from collector.built import built
from e2e import test_alertmanager as shipped
from e2e.alertmanager import Alertmanager, running_alertmanager


@pytest.fixture
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """Return the Alertmanager that was built; it knows of no alert."""
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
