"""What Prometheus shows of a real call between two browsers."""

import re

from conference.conference import Tab
from conference.conftest import Meet, seen
from e2e.parts import Prometheus, until

FLOWS = [
    f"jitsi_jcmc_bitrate_{kind}_{way}"
    for kind in ("audio", "video")
    for way in ("upload", "download")
]
# What only the browser knows: our own reading of its report.
REPORTED = [
    "jitsi_jcmc_jitter_upload",
    "jitsi_jcmc_jitter_download",
    "jitsi_jcmc_round_trip_time",
    "jitsi_jcmc_bandwidth_available_upload",
    "jitsi_jcmc_framerate_upload",
    "jitsi_jcmc_framerate_download",
    "jitsi_jcmc_resolution_width_upload",
    "jitsi_jcmc_resolution_height_upload",
    "jitsi_jcmc_freezes",
    "jitsi_jcmc_freeze_time",
    "jitsi_jcmc_audio_concealed",
    "jitsi_jcmc_frames_dropped",
    "jitsi_jcmc_encode_time",
    "jitsi_jcmc_limitation_none",
    "jitsi_jcmc_limitation_cpu",
    "jitsi_jcmc_limitation_bandwidth",
    "jitsi_jcmc_conference_participants",
]
LIMITS = ("none", "cpu", "bandwidth")
OTHERS = [
    *REPORTED,
    "jitsi_jcmc_connectionquality",
    "jitsi_jcmc_bandwidth_upload",
    "jitsi_jcmc_bitrate_upload",
    "jitsi_jcmc_bitrate_download",
    "jitsi_jcmc_packetloss_upload",
    "jitsi_jcmc_packetloss_download",
    "jitsi_jcmc_packetloss_total",
    "jitsi_jcmc_transport_rtt",
]


def told(prometheus: Prometheus, tab: Tab) -> dict[str, float]:
    """Return what Prometheus knows of a participant, by metric."""
    return {name.partition("{")[0]: value for name, value in seen(prometheus, tab).items()}


def test_what_a_call_tells(meet: Meet, prometheus: Prometheus) -> None:
    """Each side of a good call, with sound and picture both ways."""
    for tab in meet("ada", "bob"):

        def lacking(tab: Tab = tab) -> list[str]:
            known = told(prometheus, tab)
            silent = [name for name in FLOWS if not known.get(name)]
            return silent + [name for name in OTHERS if name not in known]

        assert until([], lacking, 60) == []
        known = seen(prometheus, tab)
        print(tab.name, known)
        values = told(prometheus, tab)
        assert values["jitsi_jcmc_conference_participants"] == 2
        # The camera gives 360 lines; less where the machine is too busy to encode that.
        width = values["jitsi_jcmc_resolution_width_upload"]
        height = values["jitsi_jcmc_resolution_height_upload"]
        assert 90 <= height <= 360
        assert 1.3 < width / height < 1.8
        assert 1 <= values["jitsi_jcmc_framerate_upload"] <= 60
        limits = sum(values[f"jitsi_jcmc_limitation_{each}"] for each in LIMITS)
        assert 95 <= limits <= 105
        (info,) = (name for name in known if name.startswith("jitsi_jcmc_info"))
        assert 'audio_codec="opus"' in info
        assert 'video_codec="VP8"' in info
        (path,) = (name for name in known if name.startswith("jitsi_jcmc_transport_rtt"))
        assert 'p2p="true"' in path
        assert re.search(r'localCandidateType="(host|prflx)"', path)
        assert re.search(r'remoteCandidateType="(host|prflx)"', path)
