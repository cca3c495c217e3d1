"""
`readReport` and `addReading`: what a push says of the browser's report, as worked out by hand.

A field that is not in an expected dict is null. Counters need two reports, levels need one.
"""

from typing import Any

import pytest
from client.pages import Tab
from client.reports import (
    Report,
    Stat,
    inbound,
    known,
    metrics_of,
    outbound,
    pair,
    peers,
    recorded,
    series,
    transport,
)

RECORDING = "lyno-2021-p2p-getstats"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            1,
            {
                "jitter_upload": 1.288,
                "jitter_download": 2,
                "bandwidth_available_upload": 3560.615,
                "framerate_upload": 20,
                "resolution_width_upload": 640,
                "resolution_height_upload": 360,
            },
            id="first: levels alone",
        ),
        pytest.param(
            4,
            {
                # Sent up to the peer's reports: audio 632 - 532, video 478 - 409; lost: none.
                "packetloss_upload": 0,
                "packetloss_download": 0,
                "packetloss_total": 0,
                "jitter_upload": 1.133,
                "jitter_download": 1,
                "bandwidth_available_upload": 3560.615,
                "framerate_upload": 19,
                # (250 - 210) in 6323.425 - 4323.534 ms
                "framerate_download": 20.001,
                "resolution_width_upload": 640,
                "resolution_height_upload": 360,
                "freezes": 0,
                "freeze_time": 0,
                "frames_dropped": 0,
                # (559 - 481) ms for 253 - 213
                "encode_time": 1.95,
                "limitation_none": 100,
                "limitation_cpu": 0,
                "limitation_bandwidth": 0,
                "packetloss_download_best": 0,
                "packetloss_download_worst": 0,
                # (164.074 - 139.484) ms for 250 - 210
                "decode_time": 0.615,
                "ice_restarts": 0,
                "path_changes": 0,
            },
            id="clean",
        ),
        pytest.param(
            6,
            {
                # Of audio there is no new report, and of video nobody knows what was sent.
                # 14 + 3 of 86 + 14 + 54 - 3 (sent again) + 3.
                "packetloss_download": 11.039,
                "jitter_upload": 109.844,
                "jitter_download": 80,
                "round_trip_time": 62,
                "bandwidth_available_upload": 199.738,
                "framerate_upload": 19,
                # (325 - 290) in 2000.158 ms
                "framerate_download": 17.499,
                "resolution_width_upload": 640,
                "resolution_height_upload": 360,
                "freezes": 1,
                "freeze_time": 223,
                "frames_dropped": 0,
                # (749 - 645) ms for 333 - 293
                "encode_time": 2.6,
                "limitation_none": 100,
                "limitation_cpu": 0,
                "limitation_bandwidth": 0,
                # Video 3 of 54 + 3; audio 14 of 86 + 14.
                "packetloss_download_best": 5.556,
                "packetloss_download_worst": 14,
                # (208.138 - 190.272) ms for 325 - 290
                "decode_time": 0.51,
                "ice_restarts": 0,
                "path_changes": 0,
            },
            id="loss, and a freeze",
        ),
        pytest.param(
            7,
            {
                # The audio report is the first since line 4: 15 - 0 of 932 - 632 = 300.
                "packetloss_upload": 5,
                # 6 + 8 of 94 + 6 + 64 - 6 (sent again) + 8.
                "packetloss_download": 8.434,
                # 15 + audio 21 - 15 + video 11 - 3 = 29;
                # of 300 + (909 - 815) + 6 + (659 - 595) + 8 - 6 = 466.
                "packetloss_total": 6.223,
                "jitter_upload": 155.588,
                "jitter_download": 86,
                "round_trip_time": 63,
                "bandwidth_available_upload": 199.738,
                "framerate_upload": 17,
                # (369 - 325) in 1999.86 ms
                "framerate_download": 22.002,
                "resolution_width_upload": 640,
                "resolution_height_upload": 360,
                "freezes": 0,
                "freeze_time": 0,
                "frames_dropped": 0,
                # (838 - 749) ms for 371 - 333
                "encode_time": 2.342,
                "limitation_none": 100,
                "limitation_cpu": 0,
                "limitation_bandwidth": 0,
                # Audio 6 of 94 + 6; video 8 of 64 + 8.
                "packetloss_download_best": 6,
                "packetloss_download_worst": 12.121,
                # (232.275 - 208.138) ms for 369 - 325
                "decode_time": 0.549,
                "ice_restarts": 0,
                "path_changes": 0,
            },
            id="loss, reports of both streams",
        ),
        pytest.param(
            9,
            {
                # Audio: 29 - 15 of 1132 - 932 = 200.
                "packetloss_upload": 7,
                # 12 + 4 of 88 + 12 + 86 - 34 (sent again) + 4.
                "packetloss_download": 10.256,
                # 14 + 12 + 4 = 30; of 200 + (1086 - 998) + 12 + (814 - 728) + 4 - 34 = 356.
                "packetloss_total": 8.427,
                "jitter_upload": 12.722,
                "jitter_download": 7,
                "round_trip_time": 64,
                "bandwidth_available_upload": 209.742,
                "framerate_upload": 16,
                # (442 - 403) in 1999.638 ms
                "framerate_download": 19.504,
                "resolution_width_upload": 480,
                "resolution_height_upload": 270,
                "freezes": 0,
                "freeze_time": 0,
                "frames_dropped": 0,
                # (951 - 892) ms for 426 - 394
                "encode_time": 1.844,
                # 22.192 - 20.811 = 1.381 s, and 0.619 s
                "limitation_none": 69.05,
                "limitation_cpu": 0,
                "limitation_bandwidth": 30.95,
                # Video 4 of 86 + 4; audio 12 of 88 + 12.
                "packetloss_download_best": 7.143,
                "packetloss_download_worst": 12,
                # (275.861 - 254.339) ms for 442 - 403
                "decode_time": 0.552,
                "ice_restarts": 0,
                "path_changes": 0,
            },
            id="the picture becomes smaller",
        ),
        pytest.param(
            15,
            {
                # Of audio there is no new report.
                # 1 + 17 of 92 + 1 + 44 - 34 (sent again) + 17.
                "packetloss_download": 15,
                "jitter_upload": 14,
                "jitter_download": 20,
                "bandwidth_available_upload": 116.322,
                "framerate_upload": 10,
                # (807 - 800) in 1999.928 ms
                "framerate_download": 3.5,
                "resolution_width_upload": 480,
                "resolution_height_upload": 270,
                "freezes": 1,
                "freeze_time": 1420,
                "frames_dropped": 5,
                # (1625 - 1590) ms for 808 - 786
                "encode_time": 1.591,
                "limitation_none": 0,
                "limitation_cpu": 0,
                "limitation_bandwidth": 100,
                # Audio 1 of 92 + 1; video 17 of 44 + 17.
                "packetloss_download_best": 1.075,
                "packetloss_download_worst": 62.963,
                # (433.456 - 429.219) ms for 807 - 800
                "decode_time": 0.605,
                "ice_restarts": 0,
                "path_changes": 0,
            },
            id="a narrow link",
        ),
        pytest.param(
            16,
            {
                "packetloss_download": 0,
                "jitter_upload": 74.855,
                "jitter_download": 50,
                "round_trip_time": 632,
                "bandwidth_available_upload": 116.956,
                "framerate_upload": 8,
                # (818 - 807) in 1999.954 ms
                "framerate_download": 5.5,
                "resolution_width_upload": 480,
                "resolution_height_upload": 270,
                "freezes": 1,
                # 2096 - 1643
                "freeze_time": 453,
                "frames_dropped": 0,
                # (1664 - 1625) ms for 825 - 808
                "encode_time": 2.294,
                "limitation_none": 0,
                "limitation_cpu": 0,
                "limitation_bandwidth": 100,
                "packetloss_download_best": 0,
                "packetloss_download_worst": 0,
                # (440.356 - 433.456) ms for 818 - 807
                "decode_time": 0.627,
                "ice_restarts": 0,
                "path_changes": 0,
            },
            id="a narrow link: delay instead of loss",
        ),
    ],
)
def test_a_recorded_report_becomes_these_numbers(
    tab: Tab, line: int, expected: dict[str, float]
) -> None:
    """The audio was not played, so nothing is known of concealment."""
    assert known(tab, recorded(RECORDING)[:line]) == expected


