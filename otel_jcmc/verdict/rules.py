"""
The rules of the verdict; docs/verdict.md shows them as tables.

`symptoms` lists the things that a person would complain of, each with its metric and thresholds.
CAUSES lists the faults that may explain a symptom. judge.py checks the causes in this order, and
takes the first cause with evidence.
"""

from enum import IntEnum, StrEnum
from math import inf
from typing import Final, NamedTuple


class State(IntEnum):
    """The state of a call. If the state is not known, None is used in place of a member."""

    GOOD = 0
    FAIR = 1
    BAD = 2


class Kind(StrEnum):
    """The kind of a symptom; only causes of the same kind may explain the symptom."""

    SILENCE = "silence"
    RECEIVED = "heard or seen badly"
    SENT = "sent badly"


class Symptom(NamedTuple):
    """
    One thing that a person would complain of, and the metric that shows it.

    Attributes:
        field: the metric that shows the symptom.
        kind: the kind of the symptom; only causes of this kind are checked.
        fair, bad: threshold of each state; inf: the symptom alone never leads to that state.
        is_below: whether lower values are worse.
        when: a further condition of the symptom, as text for the docs.
        source: origin of the thresholds.
    """

    field: str
    kind: Kind
    fair: float
    bad: float
    is_below: bool = False
    when: str = ""
    source: str = ""


class Cause(NamedTuple):
    """
    One fault that may explain a symptom.

    Attributes:
        id: the cause's id in Redis; permanent, never reused.
        kind: kind of the symptoms that the cause may explain; None: any kind, on a connection
            without a bridge.
        brief: the meaning of the cause, as text for people.
        evidence: the condition under which the cause is chosen, as text for the docs.
    """

    id: int
    word: str
    kind: Kind | None
    brief: str
    evidence: str


# The thresholds of FROZEN are in percent of the time that a push covers; `freeze_time` is in ms.
FROZEN: Final = "freeze_time"
PICTURE_LIMIT: Final = "limitation_bandwidth"
DECODE: Final = "decode_time"
# A computer counts as busy if decoding takes at least this share of the time until the next frame.
# We measured shares of 0.01 on a fast computer. On a computer that we allowed only a thirtieth of
# its CPU time, they were 0.07 to 0.32.
BUSY: Final = 0.15
DELAY: Final = "event_loop_delay"
# Windows rounds timers up to steps of 15.6 ms to save power, so a timer is 7.8 ms late on average.
# If a page's timers are later than WAITS_MS, the page waits for the CPU. Users feel 50 ms or more.
WAITS_MS: Final = 10
FELT_MS: Final = 50
LOSS_UP: Final = "packetloss_upload"
LOSS_DOWN: Final = "packetloss_download"
WORST: Final = "packetloss_download_worst"
LOSS: Final = "packetloss_total"
JITTER_UP: Final = "jitter_upload"
JITTER_DOWN: Final = "jitter_download"
ROUND_TRIP: Final = "round_trip_time"
MOS: Final = "audio_mos"
# A computer is slow if its CPU limits the sent video for more than this percentage of the time.
SLOW_CPU_PERCENT: Final = 50
_G107 = "ITU-T G.107: below 3.60 some users are dissatisfied, below 3.10 many"
_LONG_TASKS = "W3C Long Tasks: users feel a task of over 50 ms"
_OURS = "ours"


