"""
Counts summaries: how many sessions there were, and how bad they were, by one property and by time.

For example, it counts the sessions of each region in each week. `Counts.add` gets summaries
(summaries.py) and the day on which their sessions ended. `Counts.groups` returns the sums of each
group of sessions. The number of groups stays small, even if clients push many different names: the
names with the fewest sessions share one group, `other`.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Final

from otel_jcmc.sessions.summary import Summary, Told
from otel_jcmc.sessions.vitals import LOWER_IS_WORSE, VITAL_SCALES, VITALS
from otel_jcmc.verdict.rules import State

# MOST_NAMES: how many names have their own group in the result. _MOST_COUNTED: how many names are
# counted separately before the result is made. This limit keeps the memory small if clients push
# many names.
MOST_NAMES: Final = 50
_MOST_COUNTED: Final = 200
OTHER: Final = "other"
_HOUR_TENTHS: Final = 36_000
_WORDS: Final = {state.value: state.name.lower() for state in State}
UNKNOWN: Final = "unknown"
_FAILED: Final = "failed"


class By(StrEnum):
    """The field of a summary by which sessions are put into groups."""

    REGION = "region"
    BRIDGE = "bridge"
    BROWSER = "browser"
    NETWORK = "network"
    RELAY = "relay"
    END = "end"
    SENDER = "sender"


class Per(StrEnum):
    """The length of a period; the sessions that ended in one period are counted together."""

    DAY = "day"
    WEEK = "week"
    ALL = "all"


class VitalCount:
    """
    The sums of one vital over the sessions of a group, in the units of summary.py.

    Attributes:
        sum: for each session, the vital's average multiplied by the tenths of a second in which the
            vital was known; added up over all sessions.
        known, bad: tenths of a second in which the vital was known, and in which it was bad.
        worst: the worst value of all sessions; None: not known.
        scale: divide *worst* by it to get the unit of vitals.py.
    """

    __slots__ = ("_is_lower_worse", "bad", "known", "scale", "sum", "worst")

    def __init__(self, index: int) -> None:
        """Begin without sessions; *index* is the place of the vital in VITALS."""
        self.sum = self.known = self.bad = 0
        self.worst: int | None = None
        self.scale = VITAL_SCALES[index]
        self._is_lower_worse = LOWER_IS_WORSE[index]

    def add(self, told: Told) -> None:
        """Add *told*, which has the values of this vital for one session."""
        if told.average is not None:
            self.sum += told.average * told.known
            self.known += told.known
            self.bad += told.bad
        # This code compares without min() and max(), because they take three times as long, and
        # there may be a million sessions.
        worst, mine = told.worst, self.worst
        if worst is not None and (
            mine is None or (worst < mine if self._is_lower_worse else worst > mine)
        ):
            self.worst = worst

    def merge(self, other: "VitalCount") -> None:
        """Add the sums of *other*, which has the same vital of another group."""
        self.sum += other.sum
        self.known += other.known
        self.bad += other.bad
        self.add(Told(worst=other.worst))

    @property
    def average(self) -> float | None:
        """The vital's average over its known time, in the unit of vitals.py; None: not known."""
        return round(self.sum / self.known / self.scale, 2) if self.known else None

    @property
    def bad_share(self) -> float | None:
        """The vital's bad time divided by its known time, 0 to 1; None: it was never known."""
        return round(self.bad / self.known, 4) if self.known else None


