"""
Who has a bad call now: one snapshot as a page tells it.

In go a snapshot with the last look at everybody, out come counts by state, what stands out, and the
conferences, worst first. A pure function; one result serves everybody who looks.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from otel_jcmc.catalogue.attributes import BROWSER_NAME, CLIENT, PARTICIPANT, USERNAME
from otel_jcmc.catalogue.metrics import CAUSE_ID, STATE_ID
from otel_jcmc.metrics.levels import Counted, Sums
from otel_jcmc.metrics.seen import who_is
from otel_jcmc.metrics.snapshot import Part, Snapshot
from otel_jcmc.pages.senders import Senders, is_sender, split_sender
from otel_jcmc.pages.words import evidence_text
from otel_jcmc.store.participant import Participant, Stay, member_digest
from otel_jcmc.store.sid import sid_of_stay
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.judge import Evidence, Judge
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.rules import DOWNLINK_OR_RECEIVED, RECEIVED, UNKNOWN, WORD_OF, State
from otel_jcmc.verdict.standing import sender_name

_BAD, _FAIR, _UNKNOWN = 2, 1, 3


class Person(NamedTuple):
    """
    One participant.

    Attributes:
        name: what others see; the participant's id where nobody is told names.
        sid: of the session in history.
        state: None: not known.
        cause, scope: words of the verdict; empty where the call is good or its state not known.
        sender: whose stream they get worst, where that is the cause; empty: not known.
        heard_badly: how many others get this one's stream worst of all.
        evidence: what it stands on, in plain words.
    """

    participant: str
    name: str
    sid: str
    state: State | None
    cause: str
    scope: str
    sender: str
    heard_badly: int
    evidence: tuple[str, ...]
    bridge: str
    region: str
    browser: str


class Conference(NamedTuple):
    """
    One conference.

    Attributes:
        states: how many are how.
        cause, scope: of most who are bad.
        sender: what others call who sends badly there; empty: nobody knows.
    """

    name: str
    states: tuple[int, int, int, int]
    cause: str
    scope: str
    sender: str

    @property
    def size(self) -> int:
        """How many there are."""
        return sum(self.states)


class Subject(NamedTuple):
    """
    What stands out, as it is shown.

    Attributes:
        scope, name: as in the journal; of a sender what others see.
        conference: that it is, or that a sender is in; empty: it is something wider.
        cause: of most who are bad; empty: not counted.
    """

    scope: str
    name: str
    conference: str
    cause: str


class Group(NamedTuple):
    """A region or a bridge."""

    name: str
    region: str
    states: tuple[int, int, int, int]
    causes: dict[str, int]


class Now:
    """
    What a page tells of one snapshot.

    Attributes:
        at_ms: when it was taken, by Redis's clock.
        states: how many are good, fair, bad, unknown.
        causes: of those who are bad.
        standing: what stands out; None: that is not known now.
        unread: partitions that could not be read.
        conferences: worst first.
    """

    def __init__(self, snapshot: Snapshot, at_ms: int, judge: Judge) -> None:
        """Count *snapshot*, taken at *at_ms*; *judge* tells what a verdict stands on."""
        self._judge = judge
        self._reach = Reach(snapshot.look.entries) if snapshot.look else None
        self._settled = snapshot.look.causes if snapshot.look else {}
        counted = snapshot.derive(Counted)
        self.at_ms = at_ms
        self.states = _states(counted.fleet)
        self.causes = dict(counted.fleet.causes.most_common())
        self.standing: list[Entry] | None = snapshot.look.entries if snapshot.look else None
        self.unread = snapshot.unread
        self.regions = _worst_first(
            Group(name, name, _states(sums), dict(sums.causes.most_common()))
            for name, sums in counted.regions.items()
        )
        self.bridges = _worst_first(
            Group(name, counted.region_of(name), _states(sums), dict(sums.causes.most_common()))
            for name, sums in counted.bridges.items()
        )
        self._places: dict[str, list[tuple[Part, int]]] = defaultdict(list)
        # Of a conference in which somebody is named; of all others nobody asks.
        self._names: dict[str, dict[str, str]] = {}
        self._senders = Senders(self.standing or ())
        blame: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for part in snapshot.parts:
            states, causes = part.column(STATE_ID), part.column(CAUSE_ID)
            for at, (stay, state, cause) in enumerate(zip(part.stays, states, causes, strict=True)):
                self._places[stay.conference].append((part, at))
                if state:
                    weight = 1000 if state == State.BAD else 1
                    blamed = self._blame(stay, cause)
                    blame[stay.conference][blamed] += weight
                    if source := _source(stay, blamed[0]):
                        self._senders.add(stay.conference, source)
        self.conferences = sorted(
            (
                Conference(name, _states(sums), *_most(blame.get(name)), self._sender_name(name))
                for name, sums in counted.conferences.items()
            ),
            key=_badness,
            reverse=True,
        )
        self._causes = _causes_by_scope(counted) | {
            (Scope.CONFERENCE, each.name): each.cause for each in self.conferences
        }

    @property
    def size(self) -> int:
        """How many are live."""
        return sum(self.states)

    def subject(self, entry: Entry) -> Subject:
        """Return what an *entry* of what stands out is about."""
        scope, name = entry.scope, entry.name
        if is_sender(entry):
            conference, participant = split_sender(entry)
            if conference in self._places:
                return Subject(scope, self._name_of(conference, participant), conference, "")
        is_known = scope == Scope.CONFERENCE and name in self._places
        return Subject(scope, name, name if is_known else "", self._causes.get((scope, name), ""))

    def people(self, conference: str) -> list[Person]:
        """Return who is in *conference*: who sends badly, then worst first."""
        places = self._places.get(conference)
        found = map(self._person, Part.gathered(places).participants if places else ())
        sender = self._senders.worst_in(conference)
        return sorted(
            found,
            key=lambda each: (each.participant != sender, _ORDER[each.state], each.name.lower()),
        )

    def _person(self, of: Participant) -> Person:
        """Return one who is there."""
        stay, numbers = of.stay, of.numbers
        attributes = stay.attributes
        who = who_is(stay)
        state, cause = numbers[STATE_ID - 1], numbers[CAUSE_ID - 1]
        word, scope = self._blame(stay, cause) if state else ("", "")
        said = self._judge.judge(numbers, is_direct=who.place.is_direct) if state else None
        source = _source(stay, word)
        return Person(
            who.participant,
            attributes.get(USERNAME.id) or who.participant,
            sid_of_stay(
                member_digest(stay.conference, attributes[CLIENT.id], who.participant),
                stay.started_ms,
                stay.session,
            ),
            None if state is None else State(state),
            word,
            scope,
            self._name_of(stay.conference, source) if source else "",
            self._senders.heard_badly(stay.conference, who.participant),
            _told(said.evidence) if said else (),
            who.place.bridge,
            who.place.region,
            who.place.browser or attributes.get(BROWSER_NAME.id, ""),
        )

    def _sender_name(self, conference: str) -> str:
        """Return what others call who sends badly in *conference*; empty: nobody knows."""
        participant = self._senders.worst_in(conference)
        return self._name_of(conference, participant) if participant else ""

    def _name_of(self, conference: str, participant: str) -> str:
        """Return what others call a *participant*, its id where nobody is told names."""
        if conference not in self._names:
            self._names[conference] = {
                attributes[PARTICIPANT.id]: attributes.get(USERNAME.id, "")
                for part, at in self._places.get(conference, ())
                for attributes in [part.stays[at].attributes]
            }
        return self._names[conference].get(participant) or participant

    def _blame(self, stay: Stay, cause: int | None) -> tuple[str, str]:
        """Return cause and scope of somebody whose call is not good."""
        who = who_is(stay)
        settled = cause
        if cause == DOWNLINK_OR_RECEIVED.id:
            settled = self._settled.get(sender_name(stay.conference, who.participant), cause)
        scope = (
            self._reach.of(who.place, who.participant, settled or 0, who.source).value
            if self._reach
            else UNKNOWN
        )
        return WORD_OF.get(settled or 0, UNKNOWN), scope


def _source(stay: Stay, cause: str) -> str:
    """Return whose stream one who is not well by *cause* gets worst; empty: that is not it."""
    return who_is(stay).source if cause == RECEIVED.word else ""


def _causes_by_scope(counted: Counted) -> dict[tuple[str, str], str]:
    """Return the cause of most who are bad, by scope and name; of what nobody is bad in none."""
    of = {(Scope.FLEET.value, ""): counted.fleet}
    of |= {(Scope.REGION.value, name): sums for name, sums in counted.regions.items()}
    of |= {(Scope.BRIDGE.value, name): sums for name, sums in counted.bridges.items()}
    return {key: sums.causes.most_common(1)[0][0] for key, sums in of.items() if sums.causes}


def _told(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Return *evidence* in words, each metric once, by the threshold that decided."""
    once: dict[str, Evidence] = {}
    for each in evidence:
        once.setdefault(each.field, each)
    return tuple(map(evidence_text, once.values()))


_ORDER: Final = {State.BAD: 0, State.FAIR: 1, None: 2, State.GOOD: 3}


def _states(sums: Sums) -> tuple[int, int, int, int]:
    good, fair, bad, unknown = sums.states
    return good, fair, bad, unknown


def _most(blame: Counter[tuple[str, str]] | None) -> tuple[str, str]:
    """Return the cause and the scope that most are bad by."""
    return blame.most_common(1)[0][0] if blame else ("", "")


def _badness(of: Conference | Group) -> tuple[float, ...]:
    bad, fair = of.states[_BAD], of.states[_FAIR]
    known = sum(of.states) - of.states[_UNKNOWN]
    return bad, bad / known if known else 0.0, fair, sum(of.states)


def _worst_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=_badness, reverse=True)
