"""
Decides what was wrong with a session as a whole, and with a conference as a whole.

The samples of a leg (sessions/entry.py) come in; they contain the verdict on each push. The
attributes of the span, the text of its status, and the fields for the conference's hash go out. A
stretch is a time with one verdict.
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

# The most regions that a span names, and also the most networks and the most bridges.
MOST_NAMED: Final = 3
# A conference is bad if more than this share of its sessions were bad.
MOST_SHARE: Final = 0.5

_WORDS: Final = {state.value: state.name.lower() for state in State}
_NETWORK_WORDS: Final = dict(NETWORK_TYPE.otel_values)


class Verdict(NamedTuple):
    """
    The verdict on a session as a whole.

    Attributes:
        told: attributes of the session's span.
        kept: fields for the conference's hash, in the form that sessions/moves.lua reads.
        problem: the text of the span's status; empty if the session was not bad.
    """

    told: dict[str, Any]
    kept: dict[str, str]
    problem: str


def verdict_of(samples: Iterable[Sample], lasted_ms: int) -> Verdict:
    """
    Return the verdict on a session that has *lasted_ms*, from its *samples*.

    Time that no push covers has no verdict. The length of this time is an attribute. All shares are
    shares of the time with a verdict.
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
    Return span attributes about the bad time in *samples*: the main scope, each scope's share.

    *entries* are the journal's entries about things that stood out at that time. The exact time of
    a stretch is not known, only the end of the interval that contains it.
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
    Return attributes of a conference's span and the text of the span's status.

    *of_redis* is the conference's hash. The text is empty if the conference was not bad.

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
    """Return the state of *stretch*; None if it is unknown or this version has no such state."""
    return State(stretch.state) if stretch.state in _WORDS else None


def _word_of(stretch: Stretch) -> str:
    """Return the cause of *stretch* as a word, such as in `jitsi.verdict.cause`."""
    return WORD_OF.get(stretch.cause, UNKNOWN)


def _main_cause(wrong: list[Stretch], state: State) -> str | None:
    """
    Return the cause that lasted longest in the stretches *wrong*; None if *state* is GOOD.

    If *state* is BAD, only bad stretches count. Otherwise fair stretches count too.
    """
    if state is State.GOOD:
        return None
    most = [each for each in wrong if state is not State.BAD or each.state == State.BAD]
    return str(next(iter(_by(most, _word_of))))


def _by(stretches: Iterable[Stretch], what: Any) -> dict[Any, int]:
    """
    Group *stretches* by a value, and return value -> total ms, the longest total first.

    *what* is the function that returns the value of a stretch.
    """
    tenths: Counter[Any] = Counter()
    for stretch in stretches:
        tenths[what(stretch)] += stretch.tenths
    ordered = sorted(tenths.items(), key=lambda each: (-each[1], str(each[0])))
    return {each: count * TENTH_MS for each, count in ordered if count}


def _where_bad(stretches: Iterable[Stretch]) -> dict[str, Any]:
    """Return attributes: the regions, bridges and networks with the most bad time, with shares."""
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
    """Return *share* rounded to six decimals, without the inexact last digits of a float."""
    return round(share, 6)
