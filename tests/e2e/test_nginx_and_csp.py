"""
What the docs tell an operator to publish: a real nginx, and pages with a policy.

deploy/nginx and the blocks of docs/operations.md are run as they stand, but for their addresses.
"""

import posixpath
import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from e2e.meeting import HERE, Seat, recorded, taken_seat
from e2e.nginx import BESIDE, LOCATIONS, fenced, running_nginx
from e2e.parts import ROOT
from harness import Answer, Service, eventually, push_body, request
from paths import ask, every_path
from playwright.sync_api import Browser
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")

README = (ROOT / "README.md").read_text(encoding="utf-8")
# The addresses in the docs: Jitsi page with collector, collector alone, service.
MEET, METRICS, SERVICE = (
    "https://meet.example.org",
    "https://metrics.example.org",
    "127.0.0.1:3000",
)
SAME_ORIGIN, OTHER_ORIGIN = (
    line.removeprefix("Content-Security-Policy: ")
    for line in fenced("docs/operations.md", "http")[0].splitlines()
)
# Ways to the root of the service, from a published path.
UPS = (
    "/..",
    "/../..",
    "/../../..",
    "/%2e%2e/%2e%2e",
    "/..%2f..",
    "/%2E./.%2e",
    "//..//..",
    "/..;/..",
)
PUBLISHED = (
    "/metrics-collector/push",
    "/metrics-collector/client-file",
    "/metrics-collector/metrics/push",
)
# The push URL of the client file if nobody sets one.
PUSHED = PUBLISHED[2]
# <base> in a Jitsi page may point at another server; nothing listens on port 9.
PAGE = """<!doctype html><title>meeting</title>
<script src="/meeting.js"></script>
<base href="http://127.0.0.1:9/cdn/">
{tag}
"""
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
    violations.push([effectiveDirective, blockedURI]);
});
"""


def the_only(pattern: str) -> str:
    """Return what *pattern* finds in the README, which must have it exactly once."""
    (found,) = re.findall(pattern, README)
    assert isinstance(found, str)
    return found


@dataclass
class Site:
    """
    The service, and pages of it through nginx; all load the client file from `meet`.

    Attributes:
        meet: page and collector under one origin.
        listed: a page of another origin, whose policy lists the collector.
        no_file, no_push: the same, but script-src or connect-src does not list it.
        behind: the published paths lead to the scrape, which shows the address of the caller.
        tokens: the published paths, with the path of tokens.
        hurried: the published paths, with shorter times and lower limits.
    """

    service: Service
    meet: str
    listed: str
    no_file: str
    no_push: str
    behind: str
    tokens: str
    hurried: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    ports = [free_port() for _ in range(7)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    meet = urls[0]

    def here(text: str) -> str:
        return text.replace(MEET, meet).replace(METRICS, meet)

    def page(port: int, policy: str, more: str = "") -> str:
        strict = f"default-src 'none'; require-trusted-types-for 'script'; {here(policy)}"
        return f"""
            server {{
                listen 127.0.0.1:{port};
                root {folder};
                add_header Content-Security-Policy "{strict}";
                location / {{ try_files $uri =404; }}
                {more}
            }}"""

    tag = the_only(r"`(<script src=.*?</script>)`")
    (folder / "meeting").write_text(PAGE.format(tag=here(tag)))
    (folder / "meeting.js").write_bytes((HERE / "meeting.js").read_bytes())
    to_scrape = re.sub("(?<=//otel_jcmc)/[a-z/-]+", "/metrics", LOCATIONS)
    with_tokens = re.sub(r"^#(location|    |\})", r"\1", LOCATIONS, flags=re.MULTILINE)
    hurried = (
        LOCATIONS.replace("_timeout 10s;", "_timeout 1s;")
        .replace("zone=otel_jcmc_requests", "zone=few")
        .replace("burst=2000", "burst=2")
    )
    # Nothing is set, as at a newcomer's.
    with Service(folder / "service") as service:
        http = (
            BESIDE.replace(SERVICE, service.url.removeprefix("http://"))
            + page(ports[0], SAME_ORIGIN, LOCATIONS)
            + page(ports[1], OTHER_ORIGIN)
            + page(ports[2], SAME_ORIGIN)
            + page(ports[3], OTHER_ORIGIN.replace(f"connect-src 'self' {METRICS}", ""))
            + f"""
            server {{
                listen 127.0.0.1:{ports[4]};
                set_real_ip_from 127.0.0.1;
                real_ip_header X-Caller;
                {to_scrape}
            }}
            server {{ listen 127.0.0.1:{ports[5]}; {with_tokens} }}
            limit_req_zone $binary_remote_addr zone=few:1m rate=1r/s;
            server {{ listen 127.0.0.1:{ports[6]}; {hurried} }}"""
        )
        with running_nginx(folder, http, ports[0]):
            yield Site(service, *urls)


@contextmanager
def seat_at(browser: Browser, page: str) -> Iterator[Seat]:
    """Open a browser for *page* that records what the page's policy refuses."""
    with taken_seat(browser, page) as seat:
        seat.page.add_init_script(WATCH)
        yield seat


