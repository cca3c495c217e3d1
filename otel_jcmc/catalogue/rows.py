"""
The catalogue: every metric and attribute, one row each, and the only place they are described.

Derived from it, never retyped: the push check (push.py), the stored form (participants.py), the
gauges in both namings (gauges.py), the client's field table, docs/metrics.md and `otel-jcmc
catalogue` (generate.py). A new metric is one row here plus what `make generate` rewrites.

Ids are what Redis holds in place of names. They are permanent and never reused, so that two
versions of the service on one Redis never take one metric for another. Metrics have 1 to 63,
attributes 64 to 127: all of them are one byte in msgpack.

Sources of the names: the wire format and series of the Jitsi Client Metrics Collector; for the
`otel` naming the OpenTelemetry semantic conventions 1.44 where they have a name (`user_agent.*`,
`network.*`, `session.id`), else `jitsi.*`.
"""

from dataclasses import dataclass
from enum import StrEnum


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
    PATH = "each transport"
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


class How(StrEnum):
    """How one value is made of the streams in the browser's report."""

    GROWTH = "growth"  # what all streams together grew by since the sample before
    MAX_GROWTH = "max growth"  # of the stream that grew the most
    MIN_GROWTH = "min growth"  # of the stream that grew the least, screens left out
    MAX_LEVEL = "max level"  # the highest as it is now
    MIN_LEVEL = "min level"  # the lowest as it is now
    # of the stream where the share grew the most, of at least 20 so that few make no spike
    MAX_SHARE = "max share"


@dataclass(frozen=True, slots=True)
class Reading:
    """
    How the client reads a metric from the browser's report (RTCStatsReport of webrtc-stats).

    Attributes:
        of: terms `type.member` that are added; with a minus sign, subtracted. `sent` of
            `remote-inbound-rtp` is the client's own: packets sent up to that report of the peer.
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
        panel: the dashboard panel it belongs to.
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
    reading: Reading | None = None
    decimals: int = 0


# Before what the client asks the room for.
ROOM = "room."

UP = ("network.io.direction", "transmit")
DOWN = ("network.io.direction", "receive")
AUDIO = ("jitsi.media.kind", "audio")
VIDEO = ("jitsi.media.kind", "video")

# 10 Gbit/s: far above any browser's link, low enough that a counter sent by mistake is refused.
MAX_KBITS = 10_000_000
# Ten minutes: lib-jitsi-meet reports what it has when a path is dead, and that grows.
MAX_RTT_MS = 600_000
# An hour: the longest interval that a push may name.
MAX_INTERVAL_MS = 3_600_000

_ESTIMATE = ("jitsi.client.bandwidth.estimate", "bit/s")
_BITRATE = ("jitsi.client.bitrate", "bit/s")
_MEDIA = ("jitsi.client.media.bitrate", "bit/s")
_LOSS = ("jitsi.client.packet_loss.ratio", "1")
_JITTER = ("jitsi.client.jitter", "s")
_FRAME_RATE = ("jitsi.client.video.frame_rate", "{frame}/s")
_LIMITATION = ("jitsi.client.video.quality_limitation.ratio", "1")


def _kbits(
    id_: int, name: str, client: str, otel: tuple[str, str], brief: str, *fixed: tuple[str, str]
) -> Metric:
    """Return a row for a rate in kbit/s on the wire, bit/s in the `otel` naming."""
    panel = "Bandwidth" if otel is _ESTIMATE else "Bitrate"
    return Metric(
        id_, name, client, "kbit/s", 0, MAX_KBITS, *otel, brief, panel, 1000, 1, tuple(fixed), True
    )


def _percent(
    id_: int,
    name: str,
    source: str | Reading,
    otel: tuple[str, str],
    brief: str,
    *fixed: tuple[str, str],
    panel: str = "Packet loss",
) -> Metric:
    """Return a row for a share in percent on the wire, a ratio in the `otel` naming."""
    client, reading = (source, None) if isinstance(source, str) else ("", source)
    return Metric(
        id_,
        name,
        client,
        "percent",
        0,
        100,
        *otel,
        brief,
        panel,
        per=100,
        otel_attributes=fixed,
        reading=reading,
        decimals=2,
    )


def _read(
    id_: int,
    name: str,
    unit: str,
    maximum: int,
    otel: tuple[str, str],
    brief: str,
    panel: str,
    reading: Reading,
    *fixed: tuple[str, str],
    lower_is_worse: bool = False,
    decimals: int = 0,
) -> Metric:
    """Return a row that only the browser's report has; its unit is that of *otel*, or ms of s."""
    per = 1000 if unit == "ms" else 1
    return Metric(
        id_,
        name,
        "",
        unit,
        0,
        maximum,
        *otel,
        brief,
        panel,
        per=per,
        otel_attributes=fixed,
        lower_is_worse=lower_is_worse,
        reading=reading,
        decimals=decimals,
    )


