"""
What was wrong with a call: a session's stretches folded into its verdict, and a conference's.

In come the samples of a leg (sessions/entry.py) with what verdict/judge.py has said of each push;
out come attributes, what its conference keeps of it, and what its status says.
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

# So many regions, networks and bridges are named.
MOST_NAMED: Final = 3
# A conference is bad of whose sessions more than so many were.
MOST_SHARE: Final = 0.5

_WORDS: Final = {state.value: state.name.lower() for state in State}
_NETWORK_WORDS: Final = dict(NETWORK_TYPE.otel_values)


class Verdict(NamedTuple):
    """
    What is said of a session as a whole.

    Attributes:
        told: attributes of its span.
        kept: what its conference keeps, fields as sessions/moves.lua takes them.
        problem: what its status says; empty: it was not bad.
    """

    told: dict[str, Any]
    kept: dict[str, str]
    problem: str


def verdict_of(samples: Iterable[Sample], lasted_ms: int) -> Verdict:
    """
    Return what was wrong in *samples* of a session that has *lasted_ms*.

    What no push covers is not known either, and of what nobody knows only its time is told.
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
    Return how far reached what was bad in *samples*: the scope of most of it, and all with shares.

    *entries* are what stood out meanwhile. A stretch is known by the end of its interval alone.
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
    Return what a conference's span tells by what is kept of it, and what its status says.

    Raises:
        ValueError: the hash is not what sessions/moves.lua writes.
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
    """Return the state of *stretch*; one that this version does not know is not known."""
    return State(stretch.state) if stretch.state in _WORDS else None


def _word_of(stretch: Stretch) -> str:
    """Return the cause of *stretch*."""
    return WORD_OF.get(stretch.cause, UNKNOWN)


def _main_cause(wrong: list[Stretch], state: State) -> str | None:
    """Return what explains most of the time that makes a call's *state*; None of a good one."""
    if state is State.GOOD:
        return None
    most = [each for each in wrong if state is not State.BAD or each.state == State.BAD]
    return str(next(iter(_by(most, _word_of))))


def _by(stretches: Iterable[Stretch], what: Any) -> dict[Any, int]:
    """Return the ms of each *what* of *stretches*, the longest first."""
    tenths: Counter[Any] = Counter()
    for stretch in stretches:
        tenths[what(stretch)] += stretch.tenths
    ordered = sorted(tenths.items(), key=lambda each: (-each[1], str(each[0])))
    return {each: count * TENTH_MS for each, count in ordered if count}


def _where_bad(stretches: Iterable[Stretch]) -> dict[str, Any]:
    """Return in which regions and networks and on which bridges it was bad, the longest first."""
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
    """Return *share* without the noise of a float's last digits."""
    return round(share, 6)
