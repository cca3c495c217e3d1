"""
A page in a real browser that loads the client of the Jitsi Meet Metrics Collector from the service.

The page belongs to another site than the service. So the cookie of its session is a third-party
cookie, which needs TLS and a listed origin.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chromium import end_chromium
from client.pages import running_chromium
from e2e.meeting import Seat, recorded, running_site
from harness import Service, eventually
from playwright.sync_api import Browser
from ports import free_port
from redis_parts import Certificates

from otel_jcmc.store.embedded import EmbeddedStore

pytestmark = pytest.mark.xdist_group("e2e")

# Names of other sites, all on this machine.
NAMES = "--host-resolver-rules=MAP meet.example.org 127.0.0.1, MAP calls.example.net 127.0.0.1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    end_chromium()
    with running_chromium(NAMES) as chromium:
        yield chromium


@contextmanager
def seated(browser: Browser, site: str) -> Iterator[Seat]:
    """Open a context that accepts the test's certificate; the page must not complain."""
    context = browser.new_context(ignore_https_errors=True)
    seat = Seat(context.new_page(), site)
    seat.page.on("console", lambda said: seat.complaints.append(f"{said.type}: {said.text}"))
    seat.page.on("pageerror", lambda error: seat.complaints.append(f"thrown: {error}"))
    try:
        yield seat
    finally:
        context.close()
    assert seat.complaints == []


def sessions(service: Service) -> list[dict[str, Any]]:
    """Return the sessions in history."""
    found: list[dict[str, Any]] = service.get("/sessions").json()["sessions"]
    return found


def test_a_page_of_another_site_keeps_its_session_by_the_cookie(
    browser: Browser, redis_server: EmbeddedStore, short_path: Path
) -> None:
    """Over TLS, because such a cookie demands it; another replica shows the result."""
    certificates = Certificates(short_path / "c")
    port = free_port()
    client = f"https://calls.example.net:{port}/jmmc/getClient"
    with running_site(client, {}) as served:
        site = served.replace("127.0.0.1", "meet.example.org")
        shared = {"REDIS_URL": redis_server.url, "JCMC_HISTORY_INTERVAL": "5"}
        with (
            Service(short_path / "b", **shared) as reader,
            Service(
                short_path / "a",
                **shared,
                JCMC_PORT=str(port),
                JCMC_TLS_CERTIFICATE_FILE=str(certificates.certificate),
                JCMC_TLS_KEY_FILE=str(certificates.key),
                JCMC_CORS_ALLOWED_ORIGINS=site,
            ),
            seated(browser, site) as bob,
        ):
            bob.join("c0ce0ba6", "standup")
            bob.replay(recorded("head-jvb-vp8-360", 25, serverRegion="eu-west"))
            eventually(lambda: value(reader, "bitrate_video_upload") == 141)
            assert value(reader, "connectionquality") == 19.4
            assert value(reader, "packetloss_download") == 9
            assert 'serverregion="eu-west"' in reader.get("/metrics").body

            bob.replay(recorded("head-jvb-vp8-360", 25, 25, 25, connectionQuality=70))
            eventually(lambda: value(reader, "connectionquality") == 70)
            assert value(reader, "bitrate_video_upload") == 141
            (session,) = sessions(reader)
            assert (session["conference"], session["participant_id"]) == ("standup", "c0ce0ba6")


def value(service: Service, metric: str) -> float | None:
    """Return the value of the one series of *metric*."""
    found = [each for name, each in service.series(f"jitsi_jcmc_{metric}{{").items()]
    assert len(found) <= 1
    return found[0] if found else None
