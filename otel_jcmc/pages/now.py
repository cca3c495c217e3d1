"""
Counts one snapshot for the page `/live`: which participants have a bad call now.

The input is a snapshot, with the things that stand out in it. The output is the numbers of
participants by state, the things that stand out, and the conferences, worst first. The result is
the same for every query, so all viewers share it.
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
    One participant, as the page shows it.

    Attributes:
        name: the display name; the participant's id if names are not collected.
        sid: the id of the participant's leg in history.
        state: good, fair or bad; None: not known.
        cause, scope: words of the verdict; empty if the call is good or its state is not known.
        sender: if the cause is `received`, the participant that sends the bad stream; empty: not
            known.
        heard_badly: how many others have a bad call because of this participant's stream.
        evidence: the measurements behind the verdict, in plain words.
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
    One conference, as the page shows it.

    Attributes:
        states: the numbers of participants with a good, fair, bad and unknown call.
        cause, scope: the most frequent pair of cause and scope among the bad calls.
        sender: display name of the participant whose stream others receive badly; empty: not
            known.
    """

    name: str
    states: tuple[int, int, int, int]
    cause: str
    scope: str
    sender: str

    @property
    def size(self) -> int:
        """The number of participants."""
        return sum(self.states)


class Subject(NamedTuple):
    """
    Something that stands out, as the page shows it.

    Attributes:
        scope, name: scope and name in the journal; a sender has its display name in place of an id.
        conference: the conference that stands out, or the sender's conference; empty: neither.
        cause: the most frequent cause of the bad calls; empty: not counted for this scope.
    """

    scope: str
    name: str
    conference: str
    cause: str


class Group(NamedTuple):
    """A region or a bridge, with the numbers of its participants by state and by cause."""

    name: str
    region: str
    states: tuple[int, int, int, int]
    causes: dict[str, int]


class Now:
    """
    The figures of one snapshot that the page `/live` shows.

    Attributes:
        at_ms: when the snapshot was taken, by Redis's clock.
        states: the numbers of participants with a good, fair, bad and unknown call.
        causes: cause -> number of bad calls.
        standing: the things that stand out; None: not known now.
        unread: number of partitions that could not be read.
        regions, bridges, conferences: three lists, each with the most bad calls first.
    """

    def __init__(self, snapshot: Snapshot, at_ms: int, judge: Judge) -> None:
        """Count *snapshot*, taken at *at_ms*; *judge* gives the evidence of a verdict."""
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
        # Conference -> participant -> display name, only for conferences that a caller asked for.
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
        """The number of live participants."""
        return sum(self.states)

    def subject(self, entry: Entry) -> Subject:
        """Return the thing in *entry* of the journal, with the names that the page shows."""
        scope, name = entry.scope, entry.name
        if is_sender(entry):
            conference, participant = split_sender(entry)
            if conference in self._places:
                return Subject(scope, self._name_of(conference, participant), conference, "")
        is_known = scope == Scope.CONFERENCE and name in self._places
        return Subject(scope, name, name if is_known else "", self._causes.get((scope, name), ""))

    def people(self, conference: str) -> list[Person]:
        """Return the participants of *conference*: the bad sender first, then the worst calls."""
        places = self._places.get(conference)
        found = map(self._person, Part.gathered(places).participants if places else ())
        sender = self._senders.worst_in(conference)
        return sorted(
            found,
            key=lambda each: (each.participant != sender, _ORDER[each.state], each.name.lower()),
        )

    def _person(self, of: Participant) -> Person:
        """Return the participant *of* with the values that the page shows."""
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
        """Return the display name of the bad sender in *conference*; empty: not known."""
        participant = self._senders.worst_in(conference)
        return self._name_of(conference, participant) if participant else ""

    def _name_of(self, conference: str, participant: str) -> str:
        """Return the display name of *participant*, or the id if names are not collected."""
        if conference not in self._names:
            self._names[conference] = {
                attributes[PARTICIPANT.id]: attributes.get(USERNAME.id, "")
                for part, at in self._places.get(conference, ())
                for attributes in [part.stays[at].attributes]
            }
        return self._names[conference].get(participant) or participant

    def _blame(self, stay: Stay, cause: int | None) -> tuple[str, str]:
        """Return cause and scope of the call of *stay*, which is not good."""
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
    """Return the sender of the worst stream of *stay* if *cause* is `received`, otherwise empty."""
    return who_is(stay).source if cause == RECEIVED.word else ""


def _causes_by_scope(counted: Counted) -> dict[tuple[str, str], str]:
    """Return (scope, name) -> most frequent cause, for fleet, regions, bridges with bad calls."""
    of = {(Scope.FLEET.value, ""): counted.fleet}
    of |= {(Scope.REGION.value, name): sums for name, sums in counted.regions.items()}
    of |= {(Scope.BRIDGE.value, name): sums for name, sums in counted.bridges.items()}
    return {key: sums.causes.most_common(1)[0][0] for key, sums in of.items() if sums.causes}


def _told(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Return *evidence* in words: each metric once, with its value and its threshold."""
    once: dict[str, Evidence] = {}
    for each in evidence:
        once.setdefault(each.field, each)
    return tuple(map(evidence_text, once.values()))


_ORDER: Final = {State.BAD: 0, State.FAIR: 1, None: 2, State.GOOD: 3}


def _states(sums: Sums) -> tuple[int, int, int, int]:
    good, fair, bad, unknown = sums.states
    return good, fair, bad, unknown


def _most(blame: Counter[tuple[str, str]] | None) -> tuple[str, str]:
    """Return the most frequent (cause, scope) in *blame*; if *blame* is empty, two empty texts."""
    return blame.most_common(1)[0][0] if blame else ("", "")


def _badness(of: Conference | Group) -> tuple[float, ...]:
    bad, fair = of.states[_BAD], of.states[_FAIR]
    known = sum(of.states) - of.states[_UNKNOWN]
    return bad, bad / known if known else 0.0, fair, sum(of.states)


def _worst_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=_badness, reverse=True)