def symptoms(bad_loss: float = 5, bad_round_trip_ms: float = 400) -> tuple[Symptom, ...]:
    """Return the symptoms, with the operator's thresholds of loss (percent) and round trip."""
    loss = bad_loss / 2, bad_loss
    by_loss, by_trip = "JCMC_BAD_PACKET_LOSS", "JCMC_BAD_ROUND_TRIP"
    either = "if neither direction is known"
    # Two delays differ by at most twice their mean, so a higher jitter is not typical of the path.
    lasting = "if the round trip is at least half as long"
    return (
        Symptom("outage_down", Kind.SILENCE, 0, 0, source=_OURS),
        Symptom("outage_up", Kind.SILENCE, 0, 0, source=_OURS),
        Symptom(MOS, Kind.RECEIVED, 3.6, 3.1, is_below=True, source=_G107),
        Symptom("audio_concealed", Kind.RECEIVED, 2, 5, source=_OURS),
        Symptom(FROZEN, Kind.RECEIVED, 3, 10, when="percent of the time", source=_OURS),
        Symptom(
            DECODE,
            Kind.RECEIVED,
            100 * BUSY,
            inf,
            when="percent of the time until the next frame, if a picture stood still",
            source=_OURS,
        ),
        Symptom(
            DELAY,
            Kind.RECEIVED,
            WAITS_MS,
            inf,
            when=f"if a picture stood still; otherwise only over {FELT_MS}",
            source=_LONG_TASKS,
        ),
        Symptom(LOSS_DOWN, Kind.RECEIVED, *loss, source=by_loss),
        Symptom(WORST, Kind.RECEIVED, bad_loss, inf, source=by_loss),
        Symptom(LOSS, Kind.RECEIVED, *loss, when=either, source=by_loss),
        Symptom(
            ROUND_TRIP, Kind.RECEIVED, bad_round_trip_ms / 2, bad_round_trip_ms, source=by_trip
        ),
        Symptom(JITTER_DOWN, Kind.RECEIVED, 30, inf, when=lasting, source=_OURS),
        Symptom(LOSS_UP, Kind.SENT, *loss, source=by_loss),
        Symptom(JITTER_UP, Kind.SENT, 30, inf, when=lasting, source=_OURS),
        Symptom("limitation_cpu", Kind.SENT, SLOW_CPU_PERCENT, inf, source=_OURS),
        Symptom(
            PICTURE_LIMIT,
            Kind.SENT,
            50,
            inf,
            when="while the picture is lower than Jitsi asks for",
            source=_OURS,
        ),
    )


OUTAGE: Final = Cause(
    1, "outage", Kind.SILENCE, "Nothing gets through, one way or both", "an outage goes on"
)
DOWNLINK: Final = Cause(
    2,
    "downlink",
    Kind.RECEIVED,
    "The way from the bridge to this participant",
    "loss over half of the bad threshold; with streams of several senders, even the best stream"
    " loses over an eighth of the threshold",
)
RECEIVED: Final = Cause(
    3,
    "received",
    Kind.RECEIVED,
    "The streams that others send; this participant's own way is good",
    "one stream loses over half of the bad threshold (over the whole threshold if one sender may"
    " have sent all streams), and another stream at most an eighth of the threshold",
)
DOWNLINK_OR_RECEIVED: Final = Cause(
    4,
    "downlink_or_received",
    Kind.RECEIVED,
    "`downlink` or `received`: with one received stream the page cannot know which",
    "loss or jitter down, and no other sender to compare with: a conference of two, or only one"
    " expected stream",
)
SLOW_RECEIVER: Final = Cause(
    5,
    "device",
    Kind.RECEIVED,
    "The participant's computer",
    "no loss, and the page's own timers come over 10 ms late, or decoding a frame takes over 15 %"
    " of the time until the next frame",
)
PATH: Final = Cause(
    6,
    "path",
    Kind.RECEIVED,
    "A long network path, without loss",
    "no loss, and a round trip over half of the bad threshold, after twice the delay of the page's"
    " own timers is subtracted",
)
UPLINK: Final = Cause(
    7,
    "uplink",
    Kind.SENT,
    "The way from this participant to the bridge",
    "loss up; or, if the page does not wait for its CPU, jitter up or too little bandwidth for the"
    " wanted picture",
)
SLOW_SENDER: Final = Cause(
    5,
    "device",
    Kind.SENT,
    "The participant's computer",
    "no loss, and the page's own timers are over 10 ms late; or the CPU limits the sent video",
)
PAIR: Final = Cause(
    8,
    "pair",
    None,
    "The network between two participants that are connected without a bridge; the service cannot"
    " tell which end",
    "a network cause, and no transport goes to a bridge",
)
CAUSES: Final = (
    *(OUTAGE, DOWNLINK, RECEIVED, DOWNLINK_OR_RECEIVED, SLOW_RECEIVER, PATH, UPLINK),
    *(SLOW_SENDER, PAIR),
)
WORD_OF: Final = {cause.id: cause.word for cause in CAUSES}
# The word for a state that no cause explains.
UNKNOWN: Final = "unknown"
# In a call without a bridge, the fault may be at either end, so PAIR replaces these causes.
OF_NETWORK: Final = frozenset(
    cause.id for cause in (DOWNLINK, RECEIVED, DOWNLINK_OR_RECEIVED, PATH, UPLINK)
)
