"""
Who may push, with real browsers: pages of the allowed origin and of another one.

A refused client prints nothing; only the browser itself reports the refusal on its console.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from e2e.meeting import HERE, Seat, recorded, running_site, taken_seat
from e2e.nginx import BESIDE, LOCATIONS, running_nginx
from harness import Service, eventually, push_body
from playwright.sync_api import Browser
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")

SECRET = "jitsi's-secret-of-the-tests-is-long-enough"
REFUSED = 'otel_jcmc_push_tokens_total{outcome="refused",reason="origin_not_allowed"}'


@dataclass
class Place:
    """A service that demands push tokens, and two sites that load its client file."""

    service: Service
    allowed: str
    other: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    port = free_port()
    client_file = f"http://127.0.0.1:{port}/client-file"
    with (
        running_site(client_file, {}) as allowed,
        running_site(client_file, {}) as other,
        Service(
            tmp_path_factory.mktemp("push-auth"),
            JCMC_PORT=str(port),
            JCMC_CLIENT_JITTER="0",
            JCMC_PUSH_AUTH="token",
            JCMC_CORS_ALLOWED_ORIGINS=allowed,
        ) as service,
    ):
        yield Place(service, allowed, other)


def seen(service: Service, participant: str) -> bool:
    """Say whether a scrape shows *participant*."""
    return any(f'"{participant}"' in name for name in service.series())


def heard(seat: Seat) -> list[str]:
    """Return the console lines of *seat* so far, at least one, and remove them."""

    def found() -> list[str]:
        seat.page.evaluate("() => 1")  # console lines come only during a call
        return list(seat.complaints)

    complaints = eventually(found)
    seat.complaints.clear()
    return complaints


def test_a_page_of_the_allowed_origin_is_seen_until_it_is_closed(
    place: Place, browser: Browser
) -> None:
    """The last push has its token in the body, because the page has no time for a preflight."""
    with taken_seat(browser, place.allowed) as ada:
        ada.join("ada00001", "standup")
        ada.replay(recorded("head-jvb-vp8-360", 25))
        eventually(lambda: seen(place.service, "ada00001"))
        ada.go_elsewhere()
        eventually(lambda: not seen(place.service, "ada00001"), 10)
    pushes = place.service.series("otel_jcmc_pushes_total")
    assert pushes['otel_jcmc_pushes_total{outcome="accepted",reason=""}'] == 2
    assert sum(n for name, n in pushes.items() if 'outcome="refused"' in name) == 0


def test_a_page_of_another_origin_is_not_and_its_user_hears_of_it_from_the_browser_alone(
    place: Place, browser: Browser
) -> None:
    with taken_seat(browser, place.other) as bob:
        bob.join("bob00002", "standup")
        bob.replay(recorded("head-jvb-vp8-360", 25))
        eventually(lambda: place.service.own(REFUSED))
        bob.go_elsewhere()  # otherwise it would go on asking
        for said in heard(bob):
            assert said.startswith("error: ")
            assert "CORS policy" in said or "Failed to load resource" in said
        assert not seen(place.service, "bob00002")


def test_another_site_can_do_nothing_with_a_token_that_it_has_got(
    place: Place, browser: Browser
) -> None:
    """Its own script pushes, but the visitors' browsers tell the origin."""
    asked = place.service.get("/push-token", method="POST", headers={"origin": place.allowed})
    series = 'otel_jcmc_pushes_total{outcome="refused",reason="origin_not_allowed"}'
    with taken_seat(browser, place.other) as eve:
        eve.page.goto(f"{place.other}/elsewhere")
        eve.page.evaluate(
            """([url, body]) => fetch(url, { method: "POST", mode: "no-cors", body })""",
            [f"{place.service.url}/metrics/push", body_with(asked.json()["token"])],
        )
        assert eventually(lambda: place.service.own(series)) == 1
        assert not seen(place.service, "eve00003")
        assert all("status of 403" in said for said in heard(eve))


