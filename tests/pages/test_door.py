"""Who may read pages: by host name, cookie and token; and where the sign-in form leads."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from fastapi import Response
from harness import Answer, Service, request
from starlette.routing import Match

from otel_jcmc.intake.callers import PRIVATE
from otel_jcmc.pages.routes import page_router, wants_page
from otel_jcmc.web.readers import Readers, hosts_of, is_no_public_name
from otel_jcmc.web.tickets import LIFE_SECONDS, NAME, Tickets

TOKEN = "c7Zk-31Nn0_wR9aB"
HTML = {"accept": "text/html,application/xhtml+xml"}


def scope(peer: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    return {
        "client": (peer, 50_000),
        "method": method,
        "headers": [(name.encode(), text.encode()) for name, text in headers.items()],
    }


def door(token: str = "", hosts: tuple[str, ...] = ()) -> Readers:
    return Readers(
        "pages",
        PRIVATE,
        {},
        token=token,
        token_setting="JCMC_READ_TOKEN",
        hosts=hosts,
        hosts_setting="JCMC_READ_HOSTS",
    )


@pytest.mark.parametrize(
    "host",
    [
        "localhost:3000",
        "127.0.0.1:3000",
        "10.1.2.3",
        "[::1]:3000",
        "otel-jcmc:3000",
        "jcmc.monitoring.svc.cluster.local",
        "a.localhost",
        "Quality.Example.org:443",
        "quality.example.org.",
    ],
)
def test_a_private_address_reads_by_a_name_that_nobody_else_can_have(host: str) -> None:
    assert door(hosts=("quality.example.org",)).refuse(scope("10.1.2.3", host=host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *("attacker.example", "quality.example.org.attacker.example", "1.2.3.4.nip.io", ""),
        # Hosts that begin or end like a safe one, but are invalid.
        *("[::1].attacker.example", "localhost:80@attacker.example", "attacker.example/.local"),
        *("attacker.example#.local", "localhost, attacker.example", "attacker.example.."),
    ],
)
def test_a_private_address_does_not_read_by_a_name_that_may_be_anybodys(host: str) -> None:
    readers = door(hosts=("quality.example.org",))
    refusal = readers.refuse(scope("10.1.2.3", host=host))
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (421, "host")
    assert "JCMC_READ_HOSTS" in refusal.text
    assert readers.refused["pages", "host"] == 1


@pytest.mark.parametrize("told", ["attacker.example", "localhost, attacker.example", ""])
def test_the_name_counts_that_a_proxy_was_asked_by(told: str) -> None:
    """A proxy may put a safe name of its own into Host, whatever name the browser asked for."""
    headers = {"host": "otel-jcmc:3000", "x-forwarded-host": told}
    refusal = door().refuse(scope("10.1.2.3", **headers))
    assert refusal is not None
    assert refusal.reason == "host"
    listed = door(hosts=("quality.example.org",))
    headers["x-forwarded-host"] = "quality.example.org"
    assert listed.refuse(scope("10.1.2.3", **headers)) is None


def test_two_hosts_are_none() -> None:
    told = scope("10.1.2.3")
    told["headers"] = [(b"host", b"localhost"), (b"host", b"attacker.example")]
    assert hosts_of(told) == [""]
    assert not is_no_public_name("")
    refusal = door().refuse(told)
    assert refusal is not None
    assert refusal.reason == "host"


def test_who_tells_no_name_is_no_browser() -> None:
    assert door().refuse(scope("10.1.2.3")) is None


def test_the_token_opens_by_any_name() -> None:
    told = scope("10.1.2.3", host="any.example", authorization=f"Bearer {TOKEN}")
    assert door(TOKEN).refuse(told) is None


def test_a_cookie_is_good_for_its_life_and_by_its_token_alone() -> None:
    now = [1_000_000.0]
    tickets = Tickets(TOKEN, lambda: now[0])
    ticket = scope("203.0.113.9", cookie=f"a=b; {NAME}={tickets.make()}")
    assert tickets.has_one(ticket)
    now[0] += LIFE_SECONDS - 1
    assert tickets.has_one(ticket)
    now[0] += 1
    assert not tickets.has_one(ticket)
    now[0] -= LIFE_SECONDS + 1
    # A cookie from a clock that was ahead would be valid for longer than its life.
    assert not tickets.has_one(ticket)
    assert not Tickets("another token of 16", lambda: now[0]).has_one(ticket)


@pytest.mark.parametrize("value", ["", ".", "99999999999.", "x.y", "99999999999.00", "é.é"])
def test_a_made_up_cookie_is_none(value: str) -> None:
    assert not Tickets(TOKEN).has_one(
        {"headers": [(b"cookie", f"{NAME}={value}".encode("latin-1"))]}
    )


def test_a_cookie_reads_and_does_nothing_else() -> None:
    readers = door(TOKEN)
    assert readers.tickets is not None
    cookie = f"{NAME}={readers.tickets.make()}"
    assert readers.refuse(scope("203.0.113.9", host="any.example", cookie=cookie)) is None
    refusal = readers.refuse(scope("203.0.113.9", "DELETE", host="any.example", cookie=cookie))
    assert refusal is not None
    assert refusal.status == 401


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that only callers with the token may read."""
    folder: Path = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, JCMC_READ_TOKEN=TOKEN, JCMC_TRUSTED_PROXIES="127.0.0.0/8") as running:
        yield running


