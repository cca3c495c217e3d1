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
        max_length: characters of text that are accepted.
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
    max_length: int = 256
    choices: tuple[str, ...] = ()
    otel_values: tuple[tuple[str, str], ...] = ()
    collect: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One pushed metric: a field of the wire, a series in each naming.

    Attributes:
        id: permanent id in the stored form.
        field: key in the push's `metrics`; also the series name in the `jcmc` naming.
        client: where the browser finds it, a path into `cq.local_stats_updated`.
        unit: unit on the wire and in the `jcmc` naming, for the docs.
        minimum, maximum: bounds of an accepted value, in that unit.
        otel_name, otel_unit: name and UCUM unit in the `otel` naming.
        times, per: wire value x times / per is the value in the `otel` naming. Two integers,
            because a division by 100 rounds right where a multiplication by 0.01 does not.
        otel_attributes: fixed attributes that tell the rows of one `otel` name apart.
        lower_is_worse: of two values for one series the lower is kept, else the higher.
        is_list: several values, one for each transport.
        panel: the dashboard panel it belongs to.
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


UP = ("network.io.direction", "transmit")
DOWN = ("network.io.direction", "receive")
AUDIO = ("jitsi.media.kind", "audio")
VIDEO = ("jitsi.media.kind", "video")

# 10 Gbit/s: far above any browser's link, low enough that a counter sent by mistake is refused.
MAX_KBITS = 10_000_000
# Ten minutes: lib-jitsi-meet reports what it has when a path is dead, and that grows.
MAX_RTT_MS = 600_000

_ESTIMATE = ("jitsi.client.bandwidth.estimate", "bit/s")
_BITRATE = ("jitsi.client.bitrate", "bit/s")
_MEDIA = ("jitsi.client.media.bitrate", "bit/s")
_LOSS = ("jitsi.client.packet_loss.ratio", "1")


def _kbits(
    id_: int, name: str, client: str, otel: tuple[str, str], brief: str, *fixed: tuple[str, str]
) -> Metric:
    """Return a row for a rate in kbit/s on the wire, bit/s in the `otel` naming."""
    panel = "Bandwidth" if otel is _ESTIMATE else "Bitrate"
    return Metric(
        id_, name, client, "kbit/s", 0, MAX_KBITS, *otel, brief, panel, 1000, 1, tuple(fixed), True
    )


def _percent(
    id_: int, name: str, client: str, otel: tuple[str, str], brief: str, *fixed: tuple[str, str]
) -> Metric:
    """Return a row for a share in percent on the wire, a ratio in the `otel` naming."""
    return Metric(
        id_, name, client, "percent", 0, 100, *otel, brief, "Packet loss", 1, 100, tuple(fixed)
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
        "packetLoss.upload",
        _LOSS,
        "Packets lost of those that the participant sent",
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
        "packetLoss.total",
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
)

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
    71, "user_agent", Scope.QUALITY, "browser_name", "user_agent.name", "Name of the browser"
)
BROWSER_VERSION = Attribute(
    72,
    "user_agent",
    Scope.QUALITY,
    "browser_version",
    "user_agent.version",
    "Version of the browser; in the `otel` naming its major number",
)
OS_NAME = Attribute(
    73, "user_agent", Scope.QUALITY, "os_name", "user_agent.os.name", "Name of the system"
)
OS_VERSION = Attribute(
    74,
    "user_agent",
    Scope.QUALITY,
    "os_version",
    "user_agent.os.version",
    "Version of the system",
)

_PATH = "metrics.transport_rtt[].labels."
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
    "",
    "jitsi.ice.candidate.type",
    "Type of the local ICE candidate",
    Kind.CHOICE,
    choices=("host", "srflx", "prflx", "relay"),
)
PEER_TO_PEER = Attribute(
    85,
    _PATH + "p2p",
    Scope.PATH,
    "",
    "jitsi.p2p",
    "Whether the transport goes to the peer instead of the bridge",
    Kind.CHOICE,
    choices=("true", "false"),
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
    LOCAL_ADDRESS,
    PEER_ADDRESS,
    PROTOCOL,
    NETWORK_TYPE,
    CANDIDATE_TYPE,
    PEER_TO_PEER,
)
