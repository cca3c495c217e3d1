"""What an entry of a session's log keeps, and what it says of one that is damaged."""

import math
from typing import Any

import msgspec
import pytest
from entries import write
from hypothesis import given
from hypothesis import strategies as st

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, METRICS
from otel_jcmc.sessions.entry import Event, Sample, Tally, in_order, read

NOON = 1_763_812_800_000
TENTH = 100


def value_of(row: Any) -> st.SearchStrategy[Any]:
    """Return values that the row takes, None too."""
    number = st.integers(row.minimum, row.maximum) | st.floats(row.minimum, row.maximum)
    one = st.lists(number, min_size=1, max_size=8) if row.is_list else number
    return st.none() | one


def numbers() -> st.SearchStrategy[list[Any]]:
    """Return the numbers of a push, of the original's page or of any other."""
    rows = {row.id: row for row in METRICS}
    told = [value_of(rows[id_]) if id_ in rows else st.none() for id_ in range(1, 65)]
    few = st.tuples(*told[:13], *[st.none()] * (LAST_METRIC_ID - 13))
    return (few | st.tuples(*told[:LAST_METRIC_ID])).map(list)


def is_kept(kept: Any, value: Any, decimals: int) -> bool:
    """Say whether *kept* is *value* to so many decimals."""
    if isinstance(value, list):
        return all(is_kept(a, b, decimals) for a, b in zip(kept, value, strict=True))
    if value is None:
        return kept is None
    # Half of the last decimal, and what a float is off by.
    return math.isclose(kept, value, rel_tol=1e-12, abs_tol=0.5001 * 10**-decimals)


VITALS = st.tuples(
    st.none() | st.floats(0, 100), st.none() | st.floats(0, 100), st.none() | st.floats(0, 600_000)
).map(list)


@given(numbers())
def test_numbers_are_read_back_to_their_rows_decimals(told: list[Any]) -> None:
    before = [*told]
    found = read(write(Sample(NOON, told))).numbers
    assert told == before
    for row in METRICS:
        assert is_kept(found[row.id - 1], told[row.id - 1], row.decimals), row.field


@given(numbers(), VITALS, VITALS)
def test_worst_and_best_are_read_back(told: list[Any], worst: Any, best: Any) -> None:
    found = read(write(Sample(NOON, told, worst, best)))
    for kept, of in ((found.worst, worst), (found.best, best)):
        for one, other, decimals in zip(kept, of, (1, 2, 0), strict=True):
            assert is_kept(one, other, decimals)


@given(numbers())
def test_what_was_read_is_written_again_the_same(told: list[Any]) -> None:
    once = write(Sample(NOON, told))
    assert write(read(once)) == once


@given(numbers())
def test_all_that_is_kept_of_numbers_is_whole(told: list[Any]) -> None:
    for value in msgspec.msgpack.decode(write(Sample(NOON, told)))[1]:
        assert {*map(type, value if isinstance(value, list) else [value])} <= {int, type(None)}


@given(st.integers(NOON, NOON + 10 * 365 * 86_400_000))
def test_the_time_is_read_back_to_a_tenth_of_a_second(at_ms: int) -> None:
    assert 0 <= at_ms - read(write(Sample(at_ms, [97.5]))).at_ms < TENTH


def test_tally_events_and_attributes_are_read_back() -> None:
    tally = [Tally(97.5, 30_000, 0), None, Tally(41, 10_000, 5_000)]
    events = [Event(NOON - 12_000, "quality.bad", 12.5), Event(NOON - 2000, "stats.stopped")]
    told = Sample(NOON, [97.5], tally=tally, events=events, attributes={69: "eu-west", 13: [{}]})
    found = read(write(told))
    assert (found.tally, found.events, found.attributes) == (tally, events, told.attributes)


def test_what_is_not_there_takes_no_room() -> None:
    # An array of two: five bytes of time, and an array of nothing, or of 97.5 as 975.
    assert len(write(Sample(NOON, []))) == 7
    assert (
        write(Sample(NOON, [97.5], [97.5, None, None], [97.5, None, None]))[6:].hex() == "91cd03cf"
    )


def test_a_metric_that_this_version_does_not_know_is_left_out() -> None:
    later = msgspec.msgpack.encode([597_628_800, [975, *[1] * 11, [41], *[1] * 200]])
    assert len(read(later).numbers) == LAST_METRIC_ID


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff",
        b"no entry",
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode(["noon", [975]]),
        msgspec.msgpack.encode([597_628_800, 975]),
        msgspec.msgpack.encode([597_628_800, ["975"]]),
        msgspec.msgpack.encode([597_628_800, [975], None, None, None, None, b"\xc1"]),
        msgspec.msgpack.encode([597_628_800, [975], ["bad"]]),
        msgspec.msgpack.encode([597_628_800, [975], None, None, [[1]]]),
    ],
)
def test_a_damaged_entry_is_said_to_be_and_left_out_of_its_log(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="damaged entry"):
        read(damaged)
    whole = write(Sample(NOON, [97.5]))
    assert [each.at_ms for each in in_order([damaged, whole])] == [NOON]


@given(st.binary(max_size=80))
def test_any_bytes_are_an_entry_or_damaged(some: bytes) -> None:
    in_order([some, write(Sample(NOON, [97.5]))[:-1] + some])


def test_entries_of_two_processes_are_put_in_the_order_of_time() -> None:
    entries = [write(Sample(NOON + at * 1000, [at])) for at in (30, 60, 10, 40)]
    assert [each.numbers[0] for each in in_order(entries)] == [10, 30, 40, 60]


def test_a_transport_may_be_known_without_its_round_trip() -> None:
    numbers = [97.5, *[None] * (LAST_METRIC_ID - 1)]
    for paths in ([None], [None, 41], [40.6, None]):
        sample = Sample(NOON, [*numbers[:12], paths, *numbers[13:]])
        assert read(write(sample)).numbers[12] == [each and round(each) for each in paths]
