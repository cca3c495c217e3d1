"""
What a row of the catalogue says: of a metric, of an attribute, of where a browser's report has it.

Derived from the rows, never retyped: the push check (`wire`), the stored form (`store`), the gauges
in both namings (`metrics`), the client's field table, docs/metrics.md and `otel-jcmc catalogue`.

Ids are what Redis holds in place of names. They are permanent and never reused, so that two
versions of the service on one Redis never take one metric for another. Metrics have 1 to 63,
attributes 64 to 127: all of them are one byte in msgpack.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What the text of an attribute must be to be kept."""

    TEXT = "text"
    GUID = "guid"
    SESSION = "session id"
    ADDRESS = "address"
    CHOICE = "choice"


class Naming(StrEnum):
    """Which names the series have."""

    JCMC = "jcmc"
    OTEL = "otel"


class Scope(StrEnum):
    """Which series carry an attribute."""

    IDENTITY = "every series"
    QUALITY = "connection quality"
    DESCRIPTION = "connection quality and info"
    INFO = "info"
    PATH = "each transport"
    ROLE = "who is no ordinary participant"
    STORED = "no series"


@dataclass(frozen=True, slots=True)
class Attribute:
    """
    One attribute of a participant, or of one of its transports.

    Attributes:
        id: permanent id in the stored form.
        field: where the push has it; `user_agent` fields come from the header.
        scope: which series carry it in the `jcmc` naming.
        label: its label in the `jcmc` naming; empty: that naming has no such label.
        otel_name: its attribute name in the `otel` naming; empty: that naming never carries it.
        max_length: characters of text that are accepted, if there are fewer than
            JCMC_LIMIT_LABEL_CHARACTERS; 0: as many as that.
        choices: the words accepted where kind is CHOICE.
        otel_values: words that the `otel` naming says differently.
        collect: the setting that must be on before this is kept; empty: always kept.
        like: id of the attribute whose text of another participant it holds: what becomes of that
            one for privacy becomes of this one, and their hashes are the same; 0: of none.
    """

    id: int
    field: str
    scope: Scope
    label: str
    otel_name: str
    brief: str
    kind: Kind = Kind.TEXT
    max_length: int = 0
    choices: tuple[str, ...] = ()
    otel_values: tuple[tuple[str, str], ...] = ()
    collect: str = ""
    like: int = 0


class How(StrEnum):
    """How one value is made of the streams in the browser's report."""

    GROWTH = "growth"  # what all streams together grew by since the sample before
    # the same, of at least 20, so that few make no spike
    SHARE = "share"
    MAX_GROWTH = "max growth"  # of the stream that grew the most
    MIN_GROWTH = "min growth"  # of the stream that grew the least
    MAX_LEVEL = "max level"  # the highest as it is now
    # of the stream where the share grew the most, of at least 20 so that few make no spike
    MAX_SHARE = "max share"
    MIN_SHARE = "min share"  # of the one where it grew the least, the same way
    CHANGES = "changes"  # how many streams have another value than in the sample before
    STILLNESS = "stillness"  # 1 if nothing has grown since the sample before, 0 if something has


class OwnMember(NamedTuple):
    """
    A member that the client makes itself.

    Attributes:
        told: what it is, for the docs.
        of: the members that it is made of; it does without those with a minus sign.
    """

    told: str
    of: tuple[str, ...] = ()


