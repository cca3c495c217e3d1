"""metrics/worst.py: the worst of many participants, each for at least a minute."""

from people import judged, people_in, snapshot_of

from otel_jcmc.metrics.snapshot import Snapshot
from otel_jcmc.metrics.worst import Worst
from otel_jcmc.store.participant import Participant
from otel_jcmc.verdict.rules import DOWNLINK, State


def people(**states: State | None) -> Snapshot:
    return snapshot_of(*[_one(name, state) for name, state in states.items()])


def _one(name: str, state: State | None) -> Participant:
    made = judged("standup", name, state, DOWNLINK.id)
    made.stay.session = f"session-of-{name}"
    return made


def names(snapshot: Snapshot) -> set[str]:
    return {each.stay.session.removeprefix("session-of-") for each in people_in(snapshot)}


def test_the_worst_are_chosen() -> None:
    everybody = people(ada=State.GOOD, bob=State.BAD, eve=None, dan=State.FAIR)
    assert names(Worst(2).of(everybody)) == {"bob", "dan"}
    assert names(Worst(1).of(everybody)) == {"bob"}


def test_where_there_are_no_more_all_are() -> None:
    everybody = people(ada=State.GOOD, bob=None)
    assert Worst(2).of(everybody) is everybody


def test_who_was_chosen_stays_for_a_minute() -> None:
    now = 0.0
    worst = Worst(1, lambda: now)
    assert names(worst.of(people(ada=State.FAIR, bob=State.GOOD))) == {"ada"}
    now = 59.0
    turned = people(ada=State.GOOD, bob=State.BAD)
    assert names(worst.of(turned)) == {"ada"}
    now = 61.0
    assert names(worst.of(turned)) == {"bob"}
    now = 100.0
    assert names(worst.of(people(bob=State.GOOD, ada=State.FAIR))) == {"bob"}


def test_who_has_left_makes_room() -> None:
    worst = Worst(1, lambda: 0.0)
    worst.of(people(ada=State.BAD, bob=State.GOOD))
    assert names(worst.of(people(bob=State.GOOD, eve=State.FAIR))) == {"eve"}