def test_the_codecs_that_are_sent_are_labels_of_the_quality(tab: Tab) -> None:
    [metrics] = metrics_of(tab, recorded(RECORDING)[:1])
    labels = {"audioCodec": "opus", "videoCodec": "VP8"}
    assert metrics["connectionquality"] == {"value": 100, "labels": labels}


def test_the_pair_in_use_stands_in_where_the_library_has_no_transport(tab: Tab) -> None:
    [metrics] = metrics_of(tab, recorded(RECORDING)[:1], is_p2p=True)
    labels = {
        "protocol": "udp",
        "networkType": "ethernet",
        "localCandidateType": "prflx",
        "remoteCandidateType": "host",
        "p2p": "true",
    }
    assert metrics["transport_rtt"] == [{"value": 1, "labels": labels}]


def test_a_transport_of_the_library_is_kept_as_it_is(tab: Tab) -> None:
    metrics = tab.run(
        """const sample = otelJcmc.readStats({ transport: [{ rtt: 41, type: "tcp" }] });
        otelJcmc.addReading(sample, otelJcmc.readReport(makeReport(argument)), true);
        return sample.metrics;""",
        recorded(RECORDING)[0],
    )
    assert metrics["transport_rtt"] == [{"value": 41, "labels": {"protocol": "tcp"}}]


