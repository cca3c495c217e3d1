"""
Who has a bad call now: one snapshot as a page tells it.

In go a snapshot with the last look at everybody, out come counts by state, what stands out, and the
conferences, worst first. A pure function; one result serves everybody who looks.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from otel_jcmc.catalogue.attributes import BROWSER_NAME, CLIENT, USERNAME
from otel_jcmc.catalogue.metrics import CAUSE_ID, STATE_ID
from otel_jcmc.metrics.levels import Counted, Sums
from otel_jcmc.metrics.seen import who_is
from otel_jcmc.metrics.snapshot import Part, Snapshot
from otel_jcmc.pages.words import evidence_text
from otel_jcmc.store.participant import Stay, member_digest
from otel_jcmc.store.sid import sid_of_stay
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.judge import Evidence, Judge
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.rules import DOWNLINK_OR_RECEIVED, UNKNOWN, WORD_OF, State
from otel_jcmc.verdict.standing import sender_name

_STATE, _CAUSE = STATE_ID - 1, CAUSE_ID - 1
_BAD, _FAIR, _UNKNOWN = 2, 1, 3


class Person(NamedTuple):
    """
    One participant.

    Attributes:
        name: what others see; the participant's id where nobody is told names.
        sid: of the session in history.
        state: None: not known.
        cause, scope: words of the verdict; empty where the call is good or its state not known.
        evidence: what it stands on, in plain words.
    """

    participant: str
    name: str
    sid: str
    state: State | None
    cause: str
    scope: str
    evidence: tuple[str, ...]
    bridge: str
    region: str
    browser: str


class Conference(NamedTuple):
    """One conference: how many are how, and the cause and the scope of most who are bad."""

    name: str
    states: tuple[int, int, int, int]
    cause: str
    scope: str

    @property
    def size(self) -> int:
        """How many there are."""
        return sum(self.states)


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
        blame: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for part in snapshot.parts:
            states, causes = part.numbers[_STATE], part.numbers[_CAUSE]
            for at, (stay, state, cause) in enumerate(zip(part.stays, states, causes, strict=True)):
                self._places[stay.conference].append((part, at))
                if state:
                    weight = 1000 if state == State.BAD else 1
                    blame[stay.conference][self._blame(stay, cause)] += weight
        self.conferences = sorted(
            (
                Conference(name, _states(sums), *_most(blame.get(name)))
                for name, sums in counted.conferences.items()
            ),
            key=_badness,
            reverse=True,
        )

    @property
    def size(self) -> int:
        """How many are live."""
        return sum(self.states)

    def people(self, conference: str) -> list[Person]:
        """Return who is in *conference*, worst first."""
        found = [self._person(part, at) for part, at in self._places.get(conference, ())]
        return sorted(found, key=lambda each: (_ORDER[each.state], each.name.lower()))

    def _person(self, part: Part, at: int) -> Person:
        """Return one of *part*."""
        stay = part.stays[at]
        attributes = stay.attributes
        who = who_is(stay)
        state, cause = part.numbers[_STATE][at], part.numbers[_CAUSE][at]
        word, scope = self._blame(stay, cause) if state else ("", "")
        numbers = [column[at] for column in part.numbers]
        said = self._judge.judge(numbers, is_direct=who.place.is_direct) if state else None
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
            _told(said.evidence) if said else (),
            who.place.bridge,
            who.place.region,
            who.place.browser or attributes.get(BROWSER_NAME.id, ""),
        )

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
