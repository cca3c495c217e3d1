"""The cost of a crowd's verdict: on recorded pushes, and to find what stands out among many."""

import gc
import random
from collections import Counter
from time import process_time
from typing import Any, Final, NamedTuple

from benchmarks.report.bench import Bench
from otel_jcmc.simulate.fleet import Person, make_fleet
from otel_jcmc.simulate.recorded import Recorded
from otel_jcmc.simulate.stories import Happening, tell
from otel_jcmc.simulate.tape import Moment, Tapes, Voice
from otel_jcmc.verdict.everybody import Everybody, Place, Seen
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.verdict.rules import DOWNLINK, State
from otel_jcmc.verdict.settling import Settling
from otel_jcmc.verdict.standing import standing_out
from otel_jcmc.wire.push import PushParser

JUDGE_TARGET_US: Final = 2.0
LOOK_TARGET_US: Final = 1.0
PUSHES: Final = 2000
TURNS: Final = 20
# Participants -> conferences of several sizes, some five participants each.
CROWDS: Final = {10_000: 1900, 100_000: 19_000}


class _Look(NamedTuple):
    """All participants, as a snapshot has them: place and state of each, and the unwell ones."""

    places: list[Place]
    states: list[int | None]
    ill: list[Seen]
    rooms: dict[str, list[Seen]]


def measure(bench: Bench) -> None:
    """Judge recorded pushes, and look at crowds in quiet times and with a bad bridge."""
    pushes = {name: _reports(name) for name in ("quiet", "fleet")}
    judge = Judge()
    seen: dict[str, list[float]] = {}
    for _ in bench.rounds(9, 3):
        for name, reports in pushes.items():
            before = process_time()
            for _ in range(TURNS):
                for numbers in reports:
                    judge.note(list(numbers), 10_000, is_direct=False)
            took = (process_time() - before) / TURNS / len(reports) * 1e6
            seen.setdefault(f"judge a push, {name}", []).append(took)
    for count, rooms in CROWDS.items():
        for name in ("quiet", "bridge"):
            look = _look(name, rooms)
            # What making it has left is no cost of a look.
            gc.collect()
            for _ in bench.rounds(5, 2):
                before = process_time()
                _find(look)
                took = (process_time() - before) / len(look.states) * 1e6
                seen.setdefault(f"look at one of {count:,}, {name}", []).append(took)
    for name, rounds in seen.items():
        target = JUDGE_TARGET_US if name.startswith("judge") else LOOK_TARGET_US
        bench.add(name, rounds, "µs", target)


def _find(look: _Look) -> None:
    """Find what stands out, from the counting on."""
    counts = Counter(zip(look.places, look.states, strict=True))

    def members(conferences: Any) -> list[Seen]:
        return [seen for name in conferences for seen in look.rooms[name]]

    def present(conferences: Any) -> dict[str, int]:
        return {name: len(look.rooms[name]) for name in conferences}

    everybody = Everybody(counts, look.ill, members, present)
    settled = Settling().settle(0, everybody)
    standing_out(everybody._replace(ill=settled.ill))


def _reports(story: str) -> list[list[Any]]:
    """Return the numbers of pushes of a story in which all that happens has begun."""
    chance = random.Random(1)
    fleet = make_fleet(chance, 300)
    told = tell(story, fleet, chance, 0, 1000)
    tapes = Tapes(Recorded(), 10, chance)
    parse = PushParser().parse
    found: list[list[Any]] = []
    for person in fleet.people:
        tape = tapes.tape(person, told.of(person))
        voice = Voice(person, "a-session")
        moments: list[Moment] = [next(tape) for _ in range(3)]
        found += [parse(voice.body(moment)).numbers for moment in moments]
    return found[:PUSHES]


def _look(story: str, rooms: int) -> _Look:
    """Return a look at a fleet of so many *rooms* in the middle of a story."""
    chance = random.Random(1)
    fleet = make_fleet(chance, rooms)
    told = tell(story, fleet, chance, 0, 1000)
    happens = {each.person: each for each in told.happenings if each.begins <= 500 < each.ends}
    everybody = [_seen(person, happens.get(person)) for person in fleet.people]
    by_room: dict[str, list[Seen]] = {}
    for each in everybody:
        by_room.setdefault(each.place.conference, []).append(each)
    return _Look(
        [each.place for each in everybody],
        [each.state for each in everybody],
        [each for each in everybody if each.state],
        by_room,
    )


def _seen(person: Person, happening: Happening | None) -> Seen:
    room = person.room
    bridge = "" if room.is_direct else room.bridge
    place = Place(room.name, bridge, room.region, person.browser, "", room.is_direct)
    is_bad = happening is not None and happening.state == "bad"
    state, cause = (State.BAD, DOWNLINK.id) if is_bad else (State.GOOD, 0)
    network = person.address.rpartition(".")[0]
    return Seen(place, person.participant_id, state, cause, network, len(room.people))