def _limitation(id_: int, reason: str, brief: str) -> Metric:
    """Return a row for the share of time in which *reason* held the sent video down."""
    members = "outbound-rtp.qualityLimitationDurations."
    reading = Reading(
        How.GROWTH,
        (members + reason,),
        tuple(members + each for each in ("none", "cpu", "bandwidth", "other")),
        100,
    )
    attribute = ("jitsi.quality_limitation.reason", reason)
    return _percent(
        id_,
        f"limitation_{reason}",
        reading,
        _LIMITATION,
        brief,
        attribute,
        panel="What limits the sent video",
    )


METRICS: tuple[Metric, ...] = (
    Metric(
        1,
        "connectionquality",
        "connectionQuality",
        "score",
        0,
        100,
        "jitsi.client.connection.quality",
        "{score}",
        "Jitsi's own score of the connection, 0 to 100: sent bitrate against a target",
        "Connection quality",
        lower_is_worse=True,
        decimals=1,
    ),
    _kbits(
        2,
        "bandwidth_upload",
        "bandwidth.upload",
        _ESTIMATE,
        "Bandwidth that the browser estimates it can send",
        UP,
    ),
    _kbits(
        3,
        "bandwidth_download",
        "bandwidth.download",
        _ESTIMATE,
        "Bandwidth that the bridge estimates it can send to the participant",
        DOWN,
    ),
    _kbits(
        4,
        "bitrate_audio_upload",
        "bitrate.audio.upload",
        _MEDIA,
        "Audio that the participant sends",
        UP,
        AUDIO,
    ),
    _kbits(
        5,
        "bitrate_audio_download",
        "bitrate.audio.download",
        _MEDIA,
        "Audio that the participant receives",
        DOWN,
        AUDIO,
    ),
    _kbits(
        6,
        "bitrate_video_upload",
        "bitrate.video.upload",
        _MEDIA,
        "Video that the participant sends",
        UP,
        VIDEO,
    ),
    _kbits(
        7,
        "bitrate_video_download",
        "bitrate.video.download",
        _MEDIA,
        "Video that the participant receives",
        DOWN,
        VIDEO,
    ),
    _kbits(8, "bitrate_upload", "bitrate.upload", _BITRATE, "All that the participant sends", UP),
    _kbits(
        9,
        "bitrate_download",
        "bitrate.download",
        _BITRATE,
        "All that the participant receives",
        DOWN,
    ),
    _percent(
        10,
        "packetloss_upload",
        # Not the library's packetLoss.upload: that is always 0. And each stream by itself: Chromium
        # counts packets that only probe the bandwidth as sent, and those thin the loss of video.
        Reading(
            How.MAX_SHARE, ("remote-inbound-rtp.packetsLost",), ("remote-inbound-rtp.sent",), 100
        ),
        _LOSS,
        "Packets lost of those that the participant sent; the worst stream",
        UP,
    ),
    _percent(
        11,
        "packetloss_download",
        "packetLoss.download",
        _LOSS,
        "Packets lost of those that were sent to the participant",
        DOWN,
    ),
    _percent(
        12,
        "packetloss_total",
        # Not the library's packetLoss.total either: what was sent thins it.
        Reading(
            How.GROWTH,
            ("remote-inbound-rtp.packetsLost", "inbound-rtp.packetsLost"),
            ("remote-inbound-rtp.sent", "inbound-rtp.packetsReceived", "inbound-rtp.packetsLost"),
            100,
        ),
        ("jitsi.client.packet_loss.overall.ratio", "1"),
        "Packets lost of all that the participant sent or should have received",
    ),
    Metric(
        13,
        "transport_rtt",
        "transport[].rtt",
        "ms",
        0,
        MAX_RTT_MS,
        "jitsi.client.transport.round_trip_time",
        "s",
        "Round-trip time of each transport to the bridge or the peer",
        "Round-trip time",
        1,
        1000,
        is_list=True,
    ),
    _read(
        14,
        "jitter_upload",
        "ms",
        MAX_RTT_MS,
        _JITTER,
        "Jitter of what the participant sends, at its receiver; the worst stream",
        "Jitter",
        Reading(How.MAX_LEVEL, ("remote-inbound-rtp.jitter",), times=1000),
        UP,
        decimals=1,
    ),
    _read(
        15,
        "jitter_download",
        "ms",
        MAX_RTT_MS,
        _JITTER,
        "Jitter of what the participant receives; the worst stream",
        "Jitter",
        Reading(How.MAX_LEVEL, ("inbound-rtp.jitter",), times=1000),
        DOWN,
        decimals=1,
    ),
    _read(
        16,
        "round_trip_time",
        "ms",
        MAX_RTT_MS,
        ("jitsi.client.candidate_pair.round_trip_time", "s"),
        "Round-trip time of the candidate pair that is in use",
        "Round-trip time",
        Reading(How.MAX_LEVEL, ("candidate-pair.currentRoundTripTime",), times=1000),
    ),
    Metric(
        17,
        "bandwidth_available_upload",
        "",
        "kbit/s",
        0,
        MAX_KBITS,
        "jitsi.client.bandwidth.available",
        "bit/s",
        "Bandwidth that the congestion control gives to what is sent",
        "Bandwidth",
        times=1000,
        otel_attributes=(UP,),
        lower_is_worse=True,
        reading=Reading(How.MAX_LEVEL, ("candidate-pair.availableOutgoingBitrate",), times=0.001),
    ),
    _read(
        18,
        "framerate_upload",
        "frames/s",
        1000,
        _FRAME_RATE,
        "Frames a second of the video that the participant sends; its best stream",
        "Frame rate",
        Reading(How.MAX_LEVEL, ("outbound-rtp.framesPerSecond",)),
        UP,
        lower_is_worse=True,
        decimals=1,
    ),
    _read(
        19,
        "framerate_download",
        "frames/s",
        1000,
        _FRAME_RATE,
        "Frames a second of the worst video received; screens are left out",
        "Frame rate",
        Reading(How.MIN_GROWTH, ("inbound-rtp.framesDecoded",), ("inbound-rtp.timestamp",), 1000),
        DOWN,
        lower_is_worse=True,
        decimals=1,
    ),
    _read(
        20,
        "resolution_width_upload",
        "pixels",
        65_535,
        ("jitsi.client.video.frame.width", "{pixel}"),
        "Width of the video that the participant sends; its largest stream",
        "Sent video",
        Reading(How.MAX_LEVEL, ("outbound-rtp.frameWidth",)),
        UP,
        lower_is_worse=True,
    ),
    _read(
        21,
        "resolution_height_upload",
        "pixels",
        65_535,
        ("jitsi.client.video.frame.height", "{pixel}"),
        "Height of the video that the participant sends; its largest stream",
        "Sent video",
        Reading(How.MAX_LEVEL, ("outbound-rtp.frameHeight",)),
        UP,
        lower_is_worse=True,
    ),
    _read(
        22,
        "freezes",
        "freezes",
        1_000_000,
        ("jitsi.client.video.freezes", "{freeze}"),
        "Freezes of received video in the interval, of all streams together",
        "Received video",
        Reading(How.GROWTH, ("inbound-rtp.freezeCount",)),
    ),
    _read(
        23,
        "freeze_time",
        "ms",
        MAX_INTERVAL_MS,
        ("jitsi.client.video.freeze.duration", "s"),
        "Time for which received video was frozen in the interval; the worst stream",
        "Received video",
        Reading(How.MAX_GROWTH, ("inbound-rtp.totalFreezesDuration",), times=1000),
    ),
    _percent(
        24,
        "audio_concealed",
        Reading(
            How.GROWTH,
            ("inbound-rtp.concealedSamples", "-inbound-rtp.silentConcealedSamples"),
            ("inbound-rtp.totalSamplesReceived", "-inbound-rtp.silentConcealedSamples"),
            100,
        ),
        ("jitsi.client.audio.concealed.ratio", "1"),
        "Received audio that was made up because it was late or lost; silence left out",
        panel="Received audio",
    ),
    _read(
        25,
        "frames_dropped",
        "frames",
        1_000_000,
        ("jitsi.client.video.frames.dropped", "{frame}"),
        "Received frames that were never shown, in the interval, of all streams together",
        "Received video",
        Reading(How.GROWTH, ("inbound-rtp.framesDropped",)),
    ),
    _read(
        26,
        "encode_time",
        "ms",
        MAX_RTT_MS,
        ("jitsi.client.video.encode.duration", "s"),
        "Time to encode one frame of the sent video, on average over the interval",
        "Sent video",
        Reading(
            How.GROWTH, ("outbound-rtp.totalEncodeTime",), ("outbound-rtp.framesEncoded",), 1000
        ),
        decimals=1,
    ),
    _limitation(27, "none", "Share of the interval in which nothing held the sent video down"),
    _limitation(28, "cpu", "Share of the interval in which the CPU held the sent video down"),
    _limitation(
        29, "bandwidth", "Share of the interval in which the network held the sent video down"
    ),
    Metric(
        30,
        "conference_participants",
        f"{ROOM}getParticipantCount()",
        "participants",
        0,
        1_000_000,
        "jitsi.client.conference.participants",
        "{participant}",
        "Participants of the conference as this one sees it, itself included",
        "Conference",
    ),
)
# Ids are never reused, so this is at least how many there are.
LAST_METRIC_ID = max(row.id for row in METRICS)

