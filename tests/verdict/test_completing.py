"""verdict/completing.py: the place of a participant whose client does not tell it."""

from otel_jcmc.verdict.completing import complete
from otel_jcmc.verdict.everybody import Everybody, Place, Seen, everybody_of
from otel_jcmc.verdict.rules import DOWNLINK, State

ON_ONE = Place("standup", "jvb-1", "eu")
ON_TWO = Place("standup", "jvb-2", "eu")
UNTOLD = Place("standup", "", "eu")
DIRECT = Place("standup", "", "eu", is_direct=True)


def everybody(*places: Place, state: State = State.GOOD) -> Everybody:
    return everybody_of(
        Seen(place, f"p{at}", state, DOWNLINK.id if state else 0) for at, place in enumerate(places)
    )


def counted(*places: Place) -> dict[tuple[Place, int | None], int]:
    return dict(complete(everybody(*places)).counts)


def test_who_tells_no_bridge_is_on_that_of_the_others() -> None:
    assert counted(ON_ONE, UNTOLD, UNTOLD) == {(ON_ONE, 0): 3}
    other = UNTOLD._replace(region="us", browser="Firefox 128")
    assert counted(ON_ONE, other) == {(ON_ONE, 0): 1, (other._replace(bridge="jvb-1"), 0): 1}


def test_where_the_others_are_on_several_nobody_knows() -> None:
    assert counted(ON_ONE, ON_TWO, UNTOLD) == {(ON_ONE, 0): 1, (ON_TWO, 0): 1, (UNTOLD, 0): 1}


def test_the_peer_of_a_direct_call_has_no_bridge() -> None:
    assert counted(DIRECT, UNTOLD) == {(DIRECT, 0): 2}
    # The bridge from before the call became direct.
    assert counted(DIRECT, UNTOLD, ON_ONE) == {(DIRECT, 0): 2, (ON_ONE, 0): 1}


def test_other_rooms_tell_nothing() -> None:
    other = ON_ONE._replace(conference="retro")
    assert counted(other, UNTOLD) == {(other, 0): 1, (UNTOLD, 0): 1}


def test_who_is_ill_is_where_the_others_are_too() -> None:
    ill = complete(everybody(ON_ONE, UNTOLD, state=State.BAD)).ill
    assert [(each.participant, each.place) for each in ill] == [("p0", ON_ONE), ("p1", ON_ONE)]


def test_where_every_page_tells_nothing_is_done() -> None:
    told = everybody(ON_ONE, ON_TWO, DIRECT)
    assert complete(told) is told
