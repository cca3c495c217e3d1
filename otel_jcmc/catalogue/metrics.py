"""
All metrics of participants, one row each. A metric is described nowhere else.

To add a metric, add a row here; docs/architecture.md has the steps. Ids are permanent and never
reused, because Redis holds ids in place of names.

Sources of the names: the wire format and series of the Jitsi Client Metrics Collector. Names of the
`otel` naming are those of the OpenTelemetry semantic conventions 1.44; if the conventions have no
name, ours begins with `jitsi.`.
"""

from otel_jcmc.catalogue.rows import How, Metric, Reading

# Prefixes of `client`. `room.`: the client asks lib-jitsi-meet's JitsiConference for the value, or
# reads it from a call of the page to that object. `own.`: the client computes the value from
# several reports.
ROOM = "room."
OWN = "own."
UP = ("network.io.direction", "transmit")
DOWN = ("network.io.direction", "receive")
AUDIO = ("jitsi.media.kind", "audio")
VIDEO = ("jitsi.media.kind", "video")
# 10 Gbit/s: far above any browser's link, but low enough to refuse a counter sent by mistake.
MAX_KBITS = 10_000_000
# Ten minutes: on a dead path lib-jitsi-meet reports a value that keeps growing.
MAX_RTT_MS = 600_000
# An hour: the longest interval that a push may name.
MAX_INTERVAL_MS = 3_600_000
_ESTIMATE = ("jitsi.client.bandwidth.estimate", "bit/s")
_BITRATE = ("jitsi.client.bitrate", "bit/s")
_MEDIA = ("jitsi.client.media.bitrate", "bit/s")
_LOSS = ("jitsi.client.packet_loss.ratio", "1")
_STREAM_LOSS = ("jitsi.client.stream.packet_loss.ratio", "1")
_JITTER = ("jitsi.client.jitter", "s")
_LOST = "inbound-rtp.packetsLost"
_LOST_UP = "remote-inbound-rtp:counted.packetsLost"
_SENT = "remote-inbound-rtp:counted.sent"
# The packets that should have arrived. Retransmitted packets are not counted: if they were,
# Chromium 156 would show a loss of 6.4 % when 11.4 % of the packets were lost.
_EXPECTED = ("inbound-rtp.packetsReceived", "-inbound-rtp.retransmittedPacketsReceived", _LOST)
_FRAME_RATE = ("jitsi.client.video.frame_rate", "{frame}/s")
_LIMITATION = ("jitsi.client.video.quality_limitation.ratio", "1")


def _kbits(
    id_: int, name: str, client: str, otel: tuple[str, str], brief: str, *fixed: tuple[str, str]
) -> Metric:
    """Return a row for a bitrate: kbit/s on the wire, bit/s in the `otel` naming."""
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
    """Return a row for a share: percent on the wire, a ratio from 0 to 1 in the `otel` naming."""
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
    """Return a row read from the browser's report; its unit is that of *otel*, but ms for s."""
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
    """Return a row for the share of time in which *reason* limited the sent video."""
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


def _outage(id_: int, way: str, brief: str, direction: tuple[str, str]) -> Metric:
    """Return a row for the time since the last packet got through in one direction."""
    return Metric(
        id_,
        f"outage_{way}",
        f"{OWN}outage.{way}",
        "ms",
        0,
        MAX_INTERVAL_MS,
        "jitsi.client.transport.outage.duration",
        "s",
        brief,
        "Outages",
        per=1000,
        otel_attributes=(direction,),
        decimals=0,
    )