# The gauge that carries the descriptive attributes in the `otel` naming; its value is always 1.
INFO_NAME = "jitsi.client.info"
INFO_BRIEF = "The participant's browser, system and region; always 1"

CONFERENCE = Attribute(
    64,
    "default_labels.roomname",
    Scope.IDENTITY,
    "roomname",
    "jitsi.conference.name",
    "Name of the conference",
)
CLIENT = Attribute(
    65,
    "default_labels.client_id",
    Scope.IDENTITY,
    "client_id",
    "",
    "GUID that lasts in the browser's local storage",
    Kind.GUID,
)
PARTICIPANT = Attribute(
    66,
    "default_labels.participant_id",
    Scope.IDENTITY,
    "participant_id",
    "jitsi.participant.id",
    "Jitsi's id of the participant in the conference",
    max_length=128,
)
SESSION = Attribute(
    67,
    "session.id",
    Scope.STORED,
    "",
    "session.id",
    "One participant's stay in one conference, from join to leave",
    Kind.SESSION,
    max_length=64,
)
MEETING = Attribute(
    68,
    "session.meeting_id",
    Scope.STORED,
    "",
    "",
    "The conference's unique id where the page has one",
    max_length=128,
)
REGION = Attribute(
    69,
    "metrics.connectionquality.labels.serverregion",
    Scope.QUALITY,
    "serverregion",
    "jitsi.region",
    "Region of the bridge",
)
USERNAME = Attribute(
    70,
    "metrics.connectionquality.labels.username",
    Scope.QUALITY,
    "username",
    "",
    "Display name; only with COLLECT_USERNAME",
    collect="collect_username",
)
BROWSER_NAME = Attribute(
    71,
    "user_agent",
    Scope.QUALITY,
    "browser_name",
    "user_agent.name",
    "Name of the browser",
    max_length=64,
)
BROWSER_VERSION = Attribute(
    72,
    "user_agent",
    Scope.QUALITY,
    "browser_version",
    "user_agent.version",
    "Version of the browser; in the `otel` naming its major number",
    max_length=64,
)
OS_NAME = Attribute(
    73,
    "user_agent",
    Scope.QUALITY,
    "os_name",
    "user_agent.os.name",
    "Name of the system",
    max_length=64,
)
OS_VERSION = Attribute(
    74,
    "user_agent",
    Scope.QUALITY,
    "os_version",
    "user_agent.os.version",
    "Version of the system",
    max_length=64,
)
AUDIO_CODEC = Attribute(
    75,
    "metrics.connectionquality.labels.audioCodec",
    Scope.QUALITY,
    "audio_codec",
    "jitsi.audio.codec",
    "Codec of the audio that the participant sends",
    max_length=64,
)
VIDEO_CODEC = Attribute(
    76,
    "metrics.connectionquality.labels.videoCodec",
    Scope.QUALITY,
    "video_codec",
    "jitsi.video.codec",
    "Codec of the video that the participant sends",
    max_length=64,
)

