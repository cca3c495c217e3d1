"""What Prometheus is told of a real call between two browsers."""

from conference.conference import Tab
from conference.conftest import Meet, seen
from e2e.parts import Prometheus, until

FLOWS = [
    f"jitsi_jcmc_bitrate_{kind}_{way}"
    for kind in ("audio", "video")
    for way in ("upload", "download")
]
OTHERS = [
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
        print(tab.name, seen(prometheus, tab))
