"""
All attributes of participants, one row each. An attribute is described nowhere else.

Attributes describe who a participant is and how it is connected. Some become labels of series;
the service only stores the others. Ids are permanent and never reused, like the ids of metrics.
"""

from otel_jcmc.catalogue.rows import Attribute, Kind, Scope

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
    "GUID of the browser, kept in its local storage",
    Kind.GUID,
)
PARTICIPANT = Attribute(
    66,
    "default_labels.participant_id",
    Scope.IDENTITY,
    "participant_id",
    "jitsi.participant.id",
    "Jitsi's id of the participant in this conference",
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
    "Unique id of the conference, if the page has one",
    max_length=128,
)
REGION = Attribute(
    69,
    "metrics.connectionquality.labels.serverregion",
    Scope.DESCRIPTION,
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
    Scope.DESCRIPTION,
    "browser_name",
    "user_agent.name",
    "Name of the browser",
    max_length=64,
)
BROWSER_VERSION = Attribute(
    72,
    "user_agent",
    Scope.DESCRIPTION,
    "browser_version",
    "user_agent.version",
    "Version of the browser; in the `otel` naming its major number",
    max_length=64,
)
OS_NAME = Attribute(
    73,
    "user_agent",
    Scope.DESCRIPTION,
    "os_name",
    "user_agent.os.name",
    "Name of the system",
    max_length=64,
)
OS_VERSION = Attribute(
    74,
    "user_agent",
    Scope.DESCRIPTION,
    "os_version",
    "user_agent.os.version",
    "Version of the system",
    max_length=64,
)
AUDIO_CODEC = Attribute(
    75,
    "metrics.connectionquality.labels.audioCodec",
    Scope.INFO,
    "audio_codec",
    "jitsi.audio.codec",
    "Codec of the audio that the participant sends",
    max_length=64,
)
VIDEO_CODEC = Attribute(
    76,
    "metrics.connectionquality.labels.videoCodec",
    Scope.INFO,
    "video_codec",
    "jitsi.video.codec",
    "Codec of the video that the participant sends",
    max_length=64,
)
WORST_SOURCE = Attribute(
    92,
    "metrics.connectionquality.labels.worstSource",
    Scope.STORED,
    "",
    "jitsi.media.worst_source.id",
    "Jitsi's id of the sender of the stream in `packetloss_download_worst`, from 1 % loss on",
    max_length=128,
    like=PARTICIPANT.id,
)
_PATH = "metrics.transport_rtt[].labels."
# The words of RTCIceCandidateType (WebRTC).
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
    "Type of network, as the browser names it",
    # The words of RTCNetworkType (WebRTC statistics) -> the words of the semantic conventions.
    otel_values=(("ethernet", "wired"), ("cellular", "cell")),
)
CANDIDATE_TYPE = Attribute(
    84,
    _PATH + "localCandidateType",
    Scope.PATH,
    "localCandidateType",
    "jitsi.ice.candidate.type",
    "Type of the participant's ICE candidate; `relay`: the path goes through a TURN server",
    Kind.CHOICE,
    choices=_CANDIDATE_TYPES,
)
PEER_TO_PEER = Attribute(
    85,
    _PATH + "p2p",
    Scope.PATH,
    "p2p",
    "jitsi.p2p",
    "Whether the transport goes to the peer instead of a bridge",
    Kind.CHOICE,
    choices=("true", "false"),
)
REMOTE_CANDIDATE_TYPE = Attribute(
    86,
    _PATH + "remoteCandidateType",
    Scope.PATH,
    "remoteCandidateType",
    "jitsi.ice.remote_candidate.type",
    "Type of the ICE candidate at the far end; `relay`: the path goes through a TURN server",
    Kind.CHOICE,
    choices=_CANDIDATE_TYPES,
)
# Pages of the Jitsi Meet Metrics Collector send these, for their only transport.
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
ROLE = Attribute(
    96,
    "session.role",
    Scope.ROLE,
    "role",
    "jitsi.participant.role",
    "Role of the page if it is not an ordinary participant",
    Kind.CHOICE,
    # `recorder`: it records, streams, or is hidden from all participants. `gateway`: the page of a
    # SIP caller.
    choices=("recorder", "gateway", "visitor"),
)
FEEDBACK = Attribute(
    97,
    "session.feedback",
    Scope.STORED,
    "feedback",
    "",
    "What the participant wrote about the call; only with JCMC_COLLECT_FEEDBACK",
    collect="collect_feedback",
)
BRIDGE = Attribute(
    98,
    "metrics.connectionquality.labels.bridge",
    Scope.INFO,
    "bridge",
    "jitsi.bridge.name",
    "The bridge: its name from JCMC_BRIDGES, otherwise a hash; absent in a peer-to-peer call",
)
# Says also in an outage whether the call is peer-to-peer; the library then reports no transport.
DIRECT = Attribute(
    102,
    "metrics.connectionquality.labels.p2p",
    Scope.STORED,
    "direct",
    "",
    "Whether all transports go to the peer, or did when they were last known",
    Kind.CHOICE,
    choices=("true", "false"),
)
RELAY = Attribute(
    100,
    "relay",
    Scope.INFO,
    "relay",
    "jitsi.relay.name",
    "The TURN server that relays the call, if JCMC_RELAYS has a name for it",
)
OURS, ORIGINAL, JMMC = "otel_jcmc", "original", "jmmc"
# The role of a test participant, which `otel-jcmc doctor` sends and no page. No output shows it.
TEST = "test"
SENDER = Attribute(
    101,
    "sender",
    Scope.INFO,
    "sender",
    "jitsi.client.sender",
    "The client that pushes: `otel_jcmc`, `jmmc`, or `original` (of JCMC; it sends less)",
)
# The service makes this attribute from the address that a push comes from.
NETWORK = Attribute(
    99,
    "caller.network",
    Scope.STORED,
    "",
    "",
    "The network that pushes come from, as 24 bits of a hash: networks can be counted, not named",
)
ATTRIBUTES: tuple[Attribute, ...] = (
    CONFERENCE,
    CLIENT,
    PARTICIPANT,
    SESSION,
    MEETING,
    REGION,
    BRIDGE,
    DIRECT,
    USERNAME,
    BROWSER_NAME,
    BROWSER_VERSION,
    OS_NAME,
    OS_VERSION,
    AUDIO_CODEC,
    VIDEO_CODEC,
    WORST_SOURCE,
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
    ROLE,
    FEEDBACK,
    NETWORK,
    RELAY,
    SENDER,
)
