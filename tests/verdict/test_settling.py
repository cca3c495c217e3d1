"""verdict/settling.py: bad senders, and causes that one received stream cannot tell."""

from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.everybody import Place, Seen, everybody_of
from otel_jcmc.verdict.rules import DOWNLINK, DOWNLINK_OR_RECEIVED, RECEIVED, UPLINK, State
from otel_jcmc.verdict.settling import Settled, Settling, with_causes
from otel_jcmc.verdict.standing import Coverage, Standing

ROOM = Place("standup", "jvb-1", "eu")
EITHER = DOWNLINK_OR_RECEIVED.id


def seen(name: str, cause: int = 0, *, present: int = 2, **other: object) -> Seen:
    state = State.BAD if cause else State.GOOD
    return Seen(ROOM, name, state, cause, present=present)._replace(**other)  # type: ignore[arg-type]


def settle(*people: Seen) -> Settled:
    return Settling().settle(0, everybody_of(people))


def test_the_only_sender_loses_on_its_way_up() -> None:
    found = settle(seen("bob", EITHER), seen("ada", loss_up=9.0))
    assert found.causes == {"standup/bob": RECEIVED.id}
    assert [each.cause for each in found.ill] == [RECEIVED.id]
    assert found.senders == [Standing(Scope.SENDER, "standup/ada", "", 0.5, Coverage(1, 2, 2, 2))]


def test_the_only_senders_way_up_is_sound() -> None:
    found = settle(seen("bob", EITHER), seen("ada", loss_up=1.0))
    assert found.causes == {"standup/bob": DOWNLINK.id}
    assert found.senders == []


def test_a_sender_that_cannot_tell_settles_nothing() -> None:
    assert settle(seen("bob", EITHER), seen("ada")).causes == {}


def test_what_was_told_of_the_way_up_holds_for_half_a_minute() -> None:
    settling = Settling()
    bob = seen("bob", EITHER)
    settling.settle(0, everybody_of([bob, seen("ada", loss_up=9.0)]))
    later = everybody_of([bob, seen("ada")])
    assert settling.settle(30_000, later).causes == {"standup/bob": RECEIVED.id}
    assert settling.settle(30_001, later).causes == {}


def test_a_sender_who_does_not_report_settles_nothing() -> None:
    """One of the three in the conference is unknown, and may be the sender."""
    found = settle(seen("bob", EITHER, present=3), seen("ada", loss_up=9.0, present=3))
    assert found.causes == {}


def test_of_several_senders_the_one_that_is_named_counts() -> None:
    others = seen("ada", loss_up=0.0, present=3), seen("eve", loss_up=9.0, present=3)
    assert settle(seen("bob", EITHER, present=3), *others).causes == {}
    named = settle(seen("bob", EITHER, present=3, source="eve"), *others)
    assert named.causes == {"standup/bob": RECEIVED.id}
    silent = others[0]._replace(sends=False), others[1]
    assert settle(seen("bob", EITHER, present=3), *silent).causes == {"standup/bob": RECEIVED.id}


def test_who_sends_is_remembered_where_a_page_does_not_tell_for_a_moment() -> None:
    settling = Settling()
    bob, ada = seen("bob", EITHER, present=3), seen("ada", loss_up=9.0, present=3)
    eve = seen("eve", present=3, sends=False)
    settling.settle(0, everybody_of([bob, ada, eve]))
    interrupted = everybody_of([bob, ada, eve._replace(state=None, sends=None)])
    assert settling.settle(30_000, interrupted).causes == {"standup/bob": RECEIVED.id}
    assert settling.settle(30_001, interrupted).causes == {}


def test_a_slow_computer_and_a_lossy_way_up_spoil_what_others_get() -> None:
    bob = seen("bob", RECEIVED.id, present=3, source="ada")
    eve = seen("eve", RECEIVED.id, present=3, source="ada")
    for ada in (seen("ada", is_slow=True), seen("ada", UPLINK.id), seen("ada", loss_up=2.6)):
        [sender] = settle(bob, eve, ada).senders
        assert (sender.name, sender.coverage) == ("standup/ada", (2, 3, 3, 3))
    assert settle(bob, eve, seen("ada", loss_up=2.5)).senders == []


def test_who_hears_fairly_tells_of_a_sender_too() -> None:
    """A bridge repairs some of a sender's loss, and the call is only fair for the others."""
    fair = seen("bob", RECEIVED.id, present=3, source="ada")._replace(state=State.FAIR)
    [sender] = settle(fair, seen("ada", loss_up=9.0, present=3), seen("eve", present=3)).senders
    assert (sender.name, sender.coverage) == ("standup/ada", (1, 3, 3, 3))


def test_a_cause_that_was_pushed_since_is_not_what_was_settled_before() -> None:
    before = seen("bob", EITHER)
    settled = settle(before, seen("ada", loss_up=9.0)).causes
    assert [each.cause for each in with_causes([before], settled)] == [RECEIVED.id]
    since = before._replace(cause=DOWNLINK.id)
    assert with_causes([since], settled) == [since]


def test_direct_calls_are_nobodys_to_settle() -> None:
    direct = ROOM._replace(is_direct=True)
    people = [
        each._replace(place=direct) for each in (seen("bob", EITHER), seen("ada", loss_up=9.0))
    ]
    assert settle(*people) == Settled(people[:1], {}, [])


def test_two_clients_that_push_as_one_participant_are_one() -> None:
    """An invented client can do that, and the look at all participants goes on."""
    silent = seen("bob")._replace(state=None)
    told = [seen("bob", EITHER), seen("bob", EITHER), silent]
    [sender] = settle(*told, seen("ada", loss_up=9.0)._replace(state=None)).senders
    assert (sender.share, sender.coverage) == (1.0, (1, 1, 2, 2))
