"""
Plain words for what the verdict says by its own: states, causes, scopes and evidence.

In go the catalogue's words and numbers, out comes what stands on a page.
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
# Of somebody whose call is not good: where the fault is.
CAUSES: Final = {
    "outage": "connection lost",
    "downlink": "network from the bridge to them",
    "received": "what others send them",
    "downlink_or_received": "their network, or the sender's",
    "device": "their computer",
    "path": "a long way, without loss",
    "uplink": "network from them to the bridge",
    "pair": "network between the two",
    rules.UNKNOWN: "not explained",
}
# How far it reaches.
SCOPES: Final = {
    Scope.FLEET: "everybody",
    Scope.REGION: "the whole region",
    Scope.BRIDGE: "the whole bridge",
    Scope.RELAY: "the whole relay",
    Scope.BROWSER: "this browser",
    Scope.CONFERENCE: "the whole conference",
    Scope.SENDER: "one sender, and all who hear them",
    Scope.PARTICIPANT: "them alone",
    rules.UNKNOWN: "not known",
}
# How a session ended; of one that goes on nothing is told.
ENDS: Final = {
    "left": "they left",
    "kicked": "they were removed",
    "closed": "the page was closed",
    "suspended": "the computer went to sleep",
    "failed": "the call failed",
    "replaced": "they came back as another session",
    "expired": "nothing more came from them",
    "live": "it goes on",
}


def fault(cause: str, sender: str = "") -> str:
    """Return where a *cause* is; *sender* is whose stream is bad, empty where nobody knows."""
    if sender and cause == rules.RECEIVED.word:
        return f"what {sender} sends them"
    return CAUSES.get(cause, cause)


def reach(cause: str, scope: str, verb: str = "concerns") -> str:
    """Return how far a *cause* reaches: "it concerns the whole bridge"; empty: nothing to tell."""
    if scope in ("", rules.UNKNOWN):
        return ""
    if scope == Scope.PARTICIPANT:
        # Who sends badly is heard so by others too, whatever is known of them.
        if cause == rules.RECEIVED.word:
            return ""
        if cause == rules.PAIR.word:
            return f"it {verb} the two alone"
    return f"it {verb} {SCOPES.get(scope, scope)}"


def mostly(cause: str, scope: str, sender: str = "") -> str:
    """
    Return why most in a conference are bad, and how far that reaches.

    *sender* is who spoils the call of others, or whose stream is bad; empty: nobody knows.
    """
    if sender and scope == Scope.SENDER:
        return f"what {sender} sends"
    said = fault(cause, sender)
    if scope in ("", rules.UNKNOWN, Scope.PARTICIPANT):
        return said
    # The place for it is narrow: of a longer cause the first word of the scope is to be seen.
    return f"{said}; {SCOPES.get(scope, scope).removeprefix('the ')}"


def percent(value: float) -> str:
    """Return *value*, in percent, with as many digits as tell something."""
    return f"{value:.1f} %" if value < 10 and round(value, 1) % 1 else f"{value:.0f} %"


def milliseconds(value: float) -> str:
    """Return *value*, in ms."""
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.0f} s"


def score(value: float) -> str:
    """Return *value*, a mean opinion."""
    return f"{value:.1f}"


def bitrate(value: float) -> str:
    """Return *value*, in kbit/s."""
    return f"{value / 1000:.2f} Mbit/s"


def span(low: str, high: str) -> str:
    """Return what goes from *low* to *high*, both as they are written, with a unit told once."""
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    return f"{number if unit and high.endswith(f' {unit}') else low} to {high}"


# Field -> what it is called, and how its number is written.
_MEASURED: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "outage_down": ("nothing received for", milliseconds),
    "outage_up": ("nothing sent arrives for", milliseconds),
    rules.MOS: ("speech quality", score),
    "audio_concealed": ("speech made up", percent),
    rules.FROZEN: ("picture stood still", percent),
    rules.DECODE: ("time to decode a picture", milliseconds),
    rules.DELAY: ("page is late by", milliseconds),
    rules.LOSS_DOWN: ("loss down", percent),
    rules.WORST: ("loss of the worst stream", percent),
    "packetloss_download_best": ("loss of the best stream", percent),
    rules.LOSS: ("loss", percent),
    rules.ROUND_TRIP: ("round trip", milliseconds),
    rules.JITTER_DOWN: ("jitter down", milliseconds),
    rules.LOSS_UP: ("loss up", percent),
    rules.JITTER_UP: ("jitter up", milliseconds),
    "limitation_cpu": ("sending held down by the computer", percent),
    rules.PICTURE_LIMIT: ("sending held down by the network", percent),
}
# Of which any value is too much.
_OUTAGES: Final = {"outage_down", "outage_up"}


def evidence_text(evidence: Evidence) -> str:
    """Return what *evidence* says: "loss up 12 %, threshold 5 %"."""
    name, write = _MEASURED[evidence.field]
    told = f"{name} {write(evidence.value)}"
    if evidence.field in _OUTAGES:
        return told
    # Rounded, the two may read the same.
    threshold = write(evidence.threshold)
    if write(evidence.value) == threshold:
        return f"{told}, just past the threshold"
    return f"{told}, threshold {threshold}"


def duration(ms: float) -> str:
    """Return a time of *ms* in the two largest units that tell something."""
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
    """Return what stands out in the order in which it matters: how far it reaches, how bad."""
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
    """Return what something that stands out is called."""
    if scope == Scope.FLEET:
        return "All conferences together"
    # A newer version may know others.
    kind = _OF_SCOPE[Scope(scope)] if scope in [*Scope] else scope
    return f"{kind} {name or 'that is not told'}"


def iso(ms: float) -> str:
    """Return Unix time in *ms* as RFC 3339 has it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")[:-6] + "Z"


def clock(ms: float, is_precise: bool = False) -> str:  # noqa: FBT001, FBT002  # of a template
    """Return Unix time in *ms* as a clock shows it to who has no script."""
    form = "%H:%M:%S UTC" if is_precise else "%H:%M UTC"
    return datetime.fromtimestamp(ms / 1000, UTC).strftime(form)


def day_clock(ms: float) -> str:
    """Return Unix time in *ms* with its day, as `clock` does."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d, %H:%M UTC")
