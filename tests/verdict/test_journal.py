"""verdict/journal.py: since when something stands out, and when it ended."""

from collections.abc import Sequence

from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry, at, continue_with
from otel_jcmc.verdict.standing import Coverage, Standing

COVERAGE = Coverage(4, 5, 5, 6)
BRIDGE = Standing(Scope.BRIDGE, "jvb-1", "eu", 0.5, COVERAGE)


def looks(*found: tuple[int, Sequence[Standing]]) -> tuple[list[Entry], list[Entry]]:
    """Return the open and the finished entries after looks at these times."""
    going: list[Entry] = []
    over: list[Entry] = []
    for now_ms, each in found:
        going, ended = continue_with(going, now_ms, each)
        over += ended
    return going, over


def test_an_entry_has_an_onset_a_peak_and_an_end() -> None:
    worse = BRIDGE._replace(share=0.9, coverage=Coverage(5, 5, 5, 6))
    going, over = looks((10_000, [BRIDGE]), (20_000, [worse]), (30_000, [BRIDGE]), (50_000, []))
    grown = Entry("bridge", "jvb-1", "eu", 10_000, 30_000, 0.9, (5, 5, 5, 6), 0.5)
    assert (going, over) == ([grown], [])
    assert continue_with(going, 60_000, []) == ([], [grown])


def test_what_a_look_or_two_does_not_find_goes_on() -> None:
    going, over = looks((0, [BRIDGE]), (10_000, []), (20_000, [BRIDGE]))
    assert ([each.since_ms for each in going], over) == ([0], [])


def test_what_comes_back_after_that_is_another_entry() -> None:
    going, over = looks((0, [BRIDGE]), (40_000, [BRIDGE]))
    assert [(each.since_ms, each.seen_ms) for each in going] == [(40_000, 40_000)]
    assert [(each.since_ms, each.seen_ms) for each in over] == [(0, 0)]


def test_two_things_are_two_entries() -> None:
    going, _ = looks((0, [BRIDGE]), (10_000, [BRIDGE, BRIDGE._replace(name="jvb-2")]))
    assert [(each.name, each.since_ms) for each in going] == [("jvb-1", 0), ("jvb-2", 10_000)]


def test_it_says_what_stood_out_at_a_time() -> None:
    entries = [
        Entry("bridge", "jvb-1", "eu", 0, 10_000, 1.0, (1, 1, 1, 1)),
        Entry("bridge", "jvb-2", "eu", 100_000, 100_000, 1.0, (1, 1, 1, 1)),
    ]
    assert [each.name for each in at(entries, 5_000)] == ["jvb-1"]
    assert at(entries, 50_000) == []
    assert [each.name for each in at(entries, 100_000)] == ["jvb-2"]
