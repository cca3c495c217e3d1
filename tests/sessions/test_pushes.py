"""Each push of an interval, as an entry has it, and the events in them."""

from hypothesis import given
from hypothesis import strategies as st

from otel_jcmc.sessions.pushes import (
    Event,
    Push,
    Story,
    begun_outages,
    bytes_of,
    code_of,
    pack,
    unpack,
)

NOON = 1_763_812_800_000
GOOD, FAIR, BAD = 0, 1, 2
OUTAGE, UPLINK = 1, 7


def after(seconds: float, state: int | None, cause: int = 0, *, is_silent: bool = False) -> Push:
    return Push(NOON + round(seconds * 1000), state, cause, is_silent)


def happened(*pushes: Push) -> list[tuple[float, str]]:
    """Return the events, by seconds since noon."""
    story = Story()
    events = [event for push in pushes for event in story.hear(push)]
    return [((event.at_ms - NOON) / 1000, event.what) for event in events]


def test_a_push_is_two_bytes_and_one_after_a_long_pause_four() -> None:
    pushes = [after(0, GOOD), after(10, BAD, UPLINK), after(40, None, is_silent=True)]
    # 100 tenths, then 300; bad (2 << 6) by cause 7; unknown and silent.
    assert pack(pushes).hex() == "0000" + "6487" + "ff012ce0"
    assert unpack(pack(pushes), NOON + 40_000) == pushes


def test_what_is_longer_than_two_bytes_is_as_long_as_they_can_tell() -> None:
    assert bytes_of(70_000, code_of(GOOD, None, is_silent=False)).hex() == "ffffff00"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6553),
            st.sampled_from([None, 0, 1, 2]),
            st.integers(0, 31),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_pushes_are_read_back(told: list[tuple[int, int | None, int, bool]]) -> None:
    at, pushes = NOON, []
    for seconds, state, cause, is_silent in told:
        at += seconds * 1000
        pushes.append(Push(at, state, cause, is_silent))
    assert unpack(pack(pushes), at) == pushes


@given(st.binary(max_size=40))
def test_any_bytes_are_some_pushes(some: bytes) -> None:
    assert all(push.at_ms <= NOON for push in unpack(some, NOON))


def test_what_happens_is_what_has_changed() -> None:
    assert happened(
        after(0, GOOD),
        after(2, BAD, UPLINK),
        after(4, BAD, OUTAGE),
        after(6, None),
        after(8, FAIR),
        after(10, GOOD),
    ) == [(2, "verdict.bad.uplink"), (8, "verdict.fair.unknown"), (10, "verdict.good")]


def test_statistics_have_stopped_only_where_there_were_some() -> None:
    assert happened(
        after(0, None, is_silent=True),
        after(2, GOOD),
        after(4, None, is_silent=True),
        after(6, None, is_silent=True),
        after(8, GOOD),
    ) == [(4, "stats.stopped"), (8, "stats.resumed")]


def test_an_event_has_the_time_of_its_push() -> None:
    assert Story().hear(after(3.5, BAD, 250 & 31)) == [Event(NOON + 3500, "verdict.bad.unknown")]


def test_outages_are_counted_by_their_beginnings() -> None:
    out, good = after(0, BAD, OUTAGE), after(0, GOOD)
    assert begun_outages([]) == 0
    assert begun_outages([out, out, good, out, after(0, BAD, UPLINK), out]) == 3
