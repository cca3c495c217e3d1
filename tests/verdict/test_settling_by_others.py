"""verdict/settling.py: receivers that cannot name the bad sender, settled by other receivers."""

import pytest

from otel_jcmc.verdict.everybody import Place, Seen, everybody_of
from otel_jcmc.verdict.rules import DOWNLINK, DOWNLINK_OR_RECEIVED, RECEIVED, WORD_OF, State
from otel_jcmc.verdict.settling import Settling

PLACE = Place("standup", "jvb-1", "eu")
ADA = Seen(PLACE, "ada", State.BAD, DOWNLINK_OR_RECEIVED.id)


def seen(name: str, state: State | None = State.GOOD, cause: int = 0) -> Seen:
    return Seen(PLACE, name, state, cause)


def settled(*others: Seen) -> str:
    """Return ada's settled cause; empty: it stays one of the two."""
    causes = Settling().settle(1000, everybody_of([ADA, *others])).causes
    return WORD_OF.get(causes.get("standup/ada", 0), "")


@pytest.mark.parametrize(
    ("others", "word"),
    [
        ([seen("bob"), seen("cid")], "downlink"),
        # Ada may receive bob badly, who receives her well.
        ([seen("bob")], ""),
        ([seen("bob"), seen("cid", None)], ""),
        ([seen("bob"), seen("cid", State.FAIR)], ""),
        ([seen("bob"), seen("cid"), seen("dan", State.BAD, RECEIVED.id)], "received"),
        ([seen("bob", State.BAD, DOWNLINK.id), seen("cid", State.FAIR)], "downlink"),
        ([seen("bob"), seen("cid", State.BAD, DOWNLINK_OR_RECEIVED.id)], ""),
    ],
)
def test_who_gets_the_same_streams_tells(others: list[Seen], word: str) -> None:
    assert settled(*others) == word


def test_who_is_with_somebody_who_is_connected_to_a_peer_is_that_peer() -> None:
    direct = PLACE._replace(bridge="", is_direct=True)
    bob = seen("bob", State.BAD)._replace(place=direct, loss_up=8.0)
    assert settled(bob) == "pair"


def test_what_the_owner_of_the_stream_says_goes_first() -> None:
    ada = ADA._replace(source="bob")
    bob = seen("bob")._replace(loss_up=8.0)
    found = Settling().settle(1000, everybody_of([ada, bob, seen("cid"), seen("dan")]))
    assert found.causes == {"standup/ada": RECEIVED.id}


def test_who_loses_both_ways_is_spoilt_by_nobody() -> None:
    """A bad bridge: each of the three loses packets in both directions."""
    everybody = [
        Seen(PLACE, name, State.BAD, DOWNLINK_OR_RECEIVED.id, source=source, loss_up=9.0)
        for name, source in (("ada", "bob"), ("bob", "cid"), ("cid", "ada"))
    ]
    found = Settling().settle(1000, everybody_of(everybody))
    assert set(found.causes.values()) == {DOWNLINK.id}
    assert found.senders == []