def test_every_layer_of_a_simulcast_counts_that_is_sent(tab: Tab) -> None:
    """The third layer is off: its last values do not change."""

    def layers(low: int, middle: int, encoding_s: float, frames: int) -> Report:
        off = {"frameWidth": 1280, "frameHeight": 720, "framesPerSecond": 30}
        none = {"none": encoding_s, "cpu": 0, "bandwidth": 0, "other": 0}
        cpu = {"none": 0, "cpu": encoding_s, "bandwidth": 0, "other": 0}
        return [
            outbound(
                "L",
                low,
                frameWidth=320,
                frameHeight=180,
                framesPerSecond=15,
                totalEncodeTime=encoding_s,
                framesEncoded=frames,
                qualityLimitationDurations=none,
            ),
            outbound(
                "M",
                middle,
                frameWidth=640,
                frameHeight=360,
                framesPerSecond=24,
                totalEncodeTime=3 * encoding_s,
                framesEncoded=frames,
                qualityLimitationDurations=cpu,
            ),
            outbound("H", 500, **off, totalEncodeTime=90, framesEncoded=900),
        ]

    assert known(tab, [layers(100, 200, 1, 100), layers(150, 300, 1.5, 150)]) == {
        "framerate_upload": 24,
        "resolution_width_upload": 640,
        "resolution_height_upload": 360,
        # (0.5 + 1.5) s for 50 + 50
        "encode_time": 20,
        # 0.5 s each
        "limitation_none": 50,
        "limitation_cpu": 50,
        "limitation_bandwidth": 0,
    }


def test_of_many_pairs_the_one_in_use_counts(tab: Tab) -> None:
    idle = pair("P1", 0.5, nominated=True, state="succeeded", availableOutgoingBitrate=9e6)
    used = pair("P2", 0.04, state="succeeded", availableOutgoingBitrate=2e6)
    first = [pair("P1", 0.5, answers=2), pair("P2", 0.04, answers=2), transport("T", "P2")]
    assert known(tab, [first, [idle, used, transport("T", "P2")]]) == {
        "round_trip_time": 40,
        "bandwidth_available_upload": 2000,
    }


def test_of_several_transports_the_slowest_counts(tab: Tab) -> None:
    """If audio and video are not bundled."""
    transports = [transport("T1", "P1"), transport("T2", "P2")]

    def report(answers: int) -> Report:
        pairs = [pair("P1", 0.03, answers), pair("P2", 0.08, answers), pair("P3", 0.9, answers)]
        return [*pairs, *transports]

    assert known(tab, [report(2), report(3)]) == {"round_trip_time": 80}


