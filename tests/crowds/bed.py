"""
A crowd's story told to the rules themselves, without a network: what do they say of whom?

Each push of each tape is checked and judged as the service does it. Each 10 s everybody is looked
at, and what stands out is worked out. A look at a participant is counted when the rules can know:
not in the first pushes of what happens (KNOWN_SECONDS and one push), not in those after it, and not
where the page cannot tell.
"""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import PEER_TO_PEER, WORST_SOURCE
from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, LIST_ID, METRICS, STATE_ID
from otel_jcmc.simulate.fleet import Person, make_fleet
from otel_jcmc.simulate.recorded import Recorded
from otel_jcmc.simulate.stories import Happening, StandsOut, Told, tell
from otel_jcmc.simulate.tape import Moment, Tapes, Voice
from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Place, Seen, everybody_of
from otel_jcmc.verdict.journal import Entry, continue_with
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.settling import Settling
from otel_jcmc.verdict.standing import Scope, sender_name, standing_out
from otel_jcmc.wire.push import PushParser

LOOK_SECONDS: Final = 10
# Nothing is known of an outage, or of loss up, for so long.
KNOWN_SECONDS: Final = 5.0
BEGINS, ENDS, OVER = 40, 160, 190
# A look that finds what has begun takes so long: two pushes, and the look.
SETTLED_SECONDS: Final = 30
_AT: Final = {row.field: row.id - 1 for row in METRICS}
# What a page of the original can never tell.
_HIDDEN_BY_ORIGINALS: Final = {"outage", "uplink", "device", "pair"}
NONE: Final = "none"


class Said(NamedTuple):
    """What the rules say of one push, and what others may ask of it."""

    state: int | None = None
    cause: int = 0
    loss_up: float | None = None
    is_slow: bool = False
    sends: bool | None = None
    names_source: bool = False


