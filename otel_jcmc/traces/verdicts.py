"""
Decides whether a whole session or conference was good, fair or bad, and for which cause.

The samples of a leg (sessions/entry.py) come in, with stretches: times with the same verdict. The
attributes and the status text of the leg's span go out, and the fields that Redis keeps for the
conference's span.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import NETWORK_TYPE
from otel_jcmc.sessions.blame import bad_by_scope
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.stretches import TENTH_MS, Stretch
from otel_jcmc.sessions.totals import state_by
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State

# How many regions, networks and bridges a span names at most.
MOST_NAMED: Final = 3
# A conference's span has the status error if more than this ratio of its sessions was bad.
MOST_SHARE: Final = 0.5

_WORDS: Final = {state.value: state.name.lower() for state in State}
_NETWORK_WORDS: Final = dict(NETWORK_TYPE.otel_values)


class Verdict(NamedTuple):
    """
    The verdict on a whole leg of a session.

    Attributes:
        told: the attributes of the leg's span.
        kept: fields that Redis keeps for the conference's span, in the form of sessions/moves.lua.
        problem: the text of the span's status; empty: the leg was not bad.
    """

    told: dict[str, Any]
    kept: dict[str, str]
    problem: str


def verdict_of(samples: Iterable[Sample], lasted_ms: int) -> Verdict:
    """
    Return the verdict on a leg with *samples* that has *lasted_ms*.

    Time that no push covers is unknown. The verdict reports the length of the unknown time. All
    ratios are ratios of the known time.
    """
    stretches = [stretch for sample in samples for stretch in sample.stretches]
    times = _by(stretches, _state_of)
    known = sum(ms for state, ms in times.items() if state is not None)
    told: dict[str, Any] = {}
    if times:
        told["jitsi.verdict.time.known"] = known / 1000
        told["jitsi.verdict.time.unknown"] = max(0, lasted_ms - known) / 1000
    if not known:
        return Verdict(told, {}, "")
    shares = {state: times.get(state, 0) / known for state in State}
    state = state_by(shares[State.FAIR], shares[State.BAD])
    wrong = [each for each in stretches if _state_of(each)]
    cause = _main_cause(wrong, state)
    told |= {"jitsi.verdict.state": _WORDS[state], "jitsi.verdict.cause": cause}
    told |= {f"jitsi.verdict.share.{_WORDS[each]}": _round(shares[each]) for each in State}
    for word, ms in _by(wrong, _word_of).items():
        told[f"jitsi.verdict.cause_share.{word}"] = _round(ms / known)
    told |= _where_bad(wrong)
    kept = {"+known": "1", "+bad": "0", ">state": str(state.value)}
    if state is not State.BAD:
        return Verdict(told, kept, "")
    problem = f"bad for {100 * shares[state]:.0f} % of the time, cause: {cause}"
    return Verdict(told, kept | {"+bad": "1", f"+cause:{cause}": "1"}, problem)


def scopes_of(
    samples: Iterable[Sample], conference: str, participant: str, entries: Sequence[Entry]
) -> dict[str, Any]:
    """
    Return attributes about the scopes of the bad time in *samples*.

    A scope says how far the trouble reached, such as one participant or a bridge. The attributes
    are the scope with the most bad time, and the ratio of the bad time that each scope has.
    *entries* are the journal's entries about what stood out during the leg. The exact time of a
    stretch is not known. Only the end of the interval that contains it is known.
    """
    ordered = bad_by_scope(samples, conference, participant, entries)
    whole = sum(tenths for _, tenths in ordered)
    if not whole:
        return {}
    return {
        "jitsi.verdict.scope": ordered[0][0],
        **{f"jitsi.verdict.scope_share.{scope}": _round(n / whole) for scope, n in ordered},
    }


def conference_verdict(of_redis: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """
    Return the attributes of a conference's span, and the text of its status, empty: not bad.

    *of_redis* is the hash that Redis has about the conference.

    Raises:
        ValueError: the hash is not in the form that sessions/moves.lua writes.
    """
    known, bad = int(of_redis.get("known", 0)), int(of_redis.get("bad", 0))
    told: dict[str, Any] = {
        "jitsi.conference.sessions.known": known,
        "jitsi.conference.sessions.bad": bad,
    }
    if known:
        told["jitsi.verdict.state"] = _WORDS.get(int(of_redis.get("state", 0)))
    causes = {
        field.removeprefix("cause:"): int(count)
        for field, count in of_redis.items()
        if field.startswith("cause:")
    }
    cause = min(causes, key=lambda each: (-causes[each], each), default=None)
    told["jitsi.verdict.cause"] = cause
    if bad <= MOST_SHARE * known:
        return told, ""
    return told, f"{bad} of {known} sessions bad, cause: {cause}"


def _state_of(stretch: Stretch) -> State | None:
    """Return the state of *stretch*; None: it is unknown, or this version does not know it."""
    return State(stretch.state) if stretch.state in _WORDS else None


def _word_of(stretch: Stretch) -> str:
    """Return the cause of *stretch* as a word, such as "path"."""
    return WORD_OF.get(stretch.cause, UNKNOWN)


def _main_cause(wrong: list[Stretch], state: State) -> str | None:
    """
    Return the cause with the most time in *wrong*; None if *state* is good.

    If *state* is bad, only bad stretches count.
    """
    if state is State.GOOD:
        return None
    most = [each for each in wrong if state is not State.BAD or each.state == State.BAD]
    return str(next(iter(_by(most, _word_of))))


def _by(stretches: Iterable[Stretch], what: Any) -> dict[Any, int]:
    """Group *stretches* by the value that *what* returns; return value -> ms, longest first."""
    tenths: Counter[Any] = Counter()
    for stretch in stretches:
        tenths[what(stretch)] += stretch.tenths
    ordered = sorted(tenths.items(), key=lambda each: (-each[1], str(each[0])))
    return {each: count * TENTH_MS for each, count in ordered if count}


def _where_bad(stretches: Iterable[Stretch]) -> dict[str, Any]:
    """Return attributes with the regions, networks and bridges of bad time, longest first."""
    bad = [each for each in stretches if each.state == State.BAD]
    whole = sum(each.tenths for each in bad) * TENTH_MS
    told: dict[str, Any] = {}
    for word, what in (
        ("region", lambda each: each.region),
        ("bridge", lambda each: each.bridge),
        ("network", lambda each: _NETWORK_WORDS.get(each.network, each.network)),
    ):
        times = [(name, ms) for name, ms in _by(bad, what).items() if name][:MOST_NAMED]
        if times:
            told[f"jitsi.verdict.bad.{word}"] = times[0][0]
            told[f"jitsi.verdict.bad.{word}s"] = [name for name, _ in times]
            told[f"jitsi.verdict.bad.{word}s_share"] = [_round(ms / whole) for _, ms in times]
    return told


def _round(share: float) -> float:
    """Return *share* rounded to six decimals, to remove a float's inexact last digits."""
    return round(share, 6)