def _received_loss(how: How) -> Reading:
    """Return how the client reads the loss of one received stream; *how* chooses the stream."""
    return Reading(how, (_LOST,), _EXPECTED, 100)


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
        "Jitsi's own estimate, 0 to 100: sent bitrate against a target; rises by 2 points a second",
        "Connection quality",
        lower_is_worse=True,
        decimals=1,
    ),
    _kbits(
        2,
        "bandwidth_upload",
        "bandwidth.upload",
        _ESTIMATE,
        "The estimate of bandwidth_available_upload as lib-jitsi-meet last read it",
        UP,
    ),
    _kbits(
        3,
        "bandwidth_download",
        "bandwidth.download",
        _ESTIMATE,
        "Bandwidth to the participant, as the bridge estimates it",
        DOWN,
    ),
    _kbits(
        4,
        "bitrate_audio_upload",
        "bitrate.audio.upload",
        _MEDIA,
        "Bitrate of the audio that the participant sends",
        UP,
        AUDIO,
    ),
    _kbits(
        5,
        "bitrate_audio_download",
        "bitrate.audio.download",
        _MEDIA,
        "Bitrate of the audio that the participant receives",
        DOWN,
        AUDIO,
    ),
    _kbits(
        6,
        "bitrate_video_upload",
        "bitrate.video.upload",
        _MEDIA,
        "Bitrate of the video that the participant sends",
        UP,
        VIDEO,
    ),
    _kbits(
        7,
        "bitrate_video_download",
        "bitrate.video.download",
        _MEDIA,
        "Bitrate of the video that the participant receives",
        DOWN,
        VIDEO,
    ),
    _kbits(
        8,
        "bitrate_upload",
        "bitrate.upload",
        _BITRATE,
        "Bitrate of everything that the participant sends",
        UP,
    ),
    _kbits(
        9,
        "bitrate_download",
        "bitrate.download",
        _BITRATE,
        "Bitrate of everything that the participant receives",
        DOWN,
    ),
    _percent(
        10,
        "packetloss_upload",
        # The library's packetLoss.upload is not used: it is always 0. This is the loss of all
        # streams together. The loss of the worse of two streams alone would be too high by chance:
        # it was 12.3 % when 10.1 % of the packets were lost.
        Reading(How.SHARE, (_LOST_UP,), (_SENT,), 100),
        _LOSS,
        "Share of the sent packets that were lost",
        UP,
    ),
    _percent(
        11,
        "packetloss_download",
        # The library's packetLoss.download is not used: it is 0 while no packet arrives.
        Reading(How.SHARE, (_LOST,), _EXPECTED, 100),
        _LOSS,
        "Share of the packets sent to the participant that were lost",
        DOWN,
    ),
    _percent(
        12,
        "packetloss_total",
        # The library's packetLoss.total is not used: it also counts sent packets, so it is too low.
        Reading(
            How.SHARE,
            (_LOST_UP, _LOST),
            (_SENT, *_EXPECTED),
            100,
        ),
        ("jitsi.client.packet_loss.overall.ratio", "1"),
        "Share of packets lost, of all that the participant sent or should have received",
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
        "Jitter of the sent streams as their receiver measures it; the worst stream",
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
        "Jitter of the received streams; the worst stream",
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
        "Average round-trip time of the used candidate pair in the interval",
        "Round-trip time",
        # currentRoundTripTime is not used: it is the time of a single check, and keeps its value
        # while no check is answered.
        Reading(
            How.MAX_GROWTH,
            ("candidate-pair.totalRoundTripTime",),
            ("candidate-pair.responsesReceived",),
            1000,
        ),
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
        "Bandwidth for sending, as the browser's congestion control estimates it now",
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
        "Frames per second of the sent video; its largest layer",
        "Frame rate",
        Reading(How.MAX_LEVEL, ("outbound-rtp:largest.framesPerSecond",)),
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
        "Frames per second of received video that should move; the worst stream",
        "Frame rate",
        Reading(
            How.MIN_GROWTH,
            ("inbound-rtp:moving.framesDecoded",),
            ("inbound-rtp:moving.timestamp",),
            1000,
        ),
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
        "Width of the sent video; its largest layer",
        "Sent video",
        Reading(How.MAX_LEVEL, ("outbound-rtp:largest.frameWidth",)),
        UP,
        lower_is_worse=True,
    ),
    _read(
        21,
        "resolution_height_upload",
        "pixels",
        65_535,
        ("jitsi.client.video.frame.height", "{pixel}"),
        "Height of the sent video; its largest layer",
        "Sent video",
        Reading(How.MAX_LEVEL, ("outbound-rtp:largest.frameHeight",)),
        UP,
        lower_is_worse=True,
    ),
    _read(
        22,
        "freezes",
        "freezes",
        1_000_000,
        ("jitsi.client.video.freezes", "{freeze}"),
        "How often received video that should move stopped in the interval; all streams together",
        "Received video",
        Reading(How.GROWTH, ("inbound-rtp:moving.stops",)),
    ),
    _read(
        23,
        "freeze_time",
        "ms",
        MAX_INTERVAL_MS,
        ("jitsi.client.video.freeze.duration", "s"),
        "Time that received video that should move stood still in the interval; the worst stream",
        "Received video",
        Reading(How.MAX_GROWTH, ("inbound-rtp:moving.stood",), times=1000),
    ),
    _percent(
        24,
        "audio_concealed",
        Reading(
            How.GROWTH,
            ("inbound-rtp:any.concealedSamples", "-inbound-rtp:any.silentConcealedSamples"),
            ("inbound-rtp:any.totalSamplesReceived", "-inbound-rtp:any.silentConcealedSamples"),
            100,
        ),
        ("jitsi.client.audio.concealed.ratio", "1"),
        "Share of received audio that was made up; without silence, unless nothing arrives",
        panel="Received audio",
    ),
    _read(
        25,
        "frames_dropped",
        "frames",
        1_000_000,
        ("jitsi.client.video.frames.dropped", "{frame}"),
        "Received frames that were never shown in the interval; all streams together",
        "Received video",
        Reading(How.GROWTH, ("inbound-rtp.framesDropped",)),
    ),
    _read(
        26,
        "encode_time",
        "ms",
        MAX_RTT_MS,
        ("jitsi.client.video.encode.duration", "s"),
        "Average time to encode one frame of the sent video in the interval",
        "Sent video",
        Reading(
            How.GROWTH, ("outbound-rtp.totalEncodeTime",), ("outbound-rtp.framesEncoded",), 1000
        ),
        decimals=1,
    ),
    _limitation(27, "none", "Share of the interval in which nothing limited the sent video"),
    _limitation(28, "cpu", "Share of the interval in which the CPU limited the sent video"),
    _limitation(
        29,
        "bandwidth",
        "Share of the interval in which the network limited the sent video, says the browser",
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
        "Number of participants that this participant sees in its conference, itself included",
        "Conference",
    ),
    _outage(
        31,
        "down",
        "Time since anything last arrived from the far end, from 3 s on; 0: no outage",
        DOWN,
    ),
    _outage(
        32,
        "up",
        "Time since the far end last confirmed anything sent, from 5 s on; 0: no outage",
        UP,
    ),
    Metric(
        33,
        "join_time",
        f'{ROOM}on("conference.joined")',
        "ms",
        0,
        MAX_INTERVAL_MS,
        "jitsi.client.conference.join.duration",
        "s",
        "Time from when the client found the room to the join; constant for the whole session",
        "Conference",
        per=1000,
    ),
    # This value is not in the library's statistics: the participant gives it, during the call or
    # after it.
    Metric(
        34,
        "rating",
        f"{ROOM}sendFeedback()",
        "stars",
        1,
        5,
        "jitsi.client.feedback.rating",
        "{star}",
        "The participant's rating of the call, 1 to 5 stars; absent if the participant gave none",
        "Feedback",
        lower_is_worse=True,
    ),
    _percent(
        35,
        "packetloss_download_best",
        _received_loss(How.MIN_SHARE),
        _STREAM_LOSS,
        "Share of packets lost in the received stream that loses the least",
        ("jitsi.stream", "best"),
    ),
    _percent(
        36,
        "packetloss_download_worst",
        _received_loss(How.MAX_SHARE),
        _STREAM_LOSS,
        "Share of packets lost in the received stream that loses the most",
        ("jitsi.stream", "worst"),
    ),
    _read(
        37,
        "decode_time",
        "ms",
        MAX_RTT_MS,
        ("jitsi.client.video.decode.duration", "s"),
        "Average time to decode one frame of the received video in the interval",
        "Received video",
        Reading(How.GROWTH, ("inbound-rtp.totalDecodeTime",), ("inbound-rtp.framesDecoded",), 1000),
        decimals=1,
    ),
    _read(
        38,
        "audio_buffer_time",
        "ms",
        MAX_RTT_MS,
        ("jitsi.client.audio.jitter_buffer.duration", "s"),
        "Average time that received audio waits in the jitter buffer in the interval",
        "Received audio",
        Reading(
            How.GROWTH,
            ("inbound-rtp:audio.jitterBufferDelay",),
            ("inbound-rtp:audio.jitterBufferEmittedCount",),
            1000,
        ),
    ),
    _read(
        39,
        "microphone_silent",
        "share",
        1,
        ("jitsi.client.audio.microphone.silent.ratio", "1"),
        "Share of samples in which an unmuted microphone gave no sound: it is broken, or has ended",
        "Sent audio",
        Reading(How.STILLNESS, ("media-source:open.totalAudioEnergy",)),
        decimals=2,
    ),
    _read(
        40,
        "ice_restarts",
        "restarts",
        1_000_000,
        ("jitsi.client.ice.restarts", "{restart}"),
        "ICE restarts in the interval: the browser searched for a path again",
        "Path",
        Reading(How.CHANGES, ("transport.iceLocalUsernameFragment",)),
    ),
    _read(
        41,
        "path_changes",
        "changes",
        1_000_000,
        ("jitsi.client.ice.path_changes", "{change}"),
        "Changes to another candidate pair in the interval, with or without an ICE restart",
        "Path",
        Reading(How.GROWTH, ("transport.selectedCandidatePairChanges",)),
    ),
    _read(
        42,
        "resolution_height_wanted",
        "pixels",
        65_535,
        ("jitsi.client.video.frame.wanted_height", "{pixel}"),
        "Largest height of video that lib-jitsi-meet lets the browser send; 0: no video is wanted",
        "Sent video",
        Reading(How.MAX_LEVEL, ("page.wantedHeight",)),
    ),
    _read(
        43,
        "streams_expected",
        "streams",
        1_000_000,
        ("jitsi.client.streams.expected", "{stream}"),
        "Number of streams of others that should arrive: neither muted nor held back by the bridge",
        "Conference",
        Reading(How.MAX_LEVEL, ("page.expected",)),
    ),
    Metric(
        44,
        "audio_mos",
        "",
        "score",
        1,
        5,
        "jitsi.client.audio.mos",
        "{score}",
        "How well the participant hears, 1 to 4.4: an estimate by the service, after ITU-T G.107",
        "Verdict",
        lower_is_worse=True,
        is_ours=True,
        decimals=2,
    ),
    Metric(
        45,
        "verdict_state",
        "",
        "state",
        0,
        2,
        "jitsi.client.verdict.state",
        "{state}",
        "Verdict on the call: 0 good, 1 fair, 2 bad; absent if it is not known",
        "Verdict",
        is_ours=True,
    ),
    # The ids 46 and 47 have no row here: JUDGED_IDS, below, has them.
    _read(
        48,
        "event_loop_delay",
        "ms",
        MAX_INTERVAL_MS,
        ("jitsi.client.event_loop.delay", "s"),
        "Average delay of the timers of a visible page: it waits for the CPU",
        "Page",
        Reading(How.MAX_LEVEL, ("page.delay",)),
        decimals=1,
    ),
)
# The metrics that may be pushed.
PUSHED = tuple(row for row in METRICS if not row.is_ours)
# The ids of the metrics that the service makes from a push. The metrics 46 and 47 have no series.
JUDGED_IDS = MOS_ID, STATE_ID, CAUSE_ID, COVERS_ID = 44, 45, 46, 47
# The highest id of a metric. It may exceed the number of metrics, because ids are never reused.
LAST_METRIC_ID = max(COVERS_ID, *(row.id for row in METRICS))
# The only metric with several values, one for each transport; each value has its own attributes.
# The rooms `wire` and `store` do not support a second metric with several values.
(LIST_ID,) = [row.id for row in METRICS if row.is_list]
# The gauge with the attributes that describe a participant, in the `otel` and the `jcmc` naming. It
# is always 1. An attribute that changes during a call, such as a codec, is on this gauge alone.
INFO_NAME = "jitsi.client.info"
INFO_FIELD = "info"
INFO_BRIEF = "The participant's browser, system, region and codecs; always 1"
# The gauge that says what is wrong with a call that is not good, and why; always 1.
VERDICT_NAME = "jitsi.client.verdict"
VERDICT_FIELD = "verdict"
VERDICT_BRIEF = "The cause of a call that is not good; always 1"
# The metric of the participant's rating. The last rating counts, also if it is given after the
# call.
(RATING_ID,) = [row.id for row in METRICS if row.field == "rating"]
# The gauge of the `jcmc` naming for participants that are not ordinary; its value is always 1.
ROLE_NAME = "role"
ROLE_BRIEF = "A recorder, a gateway or a visitor; always 1, absent for ordinary participants"