@dataclass
class Matrix:
    """How often what was true, and was said."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def recall(self, word: str) -> float | None:
        """Return the share of what was *word* and was called so."""
        return self._share(word, 0)

    def precision(self, word: str) -> float | None:
        """Return the share of what was called *word* and was so."""
        return self._share(word, 1)

    def _share(self, word: str, side: int) -> float | None:
        of = sum(count for pair, count in self.counts.items() if pair[side] == word)
        return self.counts[word, word] / of if of else None

    def add(self, other: "Matrix") -> None:
        """Take the counts of *other* too."""
        self.counts += other.counts


@dataclass
class Outcome:
    """
    What came of a story.

    Attributes:
        causes, scopes: of looks at participants who are affected, or are called so.
        standing: of looks: what stood out by its scope, true and said.
        unknowable: looks in which the page could not tell.
    """

    causes: Matrix = field(default_factory=Matrix)
    scopes: Matrix = field(default_factory=Matrix)
    standing: Matrix = field(default_factory=Matrix)
    unknowable: int = 0

    def add(self, other: "Outcome") -> None:
        """Take the counts of *other* too."""
        self.causes.add(other.causes)
        self.scopes.add(other.scopes)
        self.standing.add(other.standing)
        self.unknowable += other.unknowable


class Bench:
    """The rules at work: parser and judge, with what they have said before."""

    def __init__(self, judge: Judge | None = None) -> None:
        """Use *judge*, that of a deployment with the defaults if there is none."""
        self._parser = PushParser()
        self._judge = judge or Judge()
        self._said: dict[Any, Said] = {}

    def said(self, voice: Voice, person: Person, moment: Moment, trip: Any) -> Said:
        """Return what is said of *moment*; who is who and how long it lasts change nothing."""
        room = person.room
        key = (
            *(moment.interval.number, len(room.people), len(room.senders), room.is_direct),
            *(person.is_sender, person.is_original, trip if person.is_original else None),
            bool(moment.round),
        )
        found = self._said.get(key)
        if found is None:
            found = self._said[key] = self.judged(voice.body(moment))
        return found

    def judged(self, body: bytes) -> Said:
        """Return what is said of a push, as intake/intake.py does it."""
        report = self._parser.parse(body)
        assert report.dropped == []
        numbers, paths = report.numbers, report.attributes.get(LIST_ID)
        is_direct = {each.get(PEER_TO_PEER.id) for each in paths or ()} == {"true"}
        self._judge.note(numbers, report.session.interval_ms, is_direct=is_direct)
        sent = numbers[_AT["bitrate_upload"]]
        return Said(
            numbers[STATE_ID - 1],
            numbers[CAUSE_ID - 1] or 0,
            # A page that tells of no interval is the original's: its loss up is always 0.
            numbers[_AT[rules.LOSS_UP]] if numbers[COVERS_ID - 1] else None,
            (numbers[_AT["limitation_cpu"]] or 0) > rules.SLOW_CPU_PERCENT,
            None if sent is None else sent > 0,
            WORST_SOURCE.id in report.attributes,
        )


class _Seat:
    """One person, and the push that is their last one now."""

    def __init__(self, person: Person, tape: Iterable[Moment], *, is_blurred: bool) -> None:
        self.person = person
        self._tape = iter(tape)
        self._voice = Voice(person, f"session-{person.participant_id}")
        self._next: Moment | None = next(self._tape, None)
        self._trip: float | None = None
        self.moment: Moment | None = None
        self.said = Said()
        self.is_blurred = is_blurred

    def look(self, now: float, bench: Bench) -> None:
        """Take all that was pushed until *now*."""
        while self._next is not None and self._next.at <= now:
            self.moment, self._next = self._next, next(self._tape, None)
            values = self.moment.interval.values
            if self.person.is_original and values["round_trip"] is not None:
                self._trip = values["round_trip"]
        if self.moment is not None:
            self.said = bench.said(self._voice, self.person, self.moment, self._trip)

    def seen(self) -> Seen:
        """Return what others are concerned with, as metrics/seen.py reads it of the store."""
        person, said = self.person, self.said
        room, tells = person.room, not person.is_original
        place = Place(
            room.name,
            room.bridge if tells and not room.is_direct else "",
            room.region,
            person.browser,
            "",
            room.is_direct and tells,
        )
        return Seen(
            place,
            person.participant_id,
            said.state,
            said.cause,
            person.address.rpartition(".")[0],
            len(room.people) if tells else 0,
            self._source().participant_id if said.names_source else "",
            said.loss_up,
            said.is_slow,
            said.sends,
        )

    def _source(self) -> Person:
        happening = self.moment.happening if self.moment else None
        return (happening and happening.source) or self.person.sources[0]


def hold(
    story: str,
    rooms: int,
    *,
    size: int | None = None,
    interval: int = 10,
    seed: int = 1,
    held: bool | None = False,
    bench: Bench | None = None,
    originals: float = 0.3,
) -> Outcome:
    """
    Tell a *story* to a fleet of so many *rooms*, and return what the rules made of it.

    Args:
        size: of each room; None: of several sizes.
        interval: of the pages, in seconds: 2 or 10.
        held: with the intervals that were held out, and no others.
    """
    chance = random.Random(f"{story} {rooms} {size} {seed}")
    fleet = make_fleet(chance, rooms, size, originals)
    told = tell(story, fleet, chance, BEGINS, ENDS)
    of_whom: dict[str, list[Happening]] = {}
    for each in told.happenings:
        of_whom.setdefault(each.person.participant_id, []).append(each)
    hidden = {(each.scope, each.name) for each in told.standing if not _can_be_known(each, told)}
    tapes = Tapes(Recorded(held=held), interval, chance)
    seats = [
        _Seat(person, tapes.tape(person, happens), is_blurred=any(map(_is_blurred, happens)))
        for person in fleet.people
        for happens in [of_whom.get(person.participant_id, [])]
    ]
    return _watched(seats, told.standing, hidden, bench or Bench())


def _can_be_known(thing: StandsOut, told: Told) -> bool:
    """
    Say whether enough pages can tell what happens.

    That is three of a conference, else five in two conferences. Only of ours the bridge is known.
    """
    telling = [
        each
        for each in told.happenings
        if each.scope == thing.scope
        and thing.name in ("", _name_of(each.person, thing.scope))
        and not (each.person.is_original and _is_hidden(each, thing.scope))
    ]
    rooms = {each.person.room.name for each in telling}
    if thing.scope == "conference":
        return len(telling) >= 3
    return len(telling) >= 5 and len(rooms) >= 2


def _is_blurred(happening: Happening) -> bool:
    return happening.source is not None and happening.source.is_original


def _name_of(person: Person, scope: str) -> str:
    room = person.room
    return {"conference": room.name, "bridge": room.bridge, "region": room.region}.get(scope, "")


def _is_hidden(happening: Happening, scope: str) -> bool:
    return scope == "bridge" or happening.cause in _HIDDEN_BY_ORIGINALS


def _watched(
    seats: list[_Seat], standing: list[StandsOut], hidden: set[tuple[str, str]], bench: Bench
) -> Outcome:
    outcome, settling = Outcome(), Settling()
    blurred = {seat.person.room.name for seat in seats if seat.is_blurred}
    entries: list[Entry] = []
    for now in range(LOOK_SECONDS, OVER + 1, LOOK_SECONDS):
        for seat in seats:
            seat.look(now, bench)
        everybody = everybody_of(seat.seen() for seat in seats)
        settled = settling.settle(now * 1000, everybody)
        found = standing_out(everybody._replace(bad=settled.bad))
        entries, _ = continue_with(entries, now * 1000, found + settled.senders)
        # What has just begun, or is just over, is no matter of right or wrong.
        if BEGINS + SETTLED_SECONDS <= now <= ENDS:
            true = {(each.scope, each.name) for each in standing} - hidden
            said = {
                (each.scope.value, each.name) for each in found if each.scope is not Scope.BROWSER
            }
            # Everybody hears a sender badly whose page cannot tell: nobody can say that it is he.
            said -= {each for each in said if each[1] in blurred}
            _count_standing(outcome.standing, true, said)
            reach = Reach(entries)
            for seat in seats:
                is_hidden = any(
                    name in ("", _name_of(seat.person, scope)) for scope, name in hidden
                )
                # Nobody knows which bridge a page of the original is by.
                is_hidden |= seat.person.is_original and "bridge" in {each[0] for each in true}
                _count(outcome, seat, settled.causes, reach, is_hidden=is_hidden)
    return outcome


def _count_standing(matrix: Matrix, true: set[tuple[str, str]], said: set[tuple[str, str]]) -> None:
    for scope, _ in true & said:
        matrix.counts[scope, scope] += 1
    for scope, _ in true - said:
        matrix.counts[scope, NONE] += 1
    for scope, _ in said - true:
        matrix.counts[NONE, scope] += 1


def _count(
    outcome: Outcome, seat: _Seat, settled: dict[str, int], reach: Reach, *, is_hidden: bool
) -> None:
    """Count one look at one participant."""
    seen = seat.seen()
    moment = seat.moment
    is_said = seen.state in (rules.State.FAIR, rules.State.BAD)
    id_ = settled.get(sender_name(seen.place.conference, seen.participant), seen.cause)
    cause = rules.WORD_OF.get(id_, rules.UNKNOWN) if is_said else NONE
    happening = moment.happening if moment else None
    if moment is None or happening is None:
        if cause not in (NONE, rules.UNKNOWN):
            outcome.causes.counts[NONE, cause] += 1
        return
    # As it was recorded: what was held out is told without what came before it.
    since = moment.interval.nth * moment.interval.covers_ms / 1000
    if moment.is_after or not moment.turn or since < KNOWN_SECONDS:
        return
    if not _can_tell(seat, happening):
        outcome.unknowable += 1
        if cause not in (NONE, rules.UNKNOWN, rules.DOWNLINK_OR_RECEIVED.word, happening.cause):
            outcome.causes.counts[NONE, cause] += 1
        return
    # Who is fair is not asked what it comes to: then it is one of the two.
    if id_ != rules.DOWNLINK_OR_RECEIVED.id or seen.state == rules.State.BAD:
        outcome.causes.counts[happening.cause, cause] += 1
    source = happening.source
    if seen.state == rules.State.BAD and not is_hidden and not (source and source.is_original):
        scope = reach.of(seen.place, seen.participant, id_, seen.source)
        outcome.scopes.counts[happening.scope, scope.value] += 1


def _can_tell(seat: _Seat, happening: Happening) -> bool:
    """Say whether this push of this page can show what happens."""
    person, source = seat.person, happening.source
    if person.is_original and happening.cause in _HIDDEN_BY_ORIGINALS:
        return False
    if source is not None and source.is_original:
        # Nobody can see that it sends badly, but for who compares it with another sender.
        return happening.kind == "received of two" and not person.is_original
    if happening.kind == "downlink" and (person.is_original or len(person.sources) == 1):
        # One stream, or a page that does not tell them apart: a sender has to say that it is well.
        return not all(each.is_original for each in person.sources)
    is_up = happening.kind == "uplink"
    return not is_up or seat.said.loss_up is not None