OUTSIDE = HTML | {"x-forwarded-for": "203.0.113.9"}


def sign_in(service: Service, form: str, **headers: str) -> Answer:
    """Send the form from a public address."""
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return request(f"{service.url}/-/sign-in", form, headers=OUTSIDE | kind | headers)


def test_who_may_not_read_gets_a_form_and_with_the_token_the_page(service: Service) -> None:
    refused = service.get("/live?state=bad", headers=OUTSIDE)
    assert refused.status == 403
    assert 'name="back" value="/live?state=bad"' in refused.body
    assert "Who has a bad call now" not in refused.body
    wrong = sign_in(service, "token=0123456789abcdefg&back=/live")
    assert wrong.status == 403
    assert "set-cookie" not in wrong.headers
    right = _not_followed(service, f"token={TOKEN}&back=/live%3Fstate%3Dbad")
    assert right.status == 303
    assert right.headers["location"] == "/live?state=bad"
    cookie = right.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", f"Max-Age={LIFE_SECONDS}", "Path=/"} <= set(
        cookie.split("; ")
    )
    told = OUTSIDE | {"cookie": cookie.partition(";")[0]}
    assert "Who has a bad call now" in service.get("/live", headers=told).body
    assert service.get("/sessions", headers=told | {"accept": "*/*"}).status == 200
    erasing = request(
        f"{service.url}/sessions?client_id=x", method="DELETE", headers=told | {"accept": "*/*"}
    )
    assert erasing.status == 401


def test_a_slash_too_many_leads_to_the_page_and_to_no_other_host(service: Service) -> None:
    opened = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=10)
    opened.request("GET", "/live/?state=bad", headers=HTML | {"host": "attacker.example"})
    answer = opened.getresponse()
    assert (answer.status, answer.headers["location"]) == (307, "/live?state=bad")
    opened.close()


def test_a_cookie_that_came_by_tls_goes_by_nothing_else(service: Service) -> None:
    form = f"token={TOKEN}&back=/live"
    for told, is_secure in (({"x-forwarded-proto": "https"}, True), ({}, False)):
        cookie = _not_followed(service, form, **told).headers["set-cookie"]
        assert ("Secure" in cookie.split("; ")) is is_secure


def _not_followed(service: Service, form: str, **headers: str) -> Answer:
    """Send the form and return its own answer, without following the redirect."""
    opened = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=10)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    opened.request("POST", "/-/sign-in", form, OUTSIDE | kind | headers)
    answer = opened.getresponse()
    told = Answer(answer.status, answer.read().decode(), answer.msg)
    opened.close()
    return told


@pytest.mark.parametrize(
    "back", ["https://attacker.example/", "//attacker.example", "/\\attacker.example", "live", ""]
)
def test_the_form_leads_nowhere_else(service: Service, back: str) -> None:
    answer = _not_followed(service, f"token={TOKEN}&back={quote(back, safe='')}")
    assert (answer.status, answer.headers["location"]) == (303, "/")


def test_the_form_of_another_site_and_a_large_one_are_refused(service: Service) -> None:
    form = f"token={TOKEN}&back=/"
    assert sign_in(service, form, origin="https://attacker.example").status == 403
    # A page that sends no referrer sends no origin either.
    hidden = {"origin": "null", "sec-fetch-site": "cross-site"}
    assert sign_in(service, form, **hidden).status == 403
    own = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert sign_in(service, "token=wrong", **own).body.count("This is not the token.") == 1
    assert sign_in(service, "token=" + "x" * 5000).status == 413


def test_machines_are_answered_as_ever(service: Service) -> None:
    assert "is up." in service.get("/").body
    assert service.get("/sessions", headers={"x-forwarded-for": "203.0.113.9"}).status == 401


def test_where_there_is_only_a_page_everybody_gets_it(service: Service) -> None:
    """Or who tries it with curl takes it for missing; a stranger is kept out as ever."""
    for accept in ("*/*", "application/json"):
        asked = service.get("/live", headers={"accept": accept})
        assert asked.status == 200
        assert "<html" in asked.body
    from_afar = {"accept": "*/*", "x-forwarded-for": "203.0.113.9"}
    assert service.get("/live", headers=from_afar).status == 403


def test_pages_can_be_off(tmp_path: Path) -> None:
    with Service(tmp_path, JCMC_PAGES="false") as running:
        assert "is up." in running.get("/", headers=HTML).body
        assert running.get("/live", headers=HTML).status == 404


def test_a_query_is_not_taken_apart_for_who_may_not_read() -> None:
    """Each page's route matches before the door checks the caller, so a query is searched once."""
    told = {"headers": [(b"accept", HTML["accept"].encode())]}
    for query, is_page in (
        ("", True),
        ("format=csv", False),
        ("a=1&format", False),
        ("a=1&format=&b=2", False),
        ("xformat=csv&formats=1&a=format", True),
    ):
        assert wants_page(told | {"query_string": query.encode()}) is is_page


def test_who_asks_for_something_else_is_not_asked_what_for() -> None:
    """The scope has no query and no headers: a route of another path must not look at them."""
    router = page_router()

    @router.get("/live")
    async def live() -> Response:
        raise AssertionError

    (route,) = router.routes
    assert route.matches({"type": "http", "method": "GET", "path": "/metrics"})[0] is Match.NONE