def test_the_round_trip_is_the_mean_of_the_intervals_checks(tab: Tab) -> None:
    """One check of it says 423 ms; without an answered check, nothing is known."""

    def report(total: float, answers: int, received: int) -> Report:
        checks = {"totalRoundTripTime": total, "responsesReceived": answers}
        now = {"type": "candidate-pair", "id": "P", "currentRoundTripTime": 0.423}
        return [now | checks | {"bytesReceived": received}, transport("T", "P")]

    reports = [report(1, 5, 100), report(3.168, 9, 200), report(3.168, 9, 300)]
    assert series(tab, reports, "round_trip_time") == [None, 542, None]


def test_where_no_pair_is_in_use_none_counts(tab: Tab) -> None:
    pairs = [pair("P1", 0.03, state="waiting"), pair("P2", 0.08, state="failed", nominated=True)]
    [metrics] = metrics_of(tab, [[*pairs, {"type": "transport", "id": "T"}]])
    assert metrics["round_trip_time"] == {"value": None}
    assert metrics["transport_rtt"] == []


def firefox(packets: int, frames: int, at: float, lost: int) -> Report:
    """Return a report in Firefox's form: no transport, no limitations, no contentType."""
    return [
        pair("P1", 0.07, frames, selected=False, nominated=True, state="succeeded"),
        pair("P2", 0.05, frames, selected=True, state="succeeded", localCandidateId="L"),
        {"type": "local-candidate", "id": "L", "protocol": "udp", "candidateType": "host"},
        inbound("A", packets, packetsLost=lost, jitter=0.004, timestamp=at),
        inbound("V", packets, packetsLost=0, jitter=0, framesDecoded=frames, timestamp=at),
        outbound("O", packets, framesPerSecond=25, frameWidth=320, frameHeight=240),
        peers("O", at - 100, lost, jitter=0.006),
    ]


def test_a_report_of_firefox_tells_what_it_has(tab: Tab) -> None:
    """No estimate, no limitation, and no freezes before Firefox 142."""
    reports = [firefox(100, 50, 1000, 0), firefox(195, 150, 6000, 5)]
    assert known(tab, reports) == {
        # 5 of 95
        "packetloss_upload": 5.263,
        # 5 of 95 + 5 + 95
        "packetloss_download": 2.564,
        # 10 of 95 + (95 + 5) + 95
        "packetloss_total": 3.448,
        "jitter_upload": 6,
        "jitter_download": 4,
        "round_trip_time": 50,
        "framerate_upload": 25,
        # 100 in 5 s
        "framerate_download": 20,
        "resolution_width_upload": 320,
        "resolution_height_upload": 240,
        "packetloss_download_best": 0,
        # 5 of 95 + 5
        "packetloss_download_worst": 5,
    }
    assert metrics_of(tab, reports)[1]["transport_rtt"] == [
        {
            "value": 50,
            "labels": {"protocol": "udp", "localCandidateType": "host", "p2p": "false"},
        }
    ]


def test_a_report_of_safari_tells_no_network_and_no_address(tab: Tab) -> None:
    report = [
        pair("P", 0.021, localCandidateId="L", remoteCandidateId="N", availableOutgoingBitrate=3e5),
        transport("T", "P"),
        {"type": "local-candidate", "id": "L", "protocol": "tcp", "candidateType": "relay"},
        {"type": "remote-candidate", "id": "N", "protocol": "tcp", "candidateType": "srflx"},
        {"type": "codec", "id": "C", "mimeType": "video/H264"},
        outbound("O", 10, codecId="C"),
    ]
    [metrics] = metrics_of(tab, [report])
    assert metrics["transport_rtt"] == [
        {
            "value": 21,
            "labels": {
                "protocol": "tcp",
                "localCandidateType": "relay",
                "remoteCandidateType": "srflx",
                "p2p": "false",
            },
        }
    ]
    assert metrics["connectionquality"]["labels"] == {"videoCodec": "H264"}