# Which streams of a type `type:which` names, as client/parts/report.js picks them.
STREAMS: dict[str, str] = {
    "inbound-rtp:any": "also those of which no packet came in the interval",
    "inbound-rtp:audio": "of sound",
    "inbound-rtp:moving": "of video that should move. Not a screen, a camera that is off, what the"
    " bridge holds back, a hidden page, or what has shown no frame yet",
    "media-source:open": "of the microphone, unless it is muted",
    "remote-inbound-rtp:counted": "of sound, where sound is sent. Of video Chromium counts what it"
    " sends to probe the bandwidth as packets too: 6.4 % are lost of those where 10.2 % are",
    "outbound-rtp:largest": "the largest layer of which frames are sent",
}
OWN_MEMBERS: dict[str, OwnMember] = {
    "remote-inbound-rtp:counted.sent": OwnMember(
        "packets sent less those sent again, of the stream that `localId` names",
        (
            "remote-inbound-rtp.localId",
            "outbound-rtp.packetsSent",
            "-outbound-rtp.retransmittedPacketsSent",
        ),
    ),
    "inbound-rtp:moving.stops": OwnMember(
        "freezes, and pauses of what should have moved, as `freezeCount` and `pauseCount` have"
        " them; a stop counts once no frame has come for a whole interval",
        ("inbound-rtp.freezeCount", "-inbound-rtp.pauseCount"),
    ),
    "inbound-rtp:moving.stood": OwnMember(
        "seconds of these stops, as they happen; the browser's `totalFreezesDuration` and"
        " `totalPausesDuration` grow when the next frame comes, and then only the rest is told",
        ("inbound-rtp.totalFreezesDuration", "-inbound-rtp.totalPausesDuration"),
    ),
    "page.delay": OwnMember(
        "by how much a timer of 250 ms comes late, on average, less what it always does; not of a"
        " page that is hidden or has just joined"
    ),
    "page.expected": OwnMember("what the library says of the tracks of others"),
    "page.wantedHeight": OwnMember(
        "lines of the camera by `scaleResolutionDownBy` of the largest layer that is on"
        " (`RTCRtpSender.getParameters()`), which the library sets by what others look at"
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """
    How the client reads a metric from the browser's report (RTCStatsReport of webrtc-stats).

    Attributes:
        of: terms `type.member` that are added; with a minus sign, subtracted, unless the receiving
            path is down. `type:which.member` is of some streams of the type only (STREAMS), and
            members in OWN_MEMBERS are the client's own.
        per: terms of the same kind, by whose sum the first is divided; empty: not divided.
        times: makes the wire's unit of the browser's.
    """

    how: How
    of: tuple[str, ...]
    per: tuple[str, ...] = ()
    times: int | float = 1

    def __str__(self) -> str:
        """Return it as the docs show it."""
        text = _sum_text(self.of)
        if self.per:
            text += f" / {_sum_text(self.per)}"
        return f"{self.how} of {text}"


def _sum_text(terms: tuple[str, ...]) -> str:
    """Return *terms* as a sum; a type that is the same for all stands before them."""
    first, *others = terms
    kind = first.partition(".")[0] + "."
    rest = "".join(
        f" - {term[1:].removeprefix(kind)}"
        if term.startswith("-")
        else f" + {term.removeprefix(kind)}"
        for term in others
    )
    return f"({first}{rest})" if others else first


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One pushed metric: a field of the wire, a series in each naming.

    Attributes:
        id: permanent id in the stored form.
        field: key in the push's `metrics`; also the series name in the `jcmc` naming.
        client: where the client finds it: a path into `cq.local_stats_updated`, or after `room.`
            a method of the room; empty: in neither.
        reading: how the client makes it of the browser's own report; None: it does not.
        unit: unit on the wire and in the `jcmc` naming, for the docs.
        minimum, maximum: bounds of an accepted value, in that unit.
        otel_name, otel_unit: name and UCUM unit in the `otel` naming.
        times, per: wire value x times / per is the value in the `otel` naming. Two integers,
            because a division by 100 rounds right where a multiplication by 0.01 does not.
        otel_attributes: fixed attributes that tell the rows of one `otel` name apart.
        lower_is_worse: of two values for one series the lower is kept, else the higher.
        is_list: several values, one for each transport.
        is_ours: made by the service of what is pushed; nobody may push it.
        panel: what it is of, in a word or two; what the gauge of several rows is called by.
        decimals: places after the point that history keeps.
    """

    id: int
    field: str
    client: str
    unit: str
    minimum: int
    maximum: int
    otel_name: str
    otel_unit: str
    brief: str
    panel: str
    times: int = 1
    per: int = 1
    otel_attributes: tuple[tuple[str, str], ...] = ()
    lower_is_worse: bool = False
    is_list: bool = False
    is_ours: bool = False
    reading: Reading | None = None
    decimals: int = 0
