"""What a real Alertmanager with the shipped example sends, and what it holds back."""

from collections.abc import Iterator

import pytest
from e2e.alertmanager import SEVERITY, Alertmanager, running_alertmanager
from harness import eventually

# Alerts about calls.
CALLS = {
    *("JitsiFleetStandsOut", "JitsiRegionStandsOut", "JitsiBridgeStandsOut"),
    *("JitsiRelayStandsOut", "JitsiBrowserStandsOut", "JitsiConferenceStandsOut"),
    *("JitsiOutages", "JitsiJoinsFailing", "JitsiMostRelayed", "JitsiSendersShortOfCpu"),
    "JitsiParticipantsSilent",
}
# Alert -> the alerts that it holds back.
HELD = {
    "OtelJcmcAbsent": {
        *CALLS,
        *("OtelJcmcReplicaDown", "OtelJcmcVerdictsAbsent", "OtelJcmcLooksMissing"),
        *("OtelJcmcNobodyPushes", "OtelJcmcExportsFailing"),
    },
    "OtelJcmcStoreAway": {
        *CALLS,
        *("OtelJcmcVerdictsAbsent", "OtelJcmcLooksMissing", "OtelJcmcNobodyPushes"),
        *("OtelJcmcPushesFailing", "OtelJcmcHistoryLost", "OtelJcmcCollectionSlow"),
    },
    "OtelJcmcNobodyPushes": CALLS,
    "JitsiFleetStandsOut": {
        *("JitsiRegionStandsOut", "JitsiBridgeStandsOut", "JitsiRelayStandsOut"),
        *("JitsiBrowserStandsOut", "JitsiConferenceStandsOut", "JitsiOutages"),
    },
}


@pytest.fixture
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """Return an Alertmanager without alerts."""
    with running_alertmanager(tmp_path_factory.mktemp("alertmanager")) as running:
        yield running


def test_with_the_service_dead_nobody_is_told_of_what_hangs_on_it(
    alertmanager: Alertmanager,
) -> None:
    """When the service is back, the receivers get the alerts that still fire."""
    alertmanager.fire("OtelJcmcAbsent")
    eventually(lambda: alertmanager.told == ["on-call OtelJcmcAbsent"])
    alertmanager.fire("JitsiBridgeStandsOut", region="eu")
    alertmanager.fire("JitsiJoinsFailing", "OtelJcmcLooksMissing")
    # Nothing holds this alert back, and it is sent after the same wait as the others.
    alertmanager.fire("OtelJcmcPushesRefused")
    eventually(lambda: len(alertmanager.told) > 1)
    assert alertmanager.told == ["on-call OtelJcmcAbsent", "team OtelJcmcPushesRefused"]
    alertmanager.fire("OtelJcmcAbsent", is_over=True)
    eventually(lambda: len(alertmanager.told) > 4)
    assert sorted(alertmanager.told[2:]) == [
        "on-call JitsiBridgeStandsOut",
        "on-call JitsiJoinsFailing",
        "team OtelJcmcLooksMissing",
    ]


@pytest.mark.parametrize("wide", HELD)
def test_what_is_wider_holds_back_what_follows_from_it(
    alertmanager: Alertmanager, wide: str
) -> None:
    alertmanager.fire(wide)
    eventually(alertmanager.firing)
    others = SEVERITY.keys() - HELD.keys() | HELD[wide]
    alertmanager.fire(*others)
    eventually(lambda: len(alertmanager.firing()) == 1 + len(others))
    assert {name for name, is_held in alertmanager.firing().items() if is_held} == HELD[wide]


def test_a_region_holds_back_its_own_bridges_alone(alertmanager: Alertmanager) -> None:
    alertmanager.fire("JitsiRegionStandsOut", region="eu", name="eu")
    eventually(alertmanager.firing)
    alertmanager.fire("JitsiBridgeStandsOut", region="eu", name="jvb-1")
    alertmanager.fire("JitsiBridgeStandsOut", region="us", name="jvb-2")
    eventually(lambda: len(alertmanager.firing()) > 2)
    assert alertmanager.firing() == {
        "JitsiRegionStandsOut eu": False,
        "JitsiBridgeStandsOut eu": True,
        "JitsiBridgeStandsOut us": False,
    }