class Group:
    """
    The sums over all sessions of one period that have one name, for example one region.

    Attributes:
        sessions: the number of sessions; *failed*: how many of these sessions failed.
        outages, freezes: how many outages and freezes the sessions had together.
        lasted: how long the sessions lasted together, in tenths of a second.
        causes: cause -> number of sessions that were fair or bad by this cause.
        scopes: scope (how far trouble reached) -> tenths of a second of bad time with this scope.
            Bad time without a known scope is left out.
        mos_sum, mos_known: *mos_sum* divided by *mos_known* is the average MOS of the sessions, in
            units of 1 / MOS_SCALE (summary.py). Each session is weighted by how long it lasted.
        vitals: the sums of each vital, in the order of VITALS.
    """

    __slots__ = (
        *("_states", "_times", "causes", "failed", "freezes", "lasted", "mos_known", "mos_sum"),
        *("outages", "scopes", "sessions", "vitals"),
    )

    def __init__(self) -> None:
        """Begin without sessions."""
        self.sessions = self.failed = self.outages = self.freezes = 0
        self.lasted = self.mos_sum = self.mos_known = 0
        # The keys are the numbers of states, also of states that this version does not know. The
        # property `states` looks up the words of states once for the sums, not for each session.
        self._states: Counter[int | None] = Counter()
        self._times: Counter[int | None] = Counter()
        self.causes: Counter[str] = Counter()
        self.scopes: Counter[str] = Counter()
        self.vitals = [VitalCount(index) for index in range(len(VITALS))]

    def add(self, of: Summary) -> None:
        """Count one session by its summary."""
        lasted = of.lasted
        self.sessions += 1
        self.lasted += lasted
        self.failed += of.end == _FAILED
        self._states[of.state] += 1
        if of.cause:
            self.causes[of.cause] += 1
        for tenths, state, _ in of.times:
            self._times[state] += tenths
        for scope, tenths in of.scopes:
            self.scopes[scope] += tenths
        for mine, told in zip(self.vitals, of.vitals, strict=False):
            mine.add(told)
        self.outages += of.outages or 0
        if of.counts:
            self.freezes += of.counts[0] or 0
        if of.mos is not None:
            self.mos_sum += of.mos[0] * (lasted or 1)
            self.mos_known += lasted or 1

    def merge(self, other: "Group") -> None:
        """Add the sums of the group *other* to the sums of this group."""
        for name in ("sessions", "failed", "outages", "freezes", "lasted", "mos_sum", "mos_known"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("_states", "_times", "causes", "scopes"):
            getattr(self, name).update(getattr(other, name))
        for mine, theirs in zip(self.vitals, other.vitals, strict=True):
            mine.merge(theirs)

    @property
    def states(self) -> Counter[str]:
        """The word of a state, or `unknown` -> number of sessions with this state."""
        found: Counter[str] = Counter()
        for state, sessions in self._states.items():
            found[UNKNOWN if state is None else _WORDS.get(state, UNKNOWN)] += sessions
        return found

    @property
    def known(self) -> int:
        """How long the states of all sessions together were known, in tenths of a second."""
        return sum(self._times[state] for state in _WORDS)

    @property
    def bad(self) -> int:
        """How long all sessions together were bad, in tenths of a second."""
        return self._times[State.BAD.value]

    @property
    def hours(self) -> float:
        """How many hours the sessions lasted together."""
        return round(self.lasted / _HOUR_TENTHS, 2)

    @property
    def bad_share(self) -> float | None:
        """The bad time divided by the time with a known state, 0 to 1; None: never known."""
        return round(self.bad / self.known, 4) if self.known else None


class Counts:
    """Counts sessions in periods: in groups by one property, or all sessions in one group."""

    def __init__(self, by: By | None, per: Per) -> None:
        """Begin without sessions; *by* is the property, None: one group for all sessions."""
        self._name_of = attrgetter(by.value) if by else None
        self._per = per
        self._groups: dict[tuple[str, str], Group] = {}
        self._names: set[str] = set()

    def add(self, day: date, summaries: Iterable[Summary]) -> None:
        """Count *summaries* of sessions that ended on *day*."""
        period, groups = _period_of(day, self._per), self._groups
        for each in summaries:
            name = self._name_of(each) if self._name_of else ""
            if name not in self._names:
                if len(self._names) < _MOST_COUNTED:
                    self._names.add(name)
                else:
                    name = OTHER
            group = groups.get((period, name))
            if group is None:
                group = groups[period, name] = Group()
            group.add(each)

    def groups(self) -> list[tuple[str, str, Group]]:
        """
        Return (period, name, group), sorted by period; in a period, the largest group comes first.

        The name is empty if the session's property is not known, or if all sessions are one group.
        """
        totals: Counter[str] = Counter()
        for (_, name), group in self._groups.items():
            totals[name] += group.sessions
        totals.pop(OTHER, None)
        told = {name for name, _ in totals.most_common(MOST_NAMES)}
        found: dict[tuple[str, str], Group] = {}
        for (period, name), group in self._groups.items():
            if name in told:
                found[period, name] = group
            else:
                found.setdefault((period, OTHER), Group()).merge(group)
        ordered = sorted(
            found.items(), key=lambda each: (each[0][0], -each[1].sessions, each[0][1])
        )
        return [(period, name, group) for (period, name), group in ordered]


def _period_of(day: date, per: Per) -> str:
    """Return the period of *day*: the day itself, the Monday of its week, or empty for `all`."""
    if per is Per.ALL:
        return ""
    return (day - timedelta(days=day.weekday()) if per is Per.WEEK else day).isoformat()