_PATH = "metrics.transport_rtt[].labels."
# RTCIceCandidateType (WebRTC).
_CANDIDATE_TYPES = ("host", "srflx", "prflx", "relay")
LOCAL_ADDRESS = Attribute(
    80,
    _PATH + "src_ip",
    Scope.PATH,
    "src_ip",
    "network.local.address",
    "The participant's own address; only with JCMC_COLLECT_ADDRESSES",
    Kind.ADDRESS,
    collect="collect_addresses",
)
PEER_ADDRESS = Attribute(
    81,
    _PATH + "dst_ip",
    Scope.PATH,
    "dst_ip",
    "network.peer.address",
    "Address of the bridge or the peer; only with JCMC_COLLECT_ADDRESSES",
    Kind.ADDRESS,
    collect="collect_addresses",
)
PROTOCOL = Attribute(
    82,
    _PATH + "protocol",
    Scope.PATH,
    "protocol",
    "network.transport",
    "Transport protocol",
    Kind.CHOICE,
    choices=("tcp", "udp"),
)
NETWORK_TYPE = Attribute(
    83,
    _PATH + "networkType",
    Scope.PATH,
    "networkType",
    "network.connection.type",
    "Kind of network, as the browser names it",
    # RTCNetworkType (WebRTC statistics) to the semantic conventions' words.
    otel_values=(("ethernet", "wired"), ("cellular", "cell")),
)
CANDIDATE_TYPE = Attribute(
    84,
    _PATH + "localCandidateType",
    Scope.PATH,
    "localCandidateType",
    "jitsi.ice.candidate.type",
    "Type of the participant's ICE candidate; `relay`: through a TURN server",
    Kind.CHOICE,
    choices=_CANDIDATE_TYPES,
)
PEER_TO_PEER = Attribute(
    85,
    _PATH + "p2p",
    Scope.PATH,
    "p2p",
    "jitsi.p2p",
    "Whether the transport goes to the peer instead of the bridge",
    Kind.CHOICE,
    choices=("true", "false"),
)
REMOTE_CANDIDATE_TYPE = Attribute(
    86,
    _PATH + "remoteCandidateType",
    Scope.PATH,
    "remoteCandidateType",
    "jitsi.ice.remote_candidate.type",
    "Type of the ICE candidate at the other end; `relay`: through a TURN server",
    Kind.CHOICE,
    choices=_CANDIDATE_TYPES,
)

