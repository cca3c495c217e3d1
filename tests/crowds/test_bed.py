"""crowds/bed.py: it plays the crowd's stories to the rules, and counts their answers."""

import pytest
from crowds.bed import hold
from crowds.counting import NONE, Matrix, Outcome
from crowds.matrices import CAUSES, PRECISION, RECALL
from crowds.seats import Bench

from otel_jcmc.simulate.stories import NAMES
from otel_jcmc.verdict.judge import Judge

# The size of each room, None: of several, and the seconds between two pushes.
CROWDS = [(None, 10), (8, 10), (None, 2)]
# What the original's page tells of one bad sender of several is mostly too little.
RECEIVED = 0.78
# The same at our pages, and of other causes where any harm shows.
LEAST_OF_OURS = 0.97
# In two seconds less is known: a slow computer has good moments, of which one in 27 is missed.
LEAST_OF_SHORT = {"received": 0.9, "downlink": 0.93, "device": 0.96}
DEVICE_OF_SHORT = 0.75
# Some who are bad by themselves are two or three of a bad room in which the others cannot tell.
PARTICIPANT = 0.86


@pytest.fixture(scope="module", params=CROWDS)
def told(request: pytest.FixtureRequest) -> tuple[Outcome, int]:
    """What came of all stories, of twenty rooms, told thrice; and the interval."""
    size, interval = request.param
    total, bench = Outcome(), Bench()
    for name in NAMES:
        for seed in range(3):
            total.add(hold(name, 20, size=size, interval=interval, seed=seed, bench=bench))
    return total, interval


@pytest.fixture
def outcome(told: tuple[Outcome, int]) -> Outcome:
    return told[0]


@pytest.mark.parametrize("cause", CAUSES)
def test_causes_are_found_and_nothing_else_is_called_so(
    told: tuple[Outcome, int], cause: str
) -> None:
    outcome, interval = told
    least = {"received": RECEIVED} | ({"device": DEVICE_OF_SHORT} if interval == 2 else {})
    recall, precision = outcome.causes.recall(cause), outcome.causes.precision(cause)
    # Rooms of eight have no pairs.
    assert recall is None or recall >= least.get(cause, RECALL)
    # Of few packets in two seconds all of one stream may have come by chance.
    assert precision is None or precision >= (0.92 if interval == 2 else PRECISION)


@pytest.mark.parametrize("cause", CAUSES)
def test_where_any_harm_shows_nearly_all_of_it_is_found(
    told: tuple[Outcome, int], cause: str
) -> None:
    outcome, interval = told
    of_what = outcome.ours if cause in {"received", "downlink"} else outcome.harmed
    recall = of_what.recall(cause)
    least = LEAST_OF_SHORT if interval == 2 else {}
    assert recall is None or recall >= least.get(cause, LEAST_OF_OURS)


@pytest.mark.parametrize("scope", ["fleet", "region", "bridge", "conference", "sender"])
def test_scopes_are_found_and_nothing_else_is_called_so(outcome: Outcome, scope: str) -> None:
    assert (outcome.scopes.recall(scope) or 0) >= RECALL
    assert (outcome.scopes.precision(scope) or 0) >= PRECISION


def test_who_is_alone_with_it_is_never_blamed_on_more(outcome: Outcome) -> None:
    assert outcome.scopes.recall("participant") == 1
    assert (outcome.scopes.precision("participant") or 0) >= PARTICIPANT


def test_a_matrix_counts() -> None:
    matrix = Matrix()
    matrix.counts.update({("a", "a"): 6, ("a", "b"): 2, ("b", "a"): 1, ("b", "b"): 3})
    assert (matrix.recall("a"), matrix.precision("b")) == (0.75, 0.6)
    assert (matrix.recall("c"), matrix.precision("c")) == (None, None)


def test_rules_that_find_nothing_miss_everything() -> None:
    """The bed sees it: with these thresholds no loss and no way is ever bad."""
    found = hold("downlink", 20, bench=Bench(Judge(1000, 1e6)), originals=0)
    assert found.causes.recall("downlink") == 0


def test_who_is_well_and_called_bad_is_counted() -> None:
    found = hold("outage", 20, bench=Bench(Judge(5, 0.1)))
    assert found.causes.counts[NONE, "path"] > 50
