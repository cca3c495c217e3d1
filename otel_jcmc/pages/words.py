"""
Gives plain words for the words of the verdict: states, causes, scopes and evidence.

The input is the verdict's words and numbers, the output is texts for a page.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.judge import Evidence
from otel_jcmc.verdict.rules import State

STATES: Final = {
    State.BAD: "bad",
    State.FAIR: "fair",
    State.GOOD: "good",
    None: "unknown",
}
# Cause -> the text that says why a call is not good.
CAUSES: Final = {
    "outage": "connection lost",
    "downlink": "network from bridge to participant",
    "received": "what other participants send",
    "downlink_or_received": "participant's network, or the sender",
    "device": "participant's computer",
    "path": "long network delay, no loss",
    "uplink": "network from participant to bridge",
    "pair": "network between the two participants",
    rules.UNKNOWN: "no cause found",
}
# Scope -> the text that says who has the same trouble.
SCOPES: Final = {
    Scope.FLEET: "all conferences",
    Scope.REGION: "the whole region",
    Scope.BRIDGE: "the whole bridge",
    Scope.RELAY: "the whole relay",
    Scope.BROWSER: "everyone with this browser",
    Scope.CONFERENCE: "the whole conference",
    Scope.SENDER: "one sender and everyone who receives them",
    Scope.PARTICIPANT: "this participant only",
    rules.UNKNOWN: "not known",
}
# End -> the text that says how a session ended.
ENDS: Final = {
    "left": "they left",
    "kicked": "they were removed",
    "closed": "the Jitsi page was closed",
    "suspended": "the computer went to sleep",
    "failed": "the call failed",
    "replaced": "they came back in a new session",
    "expired": "no more pushes came",
    "live": "still live",
}


def fault(cause: str, sender: str = "") -> str:
    """Return *cause* in words; *sender*: name of the bad stream's sender; empty: not known."""
    if sender and cause == rules.RECEIVED.word:
        return f"what {sender} sends"
    return CAUSES.get(cause, cause)


def reach(cause: str, scope: str, verb: str = "affects") -> str:
    """Return whom the *cause* affects: "it affects the whole bridge"; empty: not known."""
    if scope in ("", rules.UNKNOWN):
        return ""
    if scope == Scope.PARTICIPANT:
        # No text: if a stream is bad for this participant, it is bad for its other receivers too,
        # even if their state is not known. So the scope is wider than this participant.
        if cause == rules.RECEIVED.word:
            return ""
        if cause == rules.PAIR.word:
            return f"it {verb} these two only"
    return f"it {verb} {SCOPES.get(scope, scope)}"


def mostly(cause: str, scope: str, sender: str = "") -> str:
    """
    Return the main cause in a conference, and whom it affects: "connection lost; whole bridge".

    *sender* is the name of the participant whose stream is bad for others; empty: not known.
    """
    if sender and scope == Scope.SENDER:
        return f"what {sender} sends"
    said = fault(cause, sender)
    if scope in ("", rules.UNKNOWN, Scope.PARTICIPANT):
        return said
    # The column is narrow: without "the", more of the scope is visible.
    return f"{said}; {SCOPES.get(scope, scope).removeprefix('the ')}"


def percent(value: float) -> str:
    """Return *value*, in percent, as text: "12 %"; below 10 with one decimal if it is not 0."""
    return f"{value:.1f} %" if value < 10 and round(value, 1) % 1 else f"{value:.0f} %"


def milliseconds(value: float) -> str:
    """Return *value*, in ms, as text: "80 ms"; from 10 s on in seconds."""
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.0f} s"


def score(value: float) -> str:
    """Return *value*, a mean opinion score, as text with one decimal."""
    return f"{value:.1f}"


def bitrate(value: float) -> str:
    """Return *value*, in kbit/s, as text: "1.20 Mbit/s"."""
    return f"{value / 1000:.2f} Mbit/s"


def span(low: str, high: str) -> str:
    """Return *low* and *high*, two texts, as a range; a shared unit comes once: "1 to 5 ms"."""
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    return f"{number if unit and high.endswith(f' {unit}') else low} to {high}"


# Field -> its name on the page, and the function that writes its number.
_MEASURED: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "outage_down": ("nothing received for", milliseconds),
    "outage_up": ("nothing they sent arrived for", milliseconds),
    rules.MOS: ("speech quality", score),
    "audio_concealed": ("missing audio filled in", percent),
    rules.FROZEN: ("video frozen", percent),
    rules.DECODE: ("time spent on decoding video", percent),
    rules.DELAY: ("browser reacts late by", milliseconds),
    rules.LOSS_DOWN: ("download loss", percent),
    rules.WORST: ("loss in the worst stream", percent),
    "packetloss_download_best": ("loss in the best stream", percent),
    rules.LOSS: ("packet loss", percent),
    rules.ROUND_TRIP: ("round-trip time", milliseconds),
    rules.JITTER_DOWN: ("download jitter", milliseconds),
    rules.LOSS_UP: ("upload loss", percent),
    rules.JITTER_UP: ("upload jitter", milliseconds),
    "limitation_cpu": ("sent video limited by the computer", percent),
    rules.PICTURE_LIMIT: ("sent video limited by the network", percent),
}
# Any value of these metrics is bad, so the text gives no threshold.
_OUTAGES: Final = {"outage_down", "outage_up"}


def evidence_text(evidence: Evidence) -> str:
    """Return *evidence* in words: "upload loss 12 %, threshold 5 %"."""
    name, write = _MEASURED[evidence.field]
    told = f"{name} {write(evidence.value)}"
    if evidence.field in _OUTAGES:
        return told
    # After rounding, value and threshold may be the same text.
    threshold = write(evidence.threshold)
    if write(evidence.value) == threshold:
        return f"{told}, just past the threshold"
    return f"{told}, threshold {threshold}"


def duration(ms: float) -> str:
    """Return a duration of *ms* in its two largest units: "1 h 5 min"."""
    seconds = max(0, round(ms / 1000))
    for size, unit, next_size, next_unit in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // next_size
            return f"{seconds // size} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{seconds} s"


_OF_SCOPE: Final = {
    Scope.REGION: "Region",
    Scope.BRIDGE: "Bridge",
    Scope.RELAY: "Relay",
    Scope.BROWSER: "Browser",
    Scope.CONFERENCE: "Conference",
    Scope.SENDER: "Sender",
}


def widest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return the journal's *entries*, sorted: widest scope first; within a scope, worst first."""
    order = [each.value for each in Scope]
    return sorted(
        entries,
        key=lambda each: (
            order.index(each.scope) if each.scope in order else len(order),
            -each.share,
            -each.coverage[0],
        ),
    )


def standing_name(scope: str, name: str) -> str:
    """Return the name of a thing that stands out, as the page shows it: "Bridge jvb-3"."""
    if scope == Scope.FLEET:
        return "All conferences"
    # A replica with a newer version may have written a scope that this version does not know.
    kind = _OF_SCOPE[Scope(scope)] if scope in [*Scope] else scope
    return f"{kind} {name or '(name unknown)'}"


def iso(ms: float) -> str:
    """Return Unix time in *ms* in the format of RFC 3339."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")[:-6] + "Z"


def clock(ms: float, is_precise: bool = False) -> str:  # noqa: FBT001, FBT002  # of a template
    """Return Unix time in *ms* as a UTC clock time, for browsers without scripts."""
    form = "%H:%M:%S UTC" if is_precise else "%H:%M UTC"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime(form)


def day_clock(ms: float) -> str:
    """Return Unix time in *ms* as date and UTC clock time."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d, %H:%M UTC")
