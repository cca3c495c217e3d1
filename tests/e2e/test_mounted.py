"""Client files of a mounted service in a real browser: they find their paths below it."""

from pathlib import Path

import pytest
from e2e.conftest import Sit
from e2e.meeting import Seat, recorded, running_site, taken_seat
from harness import eventually
from hosting import Host
from playwright.sync_api import Browser
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")


def is_seen(host: Host, participant: str) -> bool:
    """Say whether a scrape shows *participant*."""
    return participant in host.get("/jitsi-metrics/metrics").body


def speak(seat: Seat, participant: str) -> None:
    """Enter the conference as *participant*, and emit statistics."""
    seat.join(participant, "standup")
    seat.replay(recorded("head-jvb-vp8-360", 1))


@pytest.mark.parametrize("auth", ["none", "token"])
def test_pages_push_to_where_the_file_came_from(sit: Sit, short_path: Path, auth: str) -> None:
    """Pages also get their tokens there. A host with CORS for all paths answers preflights."""
    with Host(short_path, JCMC_PUSH_AUTH=auth, ORIGIN="*") as host:
        ada = sit(f"{host.url}/jitsi-metrics")
        speak(ada, "ada00001")
        eventually(lambda: is_seen(host, "ada00001"))
        ada.leave_room()
        eventually(lambda: not is_seen(host, "ada00001"))


def test_pages_of_the_other_collector_do_too(browser: Browser, short_path: Path) -> None:
    """The cookie is for the folder below the mount; the second push has the metrics."""
    port = free_port()
    client = f"http://127.0.0.1:{port}/jitsi-metrics/jmmc/getClient"
    with (
        running_site(client, {}) as site,
        Host(short_path, "--port", str(port), ORIGIN=site, JCMC_CORS_ALLOWED_ORIGINS=site) as host,
        taken_seat(browser, site) as bob,
    ):
        speak(bob, "bob00001")
        eventually(lambda: is_seen(host, "bob00001"))
        metric = "jitsi_jcmc_bitrate_video_upload{"
        eventually(lambda: metric in host.get("/jitsi-metrics/metrics").body)