def body_with(token: str) -> str:
    """Return the body of a push with *token*, which needs no preflight."""
    return json.dumps(push_body("eve00003", token=token))


def test_behind_nginx_as_the_docs_have_it_the_pages_own_origin_may_push(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Page and collector have one origin there; the browser tells it all the same."""
    folder = tmp_path_factory.mktemp("nginx-push-auth")
    before, only, commented = LOCATIONS.partition("# Only with JCMC_PUSH_AUTH=token:\n")
    assert only
    locations = before + re.sub("^#", "", commented, flags=re.MULTILINE)
    assert "\nlocation = /metrics-collector/push-token {" in locations
    (folder / "meeting").write_text(
        '<!doctype html><title>meeting</title><script src="/meeting.js"></script>'
        '<script src="/metrics-collector/client-file" async></script>'
    )
    (folder / "meeting.js").write_bytes((HERE / "meeting.js").read_bytes())
    (folder / "elsewhere").write_text("<!doctype html><title>elsewhere</title>")
    port = free_port()
    meet = f"http://127.0.0.1:{port}"
    with Service(
        folder / "service",
        PUSH_URL=f"{meet}/metrics-collector/push",
        JCMC_CLIENT_JITTER="0",
        JCMC_PUSH_AUTH="token",
        JCMC_CORS_ALLOWED_ORIGINS=meet,
    ) as service:
        http = f"""
            {BESIDE.replace("127.0.0.1:3000", service.url.removeprefix("http://"))}
            server {{
                listen 127.0.0.1:{port};
                root {folder};
                location / {{ try_files $uri =404; }}
                {locations}
            }}"""
        with running_nginx(folder, http, port), taken_seat(browser, meet) as ada:
            ada.join("ada00005", "standup")
            ada.replay(recorded("head-jvb-vp8-360", 25))
            eventually(lambda: seen(service, "ada00005"))
            ada.go_elsewhere()
            eventually(lambda: not seen(service, "ada00005"), 10)
        assert service.own('otel_jcmc_push_tokens_total{outcome="accepted",reason=""}') == 1


@pytest.fixture
def jitsi(short_path: Path) -> Iterator[Service]:
    """Return a service that demands Jitsi's tokens."""
    with Service(
        short_path / "a",
        JCMC_CLIENT_JITTER="0",
        JCMC_PUSH_AUTH="jwt",
        JCMC_JWT_SECRET=SECRET,
        JCMC_JWT_ISSUER="my_app",
        JCMC_JWT_AUDIENCE="jitsi",
        JCMC_JWT_SUBJECT="meet.example.org",
    ) as service:
        yield service


def join_with(seat: Seat, me: str, room: str) -> None:
    """Join *room* on a page with a token for the conference `standup`."""
    claims = {
        "iss": "my_app",
        "aud": "jitsi",
        "sub": "meet.example.org",
        "room": "standup",
        "exp": 4_000_000_000,
    }
    text = jwt.encode(claims, SECRET, "HS256")
    seat.page.add_init_script(f'window.JWT = "{text}";')
    seat.join(me, room)
    seat.replay(recorded("head-jvb-vp8-360", 25))


def test_a_page_with_jitsis_token_pushes_for_its_room_and_for_no_other(
    jitsi: Service, browser: Browser
) -> None:
    series = 'otel_jcmc_pushes_total{outcome="refused",reason="conference_not_allowed"}'
    with (
        running_site(f"{jitsi.url}/client-file", {}) as site,
        taken_seat(browser, site) as cid,
        taken_seat(browser, site) as dora,
    ):
        join_with(cid, "cid00003", "standup")
        eventually(lambda: seen(jitsi, "cid00003"))
        cid.go_elsewhere()
        eventually(lambda: not seen(jitsi, "cid00003"), 10)
        join_with(dora, "dora0004", "retro")
        assert eventually(lambda: jitsi.own(series))
        assert not seen(jitsi, "dora0004")
        assert all("status of 403" in said for said in heard(dora))
