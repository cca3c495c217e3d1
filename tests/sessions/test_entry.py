"""What an entry of a session's log keeps, and what is read from a damaged one."""

import math
from typing import Any

import msgspec
import pytest
from entries import write
from hypothesis import given
from hypothesis import strategies as st

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, METRICS
from otel_jcmc.sessions.entry import Sample, Tally, in_order, read
from otel_jcmc.sessions.pushes import Event, Push
from otel_jcmc.sessions.stretches import Stretch

NOON = 1_763_812_800_000
TENTH = 100


def value_of(row: Any) -> st.SearchStrategy[Any]:
    """Return values that the row accepts, also None."""
    number = st.integers(row.minimum, row.maximum) | st.floats(row.minimum, row.maximum)
    one = st.lists(number, min_size=1, max_size=8) if row.is_list else number
    return st.none() | one


def numbers() -> st.SearchStrategy[list[Any]]:
    """Return the numbers of a push, of the original's client or of any other."""
    rows = {row.id: row for row in METRICS}
    told = [value_of(rows[id_]) if id_ in rows else st.none() for id_ in range(1, 65)]
    few = st.tuples(*told[:13], *[st.none()] * (LAST_METRIC_ID - 13))
    return (few | st.tuples(*told[:LAST_METRIC_ID])).map(list)


def is_kept(kept: Any, value: Any, decimals: int) -> bool:
    """Say whether *kept* equals *value* to so many decimals."""
    if isinstance(value, list):
        return all(is_kept(a, b, decimals) for a, b in zip(kept, value, strict=True))
    if value is None:
        return kept is None
    # Half of the last decimal, and the error of a float.
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


def test_the_verdict_is_read_back() -> None:
    """The verdict of the last push, and of the interval."""
    numbers: list[Any] = [97.5, *[None] * (LAST_METRIC_ID - 1)]
    numbers[43:47] = [4.351, 2, 7, 10_000]
    stretches = [Stretch(300, 0), Stretch(20, 2, 7, "eu", "jvb-1", "wifi"), Stretch(5)]
    found = read(write(Sample(NOON, numbers, stretches=stretches, counts=[3, None, 0])))
    # The time that a push covers is in the stretches.
    assert found.numbers[43:47] == [4.35, 2, 7, None]
    assert (found.stretches, found.counts) == (stretches, [3, None, 0])


def test_an_entry_that_says_good_is_some_bytes_longer_than_one_that_says_nothing() -> None:
    """Also for the original's client, whose numbers end at the thirteenth."""
    said = [97.5, 2900, 5100, 24, 31, 1210, 2404, 1234, 2435, 0, 1, 1, [41]]
    bare = [*said, *[None] * (LAST_METRIC_ID - 13)]
    good = [*said, *[None] * 30, 4.35, 0, None, 10_000]
    tally = [Tally(97.5, 30_000, 0), Tally(1, 30_000, 0), Tally(41, 30_000, 0)]
    span = {"tally": tally, "stretches": [Stretch(300, 0)], "counts": [0, 0, 0]}
    sizes = [
        len(write(Sample(NOON, numbers, [97.5, 1, 41], [97.5, 1, 41], **more)))
        for numbers, more in ((bare, {}), (good, {}), (bare, {"tally": tally}), (good, span))
    ]
    assert sizes == [35, 45, 58, 75]


class OlderEntry(msgspec.Struct, array_like=True):
    """An entry as a version without the verdict reads it."""

    at: int
    numbers: list[Any]
    worst: list[int | None] | None = None
    best: list[int | None] | None = None
    tally: list[tuple[int, int, int] | None] | None = None
    events: list[tuple[int, str, float | None]] | None = None
    attributes: bytes | None = None


def test_an_older_version_reads_what_it_knows() -> None:
    """Both versions write into one log while a service is replaced."""
    numbers: list[Any] = [97.5, *[None] * (LAST_METRIC_ID - 1)]
    numbers[43:46] = [4.35, 2, 7]
    tally: list[Tally | None] = [Tally(97.5, 30_000, 0)]
    events = [Event(NOON - 1000, "verdict.bad.uplink")]
    edges = [90, None, None], [97.5, None, None]
    told: Any = numbers, *edges, tally, events, {69: "eu"}, [Stretch(9)]
    new = Sample(NOON, *told)
    found = msgspec.msgpack.decode(write(new), type=OlderEntry)
    assert (found.numbers, found.worst, found.best) == ([975], [900, None, None], None)
    assert found.tally == [(975, 300, 0)]
    assert found.events == [(10, "verdict.bad.uplink", None)]
    assert found.attributes == msgspec.msgpack.encode({69: "eu"})


def test_what_an_older_version_wrote_is_read() -> None:
    old = [597_628_800, [975], None, None, [[975, 300, 20]], [[10, "quality.bad", 12.5]], b"\x80"]
    found = read(msgspec.msgpack.encode(old))
    assert (found.tally, found.attributes) == ([Tally(97.5, 30_000, 2000)], {})
    assert (found.stretches, found.counts, found.pushes) == ([], [], [])
    assert found.events == [Event(found.at_ms - 1000, "quality.bad", 12.5)]


def test_what_a_later_version_adds_is_left_out() -> None:
    later = [
        *(597_628_800, [975], None, None, None, None, None),
        *([435, 2, 7, 99], [[300, 2, 7, "eu", "", "", "more"]], [1, 2, 3, 4], b"\0\x87", "more"),
    ]
    found = read(msgspec.msgpack.encode(later))
    assert found.numbers[43:47] == [4.35, 2, 7, None]
    assert found.stretches == [Stretch(300, 2, 7, "eu")]
    assert found.pushes == [Push(found.at_ms, 2, 7)]


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
        msgspec.msgpack.encode([597_628_800, [975], *[None] * 5, ["bad"]]),
        msgspec.msgpack.encode([597_628_800, [975], *[None] * 6, [["long"]]]),
        msgspec.msgpack.encode([597_628_800, [975], *[None] * 6, [[300, 2, 7, 5]]]),
        msgspec.msgpack.encode([597_628_800, [975], *[None] * 7, ["many"]]),
        msgspec.msgpack.encode([597_628_800, [975], *[None] * 8, 5]),
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
