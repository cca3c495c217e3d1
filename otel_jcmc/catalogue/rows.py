"""
The types of the catalogue's rows: a metric, an attribute, and a reading of the browser's report.

These are made from the rows: the check of a push (`wire`), the stored form (`store`), the gauges in
both namings (`metrics`), the client's table of fields, docs/metrics.md and `otel-jcmc catalogue`.

Redis holds the ids of rows in place of names. Ids are permanent and never reused, so two versions
of the service on one Redis never confuse two metrics. Metrics have the ids 1 to 63, attributes 64
to 127: each id is one byte in msgpack.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The kind of text that an attribute must have to be kept."""

    TEXT = "text"
    GUID = "guid"
    SESSION = "session id"
    ADDRESS = "address"
    CHOICE = "choice"


class Naming(StrEnum):
    """The naming of the series."""

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
        field: the name of the attribute's field in the push; the service reads the fields of
            `user_agent` from the header `User-Agent`.
        scope: the series that have the attribute in the `jcmc` naming.
        label: the attribute's label in the `jcmc` naming; empty: that naming has no such label.
        otel_name: the attribute's name in the `otel` naming; empty: no series of that naming has
            the attribute.
        max_length: most characters of text, if fewer than JCMC_LIMIT_LABEL_CHARACTERS; 0: only
            JCMC_LIMIT_LABEL_CHARACTERS limits the text.
        choices: the words that the service accepts if kind is CHOICE.
        otel_values: words that have another form in the `otel` naming.
        collect: the service keeps the attribute only if this setting is on; empty: the service
            always keeps the attribute.
        like: id of another attribute. This attribute then has the text that the other attribute
            has for another participant. Privacy treats both attributes in the same way, and equal
            texts have equal hashes. 0: no such attribute.
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
    """How one value is made from the streams in the browser's report."""

    GROWTH = "growth"  # the growth of all streams together since the last reading of the report
    # the growth of `of`, divided by the growth of `per`, or by 20 if `per` grew by less than 20:
    # otherwise one lost packet of very few would look like a high loss
    SHARE = "share"
    MAX_GROWTH = "max growth"  # the growth of the stream that grew the most
    MIN_GROWTH = "min growth"  # the growth of the stream that grew the least
    MAX_LEVEL = "max level"  # the highest present value of a stream
    MAX_SHARE = "max share"  # the highest share of a single stream
    MIN_SHARE = "min share"  # the lowest share of a single stream
    CHANGES = "changes"  # how many streams changed since the last reading
    STILLNESS = "stillness"  # 1 if `of` has not grown since the last reading, otherwise 0


class OwnMember(NamedTuple):
    """
    A member of the report that the client computes.

    Attributes:
        told: the meaning of the member, for the docs.
        of: the members that the client computes it from. A member with a minus sign may be missing.
    """

    told: str
    of: tuple[str, ...] = ()


# The streams of a type that `type:which` names, as client/parts/report.js selects them.
STREAMS: dict[str, str] = {
    "inbound-rtp:any": "all received streams, also streams without a packet since the last sample",
    "inbound-rtp:audio": "received sound",
    "inbound-rtp:moving": "received video whose picture should move. The client leaves out shared"
    " screens, cameras that are off, streams that the bridge holds back, streams in a hidden page,"
    " and streams that have not shown a frame yet",
    "media-source:open": "the microphone, unless it is muted",
    "remote-inbound-rtp:counted": "sent sound; sent video only if the participant sends no sound."
    " For video, Chromium also counts the packets that it sends to probe the bandwidth. The loss"
    " that the client computes is then too low: 6.4 % when the true loss was 10.2 %",
    "outbound-rtp:largest": "the layer of sent video with the largest picture",
}
OWN_MEMBERS: dict[str, OwnMember] = {
    "remote-inbound-rtp:counted.sent": OwnMember(
        "number of packets sent, without retransmissions, in the stream that `localId` names",
        (
            "remote-inbound-rtp.localId",
            "outbound-rtp.packetsSent",
            "-outbound-rtp.retransmittedPacketsSent",
        ),
    ),
    "inbound-rtp:moving.stops": OwnMember(
        "number of times that the picture stopped: the growth of `freezeCount` and, if the picture"
        " should move, of `pauseCount`. The client also counts a stop if no frame has come since"
        " the last sample, and does not count this stop again when the browser counts it",
        ("inbound-rtp.freezeCount", "-inbound-rtp.pauseCount"),
    ),
    "inbound-rtp:moving.stood": OwnMember(
        "for how many seconds the picture stopped, also while a stop lasts. The browser's"
        " `totalFreezesDuration` and `totalPausesDuration` grow only when the next frame comes."
        " The client then adds only the seconds that it has not counted yet",
        ("inbound-rtp.totalFreezesDuration", "-inbound-rtp.totalPausesDuration"),
    ),
    "page.delay": OwnMember(
        "how many ms a timer of 250 ms fires too late on average, minus the smallest delay that"
        " the page has measured. The client does not measure it while the page is hidden or has"
        " just joined"
    ),
    "page.expected": OwnMember(
        "number of streams of other participants that should arrive, by the library's information"
        " about their tracks"
    ),
    "page.wantedHeight": OwnMember(
        "height of the camera's picture divided by `scaleResolutionDownBy` of the largest active"
        " layer (`RTCRtpSender.getParameters()`). The library sets `scaleResolutionDownBy` by the"
        " size in which other participants show the video"
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """
    How the client reads a metric from the browser's report (RTCStatsReport of webrtc-stats).

    Attributes:
        of: terms `type.member` that are added. A term with a minus sign is subtracted, unless
            nothing arrives from the other side. `type:which.member` covers only some streams of the
            type (STREAMS). The client computes the members in OWN_MEMBERS.
        per: terms of the same kind. The sum of `of` is divided by the sum of these terms. Empty:
            the sum is not divided.
        times: factor that converts the browser's unit to the unit on the wire.
    """

    how: How
    of: tuple[str, ...]
    per: tuple[str, ...] = ()
    times: int | float = 1

    def __str__(self) -> str:
        """Return the reading as the docs show it."""
        text = _sum_text(self.of)
        if self.per:
            text += f" / {_sum_text(self.per)}"
        return f"{self.how} of {text}"


def _sum_text(terms: tuple[str, ...]) -> str:
    """Return *terms* as a sum; if all terms have the same type, the type is written once, first."""
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
        client: where the client finds the value: a path into `cq.local_stats_updated`, or after
            `room.` a method of lib-jitsi-meet's room object; empty: in neither.
        reading: how the client computes the value from the browser's own report; None: the client
            does not use this report.
        unit: unit on the wire and in the `jcmc` naming, for the docs.
        minimum, maximum: bounds of an accepted value, in the wire's unit.
        otel_name, otel_unit: name and UCUM unit in the `otel` naming.
        times, per: wire value x times / per is the value in the `otel` naming. Two integers,
            because a division by 100 rounds correctly and a multiplication by 0.01 does not.
        otel_attributes: fixed attributes that distinguish the rows of one `otel` name.
        lower_is_worse: if one series gets two values, whether the service keeps the lower value;
            otherwise it keeps the higher value.
        is_list: whether the metric has several values, one for each transport.
        is_ours: whether the service computes the metric from the push; clients may not push it.
        panel: the metric's subject in a word or two. If a gauge has several rows, this is the
            gauge's description.
        decimals: decimal places that history keeps.
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