def violations(seat: Seat) -> Any:
    """Return directive and address of each refusal by the policy."""
    return seat.page.evaluate("() => violations")


def quality(service: Service, participant: str) -> list[float]:
    """Return the connection quality of *participant* in a list; empty: not shown."""
    series = service.series("jitsi_jcmc_connectionquality")
    return [round(value, 2) for name, value in series.items() if f'"{participant}"' in name]


@pytest.mark.parametrize(("where", "me"), [("meet", "ada00001"), ("listed", "bob00002")])
def test_a_call_is_seen_until_it_is_left_and_breaks_no_rule_of_the_pages_policy(
    site: Site, browser: Browser, where: str, me: str
) -> None:
    with seat_at(browser, getattr(site, where)) as seat:
        seat.join(me, "standup")
        seat.replay(recorded("head-jvb-vp8-360", 25))
        assert eventually(lambda: quality(site.service, me)) == [19.43]
        seat.leave_room()
        eventually(lambda: not quality(site.service, me))
        assert violations(seat) == []


def test_a_page_that_may_not_load_the_file_is_as_it_was(site: Site, browser: Browser) -> None:
    with seat_at(browser, site.no_file) as seat:
        seat.page.goto(f"{site.no_file}/meeting?me=cid00003&room=standup")
        seat.page.evaluate("() => enterRoom()")
        seat.replay(recorded("head-jvb-vp8-360", 25))
        assert violations(seat) == [["script-src-elem", f"{site.meet}{PUBLISHED[1]}"]]
        (said,) = seat.complaints
        assert "violates the following Content Security Policy directive" in said
        seat.complaints.clear()


def test_a_page_that_may_not_push_hears_of_it_from_the_browser_alone(
    site: Site, browser: Browser
) -> None:
    with seat_at(browser, site.no_push) as seat:
        seat.join("dora0004", "standup")
        seat.replay(recorded("head-jvb-vp8-360", 25))
        refused = eventually(lambda: violations(seat))
        assert {tuple(each) for each in refused} == {("connect-src", f"{site.meet}{PUSHED}")}
        assert seat.complaints
        for said in seat.complaints:
            assert said.startswith("error: ")
            assert "Content Security Policy" in said
        seat.complaints.clear()
    assert quality(site.service, "dora0004") == []


def reads_as(target: str) -> str:
    """Return the path that nginx reads in *target*."""
    return re.sub("/+", "/", posixpath.normpath(unquote(urlsplit(target).path)))


def is_refused_by_nginx(answer: tuple[int, bytes], method: str) -> bool:
    """Say whether nginx itself refused: its answers have its name, except to HEAD."""
    status, body = answer
    return status >= 400 and (method == "HEAD" or b"<center>nginx" in body)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)
