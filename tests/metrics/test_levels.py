"""metrics/levels.py: series of conferences, bridges, regions, the fleet and what stands out."""

import pytest
from people import judged, observed_by, snapshot_of

from otel_jcmc.catalogue.levels import Level
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.collection import Gauges
from otel_jcmc.metrics.levels import Bounds
from otel_jcmc.metrics.snapshot import Snapshot
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Look
from otel_jcmc.verdict.rules import DOWNLINK, DOWNLINK_OR_RECEIVED, PAIR, RECEIVED, State

Told = dict[str, dict[tuple[str, ...], float]]


def told(
    snapshot: Snapshot,
    naming: Naming = Naming.JCMC,
    bounds: Bounds = Bounds(),  # noqa: B008  # it is never changed
    *levels: Level,
) -> Told:
    """Return the values of *levels* (default: all) by name and labels."""
    gauges = Gauges(naming, "jitsi_jcmc_", levels or tuple(Level), bounds)
    found = gauges.collect(snapshot, participants=False)
    assert not any(gauges.errors.values())
    return {
        gauge.name: {tuple(labels.values()): value for labels, value in observed_by(gauge)}
        for gauge in found
        if gauge.observations
    }


CROWD = (
    judged("standup", "ada", State.BAD, DOWNLINK.id),
    judged("standup", "bob", State.FAIR, DOWNLINK.id),
    judged("standup", "eve", None),
    judged("retro", "dan", State.BAD, bridge="jvb-2", region=""),
    judged("retro", "fay", State.BAD, PAIR.id, is_direct=True),
)
NONE_BAD = dict.fromkeys(
    (
        *("outage", "downlink", "received", "downlink_or_received", "device", "path", "uplink"),
        *("pair", "unknown"),
    ),
    0,
)


def bad(*place: str, **causes: int) -> dict[tuple[str, ...], float]:
    return {(*place, "bad", cause): n for cause, n in (NONE_BAD | causes).items()}


def test_states_are_counted_by_all_that_people_have_in_common() -> None:
    found = told(snapshot_of(*CROWD))
    assert found["jitsi_jcmc_conference_participants_state"] == {
        ("standup", "good"): 0,
        ("standup", "fair"): 1,
        ("standup", "bad"): 1,
        ("standup", "unknown"): 1,
        ("retro", "good"): 0,
        ("retro", "fair"): 0,
        ("retro", "bad"): 2,
        ("retro", "unknown"): 0,
    }
    assert found["jitsi_jcmc_bridge_participants_state"] == {
        ("jvb-1", "eu", "good"): 0,
        ("jvb-1", "eu", "fair"): 1,
        ("jvb-1", "eu", "unknown"): 1,
        **bad("jvb-1", "eu", downlink=1),
        ("jvb-2", "good"): 0,
        ("jvb-2", "fair"): 0,
        ("jvb-2", "unknown"): 0,
        **bad("jvb-2", unknown=1),
    }
    assert found["jitsi_jcmc_region_participants_state"] == {
        ("eu", "good"): 0,
        ("eu", "fair"): 1,
        ("eu", "unknown"): 1,
        **bad("eu", downlink=1),
        ("good",): 0,
        ("fair",): 0,
        ("unknown",): 0,
        **bad(unknown=1),
    }
    assert found["jitsi_jcmc_fleet_participants_state"] == {
        ("good",): 0,
        ("fair",): 1,
        ("unknown",): 1,
        **bad(downlink=1, pair=1, unknown=1),
    }


