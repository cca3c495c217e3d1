"""
The whole road: a recorded call in a real browser, the service, a real Prometheus, PromQL.

The page has another origin than the service, and its console must stay empty.
"""

import re
from collections.abc import Iterator

import pytest
from e2e.conftest import Sit
from e2e.meeting import recorded
from e2e.parts import Prometheus, until
from harness import Service, eventually
from playwright.sync_api import Browser

pytestmark = pytest.mark.xdist_group("e2e")

GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# The policy of a careful operator: nothing inline, no eval, and no other origin except the service.
STRICT = (
    "default-src 'none'; script-src 'self' {url}; connect-src {url};"
    " require-trusted-types-for 'script'; base-uri 'none'"
)


@pytest.fixture(scope="module")
def road(prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a running service that Prometheus scrapes as the job `road`."""
    with (
        Service(tmp_path_factory.mktemp("road"), JCMC_CLIENT_JITTER="0") as service,
        prometheus.scraping("road", service.url),
    ):
        yield service


def seen(prometheus: Prometheus, participant: str, room: str) -> dict[str, float]:
    """Return the metrics of one participant, without the identity labels that all must have."""
    identity = f'participant_id="{participant}",roomname="{room}",client_id=~"{GUID}"'
    return prometheus.query(
        f'{{job="road",__name__!="jitsi_jcmc_info",{identity}}}',
        "participant_id",
        "roomname",
        "client_id",
    )


def is_gone(prometheus: Prometheus, participant: str, room: str) -> bool:
    """Say whether a successful scrape has no series of the participant."""
    return not seen(prometheus, participant, room) and prometheus.value('up{job="road"}') == 1


def quality(browser: Browser, region: str = "") -> str:
    """Return the expected series of the connection quality, with this browser's labels."""
    labels = [
        'browser_name="Chrome Headless"',
        f'browser_version="{browser.version}"',
        'os_name="Linux"',
    ]
    if region:
        labels.append(f'serverregion="{region}"')
    return f"jitsi_jcmc_connectionquality{{{','.join(labels)}}}"


def path(candidate: str, p2p: str) -> str:
    """Return the expected series of the round-trip time, with the recording's transports."""
    return (
        f'jitsi_jcmc_transport_rtt{{localCandidateType="{candidate}",networkType="ethernet",'
        f'p2p="{p2p}",protocol="udp",remoteCandidateType="host"}}'
    )


def test_a_call_through_a_bridge_reaches_promql_and_goes_when_the_room_is_left(
    sit: Sit, road: Service, prometheus: Prometheus, browser: Browser
) -> None:
    """The recordings have no region; the region of a bridge would arrive like this one."""
    ada = sit(road.url)
    ada.join("ada00001", "standup")
    ada.replay(recorded("head-jvb-vp8-360", 1, 3, 25, serverRegion="eu-west"))

    expected = {
        quality(browser, "eu-west"): 19.43,
        "jitsi_jcmc_bandwidth_upload": 291,
        "jitsi_jcmc_bandwidth_download": 3252,
        "jitsi_jcmc_bitrate_audio_upload": 24,
        "jitsi_jcmc_bitrate_audio_download": 22,
        "jitsi_jcmc_bitrate_video_upload": 141,
        "jitsi_jcmc_bitrate_video_download": 177,
        "jitsi_jcmc_bitrate_upload": 165,
        "jitsi_jcmc_bitrate_download": 199,
        path("prflx", p2p="false"): 62,
    }
    assert until(expected, lambda: seen(prometheus, "ada00001", "standup")) == expected

    ada.leave_room()
    eventually(lambda: is_gone(prometheus, "ada00001", "standup"), 10)


def test_what_a_peer_to_peer_call_does_not_know_is_absent_and_all_goes_with_the_page(
    sit: Sit, road: Service, prometheus: Prometheus, browser: Browser
) -> None:
    """NaN is no bandwidth. There is neither a bridge nor its region."""
    bob = sit(road.url)
    bob.join("bob00002", "pair")
    bob.replay(recorded("lyno-2021-p2p", 1, 11))

    expected = {
        quality(browser): 100,
        "jitsi_jcmc_bandwidth_upload": 233,
        "jitsi_jcmc_bitrate_audio_upload": 25,
        "jitsi_jcmc_bitrate_audio_download": 24,
        "jitsi_jcmc_bitrate_video_upload": 207,
        "jitsi_jcmc_bitrate_video_download": 146,
        "jitsi_jcmc_bitrate_upload": 232,
        "jitsi_jcmc_bitrate_download": 170,
        path("prflx", p2p="true"): 4,
    }
    assert until(expected, lambda: seen(prometheus, "bob00002", "pair")) == expected

    bob.page.close()
    eventually(lambda: is_gone(prometheus, "bob00002", "pair"), 10)


def test_it_works_on_a_page_with_a_strict_content_security_policy(
    sit: Sit, road: Service, prometheus: Prometheus, browser: Browser
) -> None:
    """The page is also isolated. Before the first media all rates are 0, which is a value."""
    cid = sit(
        road.url,
        {
            "content-security-policy": STRICT.format(url=road.url),
            "cross-origin-embedder-policy": "require-corp",
            "cross-origin-opener-policy": "same-origin",
            "referrer-policy": "no-referrer",
        },
    )
    cid.join("cid00003", "quiet")
    assert cid.page.evaluate("() => crossOriginIsolated")
    cid.replay(recorded("head-jvb-vp8-360", 2))

    expected = {
        quality(browser): 100,
        "jitsi_jcmc_bitrate_audio_upload": 0,
        "jitsi_jcmc_bitrate_audio_download": 0,
        "jitsi_jcmc_bitrate_video_upload": 0,
        "jitsi_jcmc_bitrate_video_download": 0,
        "jitsi_jcmc_bitrate_upload": 0,
        "jitsi_jcmc_bitrate_download": 0,
    }
    assert until(expected, lambda: seen(prometheus, "cid00003", "quiet")) == expected

    cid.go_elsewhere()
    eventually(lambda: is_gone(prometheus, "cid00003", "quiet"), 10)


def test_each_browser_has_a_client_id_of_its_own_that_outlives_the_page(
    sit: Sit, road: Service
) -> None:
    dora, emil = sit(road.url), sit(road.url)
    ids = []
    for seat, me in ((dora, "dora0001"), (emil, "emil0001"), (dora, "dora0002")):
        seat.join(me, "ids")
        with seat.page.expect_response(f"{road.url}/metrics/push"):
            seat.replay(recorded("lyno-2021-p2p", 2))
        (series,) = (name for name in road.series("jitsi_jcmc_connectionq") if me in name)
        found = re.search(f'client_id="({GUID})"', series)
        assert found
        ids.append(found[1])
    assert ids[0] == ids[2] != ids[1]
