"""verdict/reach.py: how far a participant's trouble reaches."""

import pytest

from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.rules import DOWNLINK, PAIR, RECEIVED, SLOW_SENDER, UPLINK

PLACE = Place("standup", "jvb-1", "eu", "Chrome 126", "turn-1")
EVERY = ("fleet", ""), ("region", "eu"), ("bridge", "jvb-1"), ("relay", "turn-1")
EVERY += ("browser", "Chrome 126"), ("conference", "standup"), ("sender", "standup/ada")  # type: ignore[assignment]


def reach(*what: tuple[str, str]) -> Reach:
    return Reach([Entry(scope, name, "", 0, 0, 1.0, (1, 1, 1, 1)) for scope, name in what])


@pytest.mark.parametrize("number", range(len(EVERY) - 1))
def test_the_widest_that_stands_out_is_it(number: int) -> None:
    scope = reach(*EVERY[number:], ("made up by a newer version", "x"))
    assert scope.of(PLACE, "bob", DOWNLINK.id).value == EVERY[number][0]


def test_what_others_are_part_of_is_not_ours() -> None:
    other = reach(("bridge", "jvb-2"), ("conference", "retro"), ("sender", "standup/ada"))
    assert other.of(PLACE, "bob", DOWNLINK.id) == "participant"
    assert reach().of(PLACE, "bob", DOWNLINK.id) == "participant"


@pytest.mark.parametrize("cause", [SLOW_SENDER.id, PAIR.id, 0])
def test_what_is_its_own_stays_its_own(cause: int) -> None:
    assert reach(*EVERY).of(PLACE, "bob", cause) == "participant"


def test_nobody_who_is_connected_to_a_peer_is_part_of_anything() -> None:
    direct = PLACE._replace(is_direct=True)
    assert reach(*EVERY).of(direct, "bob", DOWNLINK.id) == "participant"


def test_a_sender_and_those_whose_call_it_spoils_point_to_it() -> None:
    spoiling = reach(("sender", "standup/ada"))
    assert spoiling.of(PLACE, "ada", UPLINK.id) == "sender"
    assert spoiling.of(PLACE, "ada", SLOW_SENDER.id) == "sender"
    assert spoiling.of(PLACE, "bob", RECEIVED.id, "ada") == "sender"
    assert spoiling.of(PLACE, "bob", RECEIVED.id) == "sender"
    assert spoiling.of(PLACE, "bob", RECEIVED.id, "eve") == "participant"
    assert spoiling.of(PLACE, "bob", DOWNLINK.id, "ada") == "participant"
    assert spoiling.of(PLACE._replace(conference="retro"), "bob", RECEIVED.id) == "participant"
