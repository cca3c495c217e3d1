"""verdict/journal.py: since when something stands out, and how far trouble reaches."""

import pytest

from otel_jcmc.verdict.journal import Entry, Journal, scope_of
from otel_jcmc.verdict.rules import DOWNLINK, SLOW_SENDER, State
from otel_jcmc.verdict.standing import Coverage, Scope, Seen, Standing

COVERAGE = Coverage(4, 5, 5, 6)
BRIDGE = Standing(Scope.BRIDGE, "jvb-1", "eu", 0.5, COVERAGE)
HOUR_MS = 3_600_000


def test_an_entry_has_an_onset_a_peak_and_an_end() -> None:
    journal = Journal(HOUR_MS)
    [began] = journal.update(10_000, [BRIDGE])
    assert (began.since_ms, began.peak, began.is_over) == (10_000, 0.5, False)
    worse = Coverage(5, 5, 5, 6)
    assert journal.update(20_000, [BRIDGE._replace(share=0.9, coverage=worse)]) == []
    assert journal.update(30_000, [BRIDGE]) == []
    assert journal.update(50_000, []) == []
    [ended] = journal.update(60_000, [])
    assert ended == Entry(Scope.BRIDGE, "jvb-1", "eu", 10_000, 30_000, 0.9, worse, True)


def test_what_is_absent_from_a_look_goes_on() -> None:
    journal = Journal(HOUR_MS)
    journal.update(0, [BRIDGE])
    journal.update(10_000, [])
    assert journal.update(20_000, [BRIDGE]) == []
    assert [each.since_ms for each in journal.entries] == [0]


def test_it_says_what_stood_out_at_a_time() -> None:
    journal = Journal(HOUR_MS)
    journal.update(0, [BRIDGE])
    journal.update(10_000, [BRIDGE])
    journal.update(100_000, [BRIDGE._replace(name="jvb-2")])
    assert [each.name for each in journal.at(5_000)] == ["jvb-1"]
    assert journal.at(50_000) == []
    assert [each.name for each in journal.at(100_000)] == ["jvb-2"]


def test_it_is_bounded_in_time_and_number() -> None:
    journal = Journal(HOUR_MS, most=3)
    for number in range(10):
        journal.update(number * 60_000, [BRIDGE._replace(name=f"jvb-{number}")])
    assert len(journal.entries) == 4
    journal.update(3 * HOUR_MS, [])
    journal.update(5 * HOUR_MS, [])
    assert journal.entries == []


def test_another_holder_goes_on_with_what_was_written() -> None:
    first = Journal(HOUR_MS)
    first.update(0, [BRIDGE])
    second = Journal(HOUR_MS, entries=first.entries)
    assert second.update(10_000, [BRIDGE]) == []
    assert [each.since_ms for each in second.entries] == [0]


SEEN = Seen("standup", State.BAD, DOWNLINK.id, "jvb-1", "eu")


def entry(scope: Scope, name: str) -> Entry:
    return Entry(scope, name, "eu", 0, 0, 1.0, COVERAGE)


@pytest.mark.parametrize(
    ("entries", "scope"),
    [
        ([], "participant"),
        ([entry(Scope.BRIDGE, "jvb-2"), entry(Scope.CONFERENCE, "retro")], "participant"),
        ([entry(Scope.CONFERENCE, "standup")], "conference"),
        ([entry(Scope.BRIDGE, "jvb-1"), entry(Scope.CONFERENCE, "standup")], "bridge"),
        ([entry(Scope.REGION, "eu"), entry(Scope.BRIDGE, "jvb-1")], "region"),
        ([entry(Scope.FLEET, ""), entry(Scope.REGION, "eu")], "fleet"),
    ],
)
def test_a_participants_scope_is_the_widest_that_stands_out(
    entries: list[Entry], scope: str
) -> None:
    assert scope_of(SEEN, entries) == scope


@pytest.mark.parametrize(
    "own", [{"cause": SLOW_SENDER.id}, {"is_direct": True}, {"state": State.FAIR}, {"cause": 0}]
)
def test_what_is_its_own_stays_its_own(own: dict[str, object]) -> None:
    seen = SEEN._replace(**own)  # type: ignore[arg-type]
    assert scope_of(seen, [entry(Scope.BRIDGE, "jvb-1")]) == "participant"
