"""Summaries counted by common properties, and by time."""

from datetime import date

from otel_jcmc.sessions.counts import By, Counts, Group, Per
from otel_jcmc.sessions.summary import Summary, Told

SUNDAY, MONDAY = date(2026, 11, 29), date(2026, 11, 30)


def call(name: str = "jvb-1", **told: object) -> Summary:
    return Summary(1, 36_000, "left", bridge=name, **told)  # type: ignore[arg-type]


def by_key(counts: Counts) -> dict[tuple[str, str], int]:
    return {(period, name): group.sessions for period, name, group in counts.groups()}


def test_the_share_of_bad_is_of_the_time_that_is_known() -> None:
    """One hour with a bad quarter, one good hour, and one without a known state."""
    counts = Counts(None, Per.ALL)
    times = [(9000, 2, 7), (18_000, 0, 0), (9000, 1, 6), (100, 9, 0)]
    counts.add(SUNDAY, [
        call(state=2, cause="uplink", times=times, outages=2, counts=[3, 9000, None]),
        call(state=0, times=[(36_000, 0, 0)], outages=0, counts=[1, 10, None]),
        call(times=[(36_000, None, 0)]),
        Summary(1, 50, "failed", "ice_failed"),
    ])  # fmt: skip
    ((period, name, group),) = counts.groups()
    assert (period, name, group.sessions, group.hours) == ("", "", 4, 3.0)
    assert group.bad_share == 0.125
    assert group.states == {"bad": 1, "good": 1, "unknown": 2}
    assert group.causes == {"uplink": 1}
    assert (group.failed, group.outages, group.freezes) == (1, 2, 4)


def test_vitals_are_of_the_time_in_which_they_were_known() -> None:
    counts = Counts(None, Per.ALL)
    counts.add(SUNDAY, [
        call(vitals=[Told(900, 3000, 0, 850), Told(100, 3000, 300, 2500), Told()], mos=(440, 400)),
        call(vitals=[Told(300, 1000, 1000, 12), Told(), Told(90, 1000, 0, 400)]),
        Summary(1, 12_000, "left", mos=(240, 100)),
    ])  # fmt: skip
    ((_, _, group),) = counts.groups()
    quality, loss, trip = group.vitals
    assert (quality.average, quality.worst, quality.bad_share) == (75.0, 12, 0.25)
    assert (loss.average, loss.worst, loss.bad_share) == (1.0, 2500, 0.1)
    assert (trip.average, trip.worst, trip.bad_share) == (90.0, 400, 0.0)
    # Three quarters of the time 4.4, one quarter 2.4.
    assert group.mos_sum / group.mos_known == 390


def test_what_nobody_knows_has_no_share() -> None:
    group = Group()
    group.add(Summary(1, 10, "left"))
    assert (group.bad_share, group.vitals[0].average, group.vitals[0].bad_share) == (None,) * 3


def test_groups_are_of_days_of_weeks_and_of_all() -> None:
    for per, expected in (
        (Per.DAY, {("2026-11-29", "jvb-1"): 2, ("2026-11-30", "jvb-1"): 1}),
        # A week begins on Monday.
        (Per.WEEK, {("2026-11-23", "jvb-1"): 2, ("2026-11-30", "jvb-1"): 1}),
        (Per.ALL, {("", "jvb-1"): 3}),
    ):
        counts = Counts(By.BRIDGE, per)
        counts.add(SUNDAY, [call(), call()])
        counts.add(MONDAY, [call()])
        assert by_key(counts) == expected


def test_groups_come_by_time_and_those_with_most_first() -> None:
    counts = Counts(By.BRIDGE, Per.DAY)
    counts.add(MONDAY, [call("b"), call("a"), call("c"), call("c")])
    counts.add(SUNDAY, [call("b")])
    assert [(period[-2:], name) for period, name, _ in counts.groups()] == [
        ("29", "b"), ("30", "c"), ("30", "a"), ("30", "b"),
    ]  # fmt: skip


def test_names_are_few_however_many_were_pushed() -> None:
    """The fifty names with most sessions, and the others as one; all sessions count."""
    counts = Counts(By.REGION, Per.DAY)
    usual = [Summary(1, 10, "left", region=f"r{n % 60}") for n in range(600)]
    counts.add(SUNDAY, [*usual, *(Summary(1, 10, "left", region=f"r{n}") for n in range(50))])
    counts.add(MONDAY, [Summary(1, 10, "left", region=f"made-up-{n}") for n in range(5000)])
    found = by_key(counts)
    assert len({name for _, name in found}) == 51
    assert found["2026-11-29", "r49"] == 11
    assert found["2026-11-29", "other"] == 100
    assert found["2026-11-30", "other"] == 5000
    assert sum(found.values()) == 5650


def test_sessions_are_told_apart_by_each_field() -> None:
    one = Summary(
        1, 10, "left", "", "jmmc", "", "eu", "jvb-1", "Chrome 126", "Windows", "wifi", "turn-1"
    )
    found = {}
    for by in By:
        counts = Counts(by, Per.ALL)
        counts.add(SUNDAY, [one])
        found[by.value] = counts.groups()[0][1]
    assert found == {
        "region": "eu",
        "bridge": "jvb-1",
        "browser": "Chrome 126",
        "network": "wifi",
        "relay": "turn-1",
        "end": "left",
        "sender": "jmmc",
    }