# Of the one transport that the Jitsi Meet Metrics Collector's pages tell of.
LOCAL_PORT = Attribute(
    87,
    "m.t.lp",
    Scope.STORED,
    "",
    "network.local.port",
    "The participant's own port; only with JCMC_COLLECT_ADDRESSES",
    max_length=5,
    collect="collect_addresses",
)
PEER_PORT = Attribute(
    88,
    "m.t.p",
    Scope.STORED,
    "",
    "network.peer.port",
    "Port of the bridge or the peer; only with JCMC_COLLECT_ADDRESSES",
    max_length=5,
    collect="collect_addresses",
)
CLIENT_ADDRESS = Attribute(
    89,
    "m.t.rip",
    Scope.STORED,
    "",
    "client.address",
    "The address that the participant's pushes come from; only with JCMC_COLLECT_ADDRESSES",
    Kind.ADDRESS,
    collect="collect_addresses",
)

ATTRIBUTES: tuple[Attribute, ...] = (
    CONFERENCE,
    CLIENT,
    PARTICIPANT,
    SESSION,
    MEETING,
    REGION,
    USERNAME,
    BROWSER_NAME,
    BROWSER_VERSION,
    OS_NAME,
    OS_VERSION,
    AUDIO_CODEC,
    VIDEO_CODEC,
    LOCAL_ADDRESS,
    PEER_ADDRESS,
    PROTOCOL,
    NETWORK_TYPE,
    CANDIDATE_TYPE,
    PEER_TO_PEER,
    REMOTE_CANDIDATE_TYPE,
    LOCAL_PORT,
    PEER_PORT,
    CLIENT_ADDRESS,
)
