"""
A crowd's seats, and the rules applied to its pushes.

Each push of each tape is checked and judged as in the service. A seat has the last push of one
participant, as the store does.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import PEER_TO_PEER, WORST_SOURCE
from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, LIST_ID, METRICS, STATE_ID
from otel_jcmc.simulate.fleet import Person
from otel_jcmc.simulate.tape import Moment, Voice
from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Place, Seen
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.wire.push import PushParser

_AT: Final = {row.field: row.id - 1 for row in METRICS}

_OUTAGES: Final = ("outage_down", "outage_up")


class Said(NamedTuple):
    """What the rules say of one push, and what others may ask of it."""

    state: int | None = None
    cause: int = 0
    loss_up: float | None = None
    is_slow: bool = False
    sends: bool | None = None
    names_source: bool = False


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
        session = report.session
        self._judge.note(
            numbers, session.interval_ms, is_direct=is_direct, age_ms=session.stats_age_ms
        )
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


class Seat:
    """One person, and the push that is their last one now."""

    def __init__(self, person: Person, tape: Iterable[Moment], *, is_blurred: bool) -> None:
        """Seat *person*; *is_blurred*: nobody can tell who it hears badly."""
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

    @property
    def tells_nothing(self) -> bool:
        """Whether the last push is one of a page whose connection was interrupted: all is null."""
        values = self.moment.interval.values if self.moment else {}
        return all(value is None for name, value in values.items() if name not in _OUTAGES)

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