def test_nothing_else_of_the_service_can_be_reached(site: Site, method: str) -> None:
    """Every route of the service, in every spelling that might slip through."""
    routes = sorted(every_path())
    targets = [
        *(f"{place}{route}" for place in ("", "/metrics-collector") for route in routes),
        *(f"/{route}" for route in routes),
        *(f"{route}/" for route in routes),
        *(f"{route}?x=/metrics-collector/push" for route in routes),
        *(f"{path}{up}{route}" for path in PUBLISHED for up in UPS for route in routes),
        *(f"{path}{more}" for path in PUBLISHED for more in ("/", "/metrics", ";/metrics", "%00")),
        *("/metrics-collector/", "/metrics-collector/push%2f..%2f..%2fmetrics", "/%6Detrics"),
        *("/metrics-collector/push-token", "/metrics-collector/metrics/push-token"),
        *(f"{site.meet}/metrics", "http://otel_jcmc/metrics"),
    ]
    reached = {
        target: answer
        for target in targets
        if reads_as(target) not in PUBLISHED
        and not is_refused_by_nginx(answer := ask(site.meet, method, target), method)
    }
    assert reached == {}


def test_the_published_paths_are_reached(site: Site) -> None:
    assert [ask(site.meet, "GET", path)[0] for path in PUBLISHED] == [405, 200, 405]
    for path in (PUBLISHED[0], PUSHED):
        assert ask(site.meet, "POST", path)[0] == 400
        assert ask(site.meet, "OPTIONS", path)[0] == 204


@pytest.mark.parametrize(
    "url",
    [
        f"{MEET}{PUSHED}",
        # The README's block for operators who set one.
        the_only("`PUSH_URL=(.*?)`"),
    ],
)
def test_a_push_is_taken_at_both_paths_that_deployments_have(site: Site, url: str) -> None:
    who = f"{len(url):08}"
    body = push_body(who, "both-paths")
    answer = request(url.replace(MEET, site.meet), body)
    assert (answer.status, answer.body) == (200, "OK")
    assert quality(site.service, who) == [97.5]


def test_the_path_of_tokens_is_reached_once_its_comment_is_gone(site: Site) -> None:
    for path in ("/metrics-collector/push-token", "/metrics-collector/metrics/push-token"):
        assert b"<center>nginx" in ask(site.meet, "POST", path)[1]
        assert b"<center>nginx" not in ask(site.tokens, "POST", path)[1]


def test_a_slow_sender_is_cut_by_nginx(site: Site) -> None:
    """The limit is one second instead of ten."""
    host, _, port = site.hurried.removeprefix("http://").rpartition(":")
    head = b"POST /metrics-collector/push HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    for sent in (head, head + b"\r\n{"):
        with socket.create_connection((host, int(port)), timeout=8) as wire:
            wire.sendall(sent)
            assert wire.recv(4096) == b""


def test_one_address_that_asks_too_often_is_told_to_wait(site: Site) -> None:
    """The limits are one request a second and two at once, not a thousand and two thousand."""
    statuses = [ask(site.hurried, "POST", PUBLISHED[0])[0] for _ in range(6)]
    assert statuses[:3] == [400] * 3
    assert 429 in statuses[3:]


@pytest.mark.parametrize("published", PUBLISHED)
@pytest.mark.parametrize(
    "claimed", ["X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1", "Forwarded: for=10.0.0.1"]
)
def test_a_callers_address_is_what_nginx_says_whatever_the_caller_claims(
    site: Site, published: str, claimed: str
) -> None:
    """The scrape shows it, because only the scrape depends on the address."""

    def scrape(caller: str) -> Answer:
        name, _, value = claimed.partition(": ")
        return request(site.behind + published, headers={"X-Caller": caller, name: value})

    assert scrape("203.0.113.7").status == 403
    assert scrape("192.168.1.7").status == 200


def test_browsers_keep_the_file_for_five_minutes_and_then_ask_whether_it_has_changed(
    site: Site,
) -> None:
    url = site.meet + PUBLISHED[1]
    plain = request(url)
    assert plain.headers["cache-control"] == "public, max-age=300"
    assert "window.otelJcmc" in plain.body
    again = request(url, headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status, again.body) == (304, "")


def test_the_file_is_compressed_and_recognised_all_the_same(site: Site) -> None:
    """nginx makes the ETag of a compressed answer a weak one."""
    url = site.meet + PUBLISHED[1]
    asked = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked, timeout=10) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        tag = packed.headers["etag"]
    assert tag.startswith('W/"')
    assert request(url, headers={"If-None-Match": tag}).status == 304