def test_the_labels_have_these_names() -> None:
    gauges = {
        naming: Gauges(naming, "jitsi_jcmc_", tuple(Level), Bounds()).collect(
            snapshot_of(*CROWD), participants=False
        )
        for naming in Naming
    }
    names = {
        naming: {gauge.name: max((list(o[0]) for o in observed_by(gauge)), key=len) for gauge in of}
        for naming, of in ((n, [g for g in found if g.observations]) for n, found in gauges.items())
    }
    assert names[Naming.JCMC] == {
        "jitsi_jcmc_conference_participants_state": ["roomname", "state"],
        "jitsi_jcmc_bridge_participants_state": ["bridge", "region", "state", "cause"],
        "jitsi_jcmc_region_participants_state": ["region", "state", "cause"],
        "jitsi_jcmc_fleet_participants_state": ["state", "cause"],
    }
    state, cause, region = "jitsi.verdict.state", "jitsi.verdict.cause", "jitsi.region"
    assert names[Naming.OTEL] == {
        "jitsi.conference.participants": ["jitsi.conference.name", state],
        "jitsi.bridge.participants": ["jitsi.bridge.name", region, state, cause],
        "jitsi.region.participants": [region, state, cause],
        "jitsi.fleet.participants": [state, cause],
    }


def test_of_nobody_the_fleet_alone_is_told() -> None:
    found = told(Snapshot())
    assert list(found) == ["jitsi_jcmc_fleet_participants_state"]
    assert set(found["jitsi_jcmc_fleet_participants_state"].values()) == {0}


def test_with_redis_away_nothing_is_told() -> None:
    assert Gauges(Naming.JCMC, "x_", tuple(Level), Bounds()).collect(None) == []


@pytest.mark.parametrize("level", [Level.CONFERENCES, Level.BRIDGES, Level.REGIONS])
def test_only_the_levels_that_are_asked_for_are_told(level: Level) -> None:
    found = told(snapshot_of(*CROWD), Naming.JCMC, Bounds(), level)
    assert list(found) == [f"jitsi_jcmc_{level.removesuffix('s')}_participants_state"]


def test_what_is_beyond_a_bound_is_other_and_nobody_is_lost() -> None:
    people = [
        judged(
            f"room-{number}", f"p{seat}", State.GOOD, bridge=f"jvb-{number}", region=f"r{number}"
        )
        for number in range(6)
        for seat in range(number + 1)
    ]
    people.append(judged("room-0", "ill", State.BAD, DOWNLINK.id, "jvb-0", "r0"))
    found = told(snapshot_of(*people), Naming.JCMC, Bounds(2, 2, 2))
    rooms = found["jitsi_jcmc_conference_participants_state"]
    # The worst first, then the largest.
    assert {key[0] for key in rooms} == {"room-0", "room-5", "other"}
    assert sum(rooms.values()) == 22
    bridges = found["jitsi_jcmc_bridge_participants_state"]
    assert {key[:2] for key in bridges if len(key) > 2} == {
        *(("jvb-5", "r5"), ("jvb-4", "r4")),
        *(("other", "bad"),),
    }
    assert bridges["other", "good"] == 10
    assert bridges["other", "bad", "downlink"] == 1
    assert {key[0] for key in found["jitsi_jcmc_region_participants_state"]} == {
        "r5",
        "r4",
        "other",
    }


def test_what_stands_out_is_told_with_its_onset_and_settled_causes_count() -> None:
    snapshot = snapshot_of(
        judged("standup", "ada", State.BAD, DOWNLINK_OR_RECEIVED.id),
        judged("standup", "bob", State.BAD, DOWNLINK_OR_RECEIVED.id),
    )
    entry = Entry("bridge", "jvb-1", "eu", 1_700_000_000_500, 0, 0.9, (9, 9, 9, 9), 0.75)
    snapshot.look = Look(0, [entry], {"standup/ada": RECEIVED.id})
    found = told(snapshot)
    what = ("bridge", "jvb-1", "eu")
    assert found["jitsi_jcmc_standing_out"] == {what: 0.75}
    assert found["jitsi_jcmc_standing_out_since_seconds"] == {what: 1_700_000_000.5}
    assert found["jitsi_jcmc_fleet_participants_state"]["bad", "received"] == 1
    assert found["jitsi_jcmc_fleet_participants_state"]["bad", "downlink_or_received"] == 1
