"""What Prometheus is told of a real call between two browsers."""

from conference.conftest import Meet, seen
from e2e.parts import Prometheus
from harness import eventually


def test_what_a_call_tells(meet: Meet, prometheus: Prometheus) -> None:
    """Each side of a good call, with sound and picture both ways."""
    ada, bob = meet("ada", "bob")
    flows = [
        f"jitsi_jcmc_bitrate_{kind}_{way}"
        for kind in ("audio", "video")
        for way in ("upload", "download")
    ]
    eventually(
        lambda: all(seen(prometheus, tab).get(flow, 0) > 0 for tab in (ada, bob) for flow in flows),
        60,
    )
    for tab in (ada, bob):
        told = seen(prometheus, tab)
        print(tab.name, told)
        assert {series.partition("{")[0] for series in told} >= {
            "jitsi_jcmc_connectionquality",
            "jitsi_jcmc_bandwidth_upload",
            "jitsi_jcmc_bitrate_upload",
            "jitsi_jcmc_bitrate_download",
            "jitsi_jcmc_packetloss_upload",
            "jitsi_jcmc_packetloss_download",
            "jitsi_jcmc_packetloss_total",
            "jitsi_jcmc_transport_rtt",
            *flows,
        }