@pytest.mark.parametrize(
    ("codec", "labels"),
    [
        ({"mimeType": "video/AV1"}, {"videoCodec": "AV1"}),
        ({"mimeType": "video"}, None),
        ({"mimeType": 5}, None),
        ({}, None),
    ],
)
def test_a_codec_is_a_label_if_it_is_one(
    tab: Tab, codec: dict[str, Any], labels: dict[str, str] | None
) -> None:
    report = [{"type": "codec", "id": "C", **codec}, outbound("O", 10, codecId="C")]
    [metrics] = metrics_of(tab, [report])
    assert metrics["connectionquality"].get("labels") == labels


def test_the_codec_of_what_is_received_is_not_told(tab: Tab) -> None:
    codecs = [
        {"type": "codec", "id": name, "mimeType": f"video/{name}"} for name in ("VP8", "VP9", "AV1")
    ]
    sent = outbound("O", 10, codecId="VP8")
    received = [inbound(f"I{name}", 10, codecId=name) for name in ("VP9", "AV1")]
    [metrics] = metrics_of(tab, [[*codecs, received[0], sent, received[1]]])
    assert metrics["connectionquality"]["labels"] == {"videoCodec": "VP8"}


def test_a_muted_stream_is_left_out_and_comes_back_without_a_spike(tab: Tab) -> None:
    """Muted for a minute after the second report; its levels do not change meanwhile."""

    def video(packets: int, frames: int, at: int) -> Report:
        return [
            inbound(
                "V",
                packets,
                jitter=0.5,
                timestamp=at * 1000,
                framesDecoded=frames,
                freezeCount=frames // 100,
                totalFreezesDuration=frames / 100,
            ),
            outbound("O", packets, framesPerSecond=24, frameWidth=640),
        ]

    reports = [video(100, 200, 0), video(200, 400, 10)]
    reports += [video(200, 400, at) for at in (20, 30, 40, 50, 60)]
    reports += [video(300, 600, 70)]
    assert series(tab, reports, "framerate_download") == [None, 20, *[None] * 5, 20]
    assert series(tab, reports, "freezes") == [None, 2, *[None] * 5, 2]
    assert series(tab, reports, "freeze_time") == [None, 2000, *[None] * 5, 2000]
    assert series(tab, reports, "jitter_download") == [500, 500, *[None] * 5, 500]
    assert series(tab, reports, "resolution_width_upload") == [640, 640, *[None] * 5, 640]
    assert series(tab, reports, "framerate_upload") == [24, 24, *[None] * 5, 24]


def test_a_shared_screen_that_stands_still_is_no_slow_video(tab: Tab) -> None:
    def report(frames: int, slides: int, at: int) -> Report:
        return [
            inbound("V1", frames, timestamp=at, framesDecoded=frames),
            inbound("V2", frames, timestamp=at, framesDecoded=frames // 2),
            inbound("S", frames, timestamp=at, framesDecoded=slides, contentType="screenshare"),
            outbound("O", frames, framesPerSecond=slides, contentType="screenshare"),
        ]

    assert known(tab, [report(2, 2, 0), report(302, 5, 10000)]) == {
        "framerate_upload": 5,  # what one sends oneself counts, screen or not
        "framerate_download": 15,
    }


def test_silence_that_was_made_up_is_no_concealment(tab: Tab) -> None:
    def report(packets: int, concealed: int, silent: int, samples: int) -> Report:
        members = {"totalSamplesReceived": samples, "concealedSamples": concealed}
        return [inbound("A", packets, silentConcealedSamples=silent, **members)]

    # 24000 - 14400 filled in, of 480000 - 14400
    assert known(tab, [report(1, 0, 0, 0), report(500, 24000, 14400, 480000)]) == {
        "audio_concealed": 2.062
    }
    # All of it is silence: there was nothing to hear.
    assert known(tab, [report(1, 0, 0, 0), report(500, 480000, 480000, 480000)]) == {}


def test_silence_may_outgrow_what_was_made_up(tab: Tab) -> None:
    """Chromium takes back concealed samples that it could merge, and corrects both separately."""

    def report(packets: int, concealed: int, silent: int, samples: int) -> Report:
        members = {"totalSamplesReceived": samples, "concealedSamples": concealed}
        return [inbound("A", packets, silentConcealedSamples=silent, **members)]

    reports = [report(1, 1000, 500, 48000), report(50, 1400, 980, 96000)]
    assert known(tab, reports) == {"audio_concealed": 0}


def test_in_an_outage_silence_that_was_made_up_counts(tab: Tab) -> None:
    """Chromium called nearly all of it silence; no packet comes, but it is played all the same."""

    def report(concealed: int, silent: int, samples: int) -> Report:
        members = {"totalSamplesReceived": samples, "concealedSamples": concealed}
        return [inbound("A", 500, silentConcealedSamples=silent, **members)]

    reports = [report(0, 0, 48000), report(84000, 81000, 144000)]
    # 3000 of 96000 - 81000; then 84000 of 96000
    assert known(tab, reports) == {"audio_concealed": 20}
    assert known(tab, reports, [{}, {"isDown": True}]) == {"audio_concealed": 87.5}


def test_what_is_sent_is_told_of_one_layer(tab: Tab) -> None:
    """The largest that sends: not the frames of a small layer with the height of a large one."""

    def layer(id_: str, packets: int, lines: int, frames: float) -> Stat:
        members = {"frameHeight": lines, "frameWidth": 2 * lines, "framesPerSecond": frames}
        return outbound(id_, packets, kind="video", **members)

    sound = outbound("A", 100, kind="audio")
    layers = [layer("1", 100, 90, 20), layer("2", 90, 180, 5), layer("3", 80, 360, 0)]
    assert known(tab, [[sound, *layers]]) == {
        "framerate_upload": 5,
        "resolution_width_upload": 360,
        "resolution_height_upload": 180,
    }


def test_a_video_without_a_frame_is_told_as_it_is(tab: Tab) -> None:
    report = [outbound("A", 9, kind="audio"), outbound("V", 9, kind="video", framesPerSecond=0)]
    assert known(tab, [report]) == {"framerate_upload": 0}


def test_what_is_received_only_is_not_told_as_sent(tab: Tab) -> None:
    report = [inbound("V", 9, framesPerSecond=20, frameHeight=180, frameWidth=320)]
    assert known(tab, [report]) == {}


def test_audio_waits_in_a_buffer_of_its_own(tab: Tab) -> None:
    """Video has the same fields, in frames."""

    def report(packets: int, audio_s: float, samples: int, video_s: float) -> Report:
        audio = {"jitterBufferDelay": audio_s, "jitterBufferEmittedCount": samples}
        video = {"jitterBufferDelay": video_s, "jitterBufferEmittedCount": packets}
        return [
            inbound("A", packets, kind="audio", **audio),
            inbound("V", packets, kind="video", **video),
        ]

    # 19200 seconds of samples for 480000 of them
    reports = [report(100, 1000, 48000, 3), report(600, 20200, 528000, 900)]
    assert known(tab, reports) == {"audio_buffer_time": 40}


def test_an_ice_restart_is_another_change_than_that_of_the_path(tab: Tab) -> None:
    """A restart has another user name; the path may change without a restart."""

    def report(at: int, name: str, changes: int) -> Report:
        members = {"iceLocalUsernameFragment": name, "selectedCandidatePairChanges": changes}
        return [{"type": "transport", "id": "T", "timestamp": at, **members}]

    reports = [report(1, "a", 1), report(2, "a", 2), report(3, "b", 4), report(4, "b", 4)]
    assert series(tab, reports, "ice_restarts") == [None, 0, 1, 0]
    assert series(tab, reports, "path_changes") == [None, 1, 2, 0]


def test_a_browser_without_user_names_tells_no_restart(tab: Tab) -> None:
    reports: list[Report] = [[{"type": "transport", "id": "T", "timestamp": at}] for at in (1, 2)]
    assert known(tab, reports) == {}


def test_of_two_received_streams_the_loss_of_each_end_is_told(tab: Tab) -> None:
    """With few packets, it is one of 20, here too."""

    def report(packets: int, lost: int, few: int) -> Report:
        ours = inbound("A", packets, packetsLost=lost)
        return [ours, inbound("V", packets, packetsLost=0), inbound("F", few, packetsLost=few)]

    found = known(tab, [report(100, 0, 1), report(190, 10, 2)])
    assert found["packetloss_download_best"] == 0
    assert found["packetloss_download_worst"] == 10
