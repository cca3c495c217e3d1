"""
What a browser sees: the client file, the page's policy, and a push that is only a test.

It asks by the public URL where there is one, else the service itself. The test push is nobody's: it
is in no history, no count and no verdict (TEST_CLIENT), and it leaves again.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

from otel_jcmc.doctor.asking import Answer, Unreachable, ask, origin_of_url
from otel_jcmc.doctor.findings import Finding, left_open, well, wrong
from otel_jcmc.doctor.policy import CONNECT, SCRIPT, forbidding, is_by_nonce, policies_of
from otel_jcmc.doctor.service import Portrait, remedy_for
from otel_jcmc.wire.push import TEST_CLIENT

SEEN_SECONDS: Final = 5.0
_ROOM: Final = "otel-jcmc-doctor"
_PROXY: Final = "does the proxy have the locations of the README (Publish two paths)?"
_PUSH_URL: Final = f"{_PROXY} PUSH_URL is where pages push"
_CORS: Final = "name the page's origin in JCMC_CORS_ALLOWED_ORIGINS"
_HOST: Final = "a CORSMiddleware of the application that it is mounted in must allow it too"
_STRIPPED: Final = "a proxy on the way drops it: let it pass Access-Control-* on"


class Site(NamedTuple):
    """
    Where browsers are, and what they ask for.

    Attributes:
        page_url: the page of a conference, or what has its origin.
        has_page: whether it was named, and is to be looked at.
        script_url: the client file.
        push_url: where the file pushes to.
    """

    page_url: str
    has_page: bool
    script_url: str
    push_url: str

    @property
    def origin(self) -> str:
        """The page's origin."""
        return origin_of_url(self.page_url)

    @property
    def is_cross_origin(self) -> bool:
        """Whether a push goes to another origin than the page's."""
        return self.origin != origin_of_url(self.push_url)


def site_of(portrait: Portrait, public_url: str, page_url: str | None) -> Site:
    """Return where browsers of the service of *portrait* are, which they reach at *public_url*."""
    script_url = f"{public_url}/client-file"
    # As the client file has it: beside itself where nothing is set.
    push_url = portrait.settings.get("PUSH_URL") or urljoin(script_url, "metrics/push")
    has_page = page_url is not None
    return Site(page_url or origin_of_url(public_url) + "/", has_page, script_url, push_url)


def page(portrait: Portrait, site: Site) -> Iterator[Finding]:
    """Return what a browser would see."""
    yield from _client_file(portrait, site)
    if site.has_page:
        yield from _policy(site)
    auth = portrait.settings["JCMC_PUSH_AUTH"]
    if site.is_cross_origin and auth != "none":
        yield from _preflight(site)
    if not portrait.is_ready:
        yield left_open("page", "no test push, as the store takes none")
    elif auth == "jwt":
        yield from _path_alone(site)
    else:
        yield from _test_push(portrait, site, needs_token=auth == "token")


def _client_file(portrait: Portrait, site: Site) -> Iterator[Finding]:
    """Return whether the client file comes, and is the service's own."""
    url = site.script_url
    try:
        answer = ask(url, headers={"origin": site.origin})
    except Unreachable as error:
        yield wrong("page", f"the client file does not come: {url}: {error}", _PROXY)
        return
    version = f'"version":"{portrait.told["version"]}"'.encode()
    if answer.status != 200:
        yield wrong("page", f"the client file does not come: {url} is {answer.status}", _PROXY)
    elif "javascript" not in answer.header("content-type"):
        kind = answer.header("content-type") or "nothing"
        text = f"{url} is of type {kind}, which no browser runs as a script"
        yield wrong("page", text, "let the proxy pass Content-Type on, and serve no page there")
    elif version not in answer.body:
        yield wrong("page", f"{url} is not this service's client file", "empty the proxy's cache")
    else:
        yield well("page", f"the client file comes: {url}")


def _policy(site: Site) -> Iterator[Finding]:
    """Return whether the page loads the file, and whether its policy lets it."""
    try:
        answer = ask(site.page_url, headers={"accept": "text/html"})
    except Unreachable as error:
        yield wrong("page", f"{site.page_url}: {error}", "--page is the URL of a conference's page")
        return
    if answer.status != 200:
        text = f"{site.page_url} is {answer.status}, so nobody knows its policy"
        yield left_open("page", text, "--page is the URL of a conference's page")
        return
    policies = policies_of(answer.headers.get("content-security-policy", ()), answer.body)
    script = forbidding(policies, SCRIPT, site.script_url, site.page_url)
    connect = forbidding(policies, CONNECT, site.push_url, site.page_url)
    if script and is_by_nonce(policies):
        text = "its policy lets scripts in by a nonce or hash, which doctor can't tell"
        yield left_open("page", text, "look at the browser's console")
        script = None
    elif script:
        text = f"the policy of {site.page_url} forbids the client file"
        yield wrong("page", text, f"add {origin_of_url(site.script_url)} to its {script}")
    if connect:
        text = f"the policy of {site.page_url} forbids the push"
        yield wrong("page", text, f"add {origin_of_url(site.push_url)} to its {connect}")
    if not script and not connect:
        yield well("page", f"the policy of {site.page_url} lets the file and its pushes through")
    if b"client-file" not in answer.body:
        text = f"{site.page_url} does not name the client file itself"
        yield left_open("page", text, "does its config.js (analytics.scriptURLs)? See the README")


def _preflight(site: Site) -> Iterator[Finding]:
    """Return whether a browser may send a token from the page."""
    asking = {
        "origin": site.origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    try:
        answer = ask(site.push_url, "OPTIONS", asking)
    except Unreachable:
        return  # the push says so
    if answer.status >= 300 or "authorization" not in answer.header("access-control-allow-headers"):
        text = f"the preflight of a push with a token is refused ({answer.status})"
        yield wrong("page", text, f"{_CORS}; {_HOST}; the proxy must pass OPTIONS on")


def _path_alone(site: Site) -> Iterator[Finding]:
    """Return whether the push path leads to the service, where nobody here may push."""
    try:
        answer = ask(site.push_url, "OPTIONS", {"origin": site.origin})
    except Unreachable as error:
        yield wrong("page", f"pushes do not come through: {site.push_url}: {error}", _PUSH_URL)
        return
    if answer.status != 204:
        text = f"pushes do not come through: {site.push_url} is {answer.status}"
        yield wrong("page", text, _PUSH_URL)
    else:
        yield well("page", f"pushes come through: {site.push_url}")
    text = "no test push: JCMC_PUSH_AUTH=jwt wants Jitsi's own token, which doctor does not have"
    yield left_open("page", text, "whether tokens are good shows in what is refused")


def _test_push(portrait: Portrait, site: Site, *, needs_token: bool) -> Iterator[Finding]:
    """Return whether a push comes through, is seen as a participant, and leaves again."""
    headers = {"origin": site.origin, "content-type": "text/plain;charset=UTF-8"}
    participant, session = secrets.token_hex(4), secrets.token_hex(16)
    before = portrait.count_tests()
    try:
        if needs_token:
            url = urljoin(site.push_url, "push-token")
            given = ask(url, "POST", headers, b"")
            token = (given.json() or {}).get("token") if given.status == 200 else None
            if not token:
                yield _not_through(f"no push token comes from {url}", given)
                return
            headers["authorization"] = f"Bearer {token}"
        answer = ask(site.push_url, "POST", headers, _body(participant, session))
    except Unreachable as error:
        yield wrong("page", f"pushes do not come through: {site.push_url}: {error}", _PUSH_URL)
        return
    if answer.status != 200:
        yield _not_through(f"a test push to {site.push_url} is not taken", answer)
        return
    if site.is_cross_origin and answer.header("access-control-allow-origin") not in (
        "*",
        site.origin,
    ):
        allowed = portrait.settings.get("JCMC_CORS_ALLOWED_ORIGINS", "").split(",")
        is_stripped = "*" in allowed or site.origin in allowed
        text = (
            f"no page of {site.origin} may read the answer: Access-Control-Allow-Origin is not it"
        )
        yield wrong("page", text, _STRIPPED if is_stripped else _CORS)
    is_seen = _wait(portrait, lambda tests: before is not None and tests > before)
    # Who does not come through is still there, which shows.
    with suppress(Unreachable):
        ask(site.push_url, "POST", headers, _body(participant, session, "left"))
    has_left = _wait(portrait, lambda tests: before is not None and tests <= before)
    if is_seen and has_left:
        yield well("page", f"a test push to {site.push_url} came back as a participant, and left")
    elif is_seen:
        text = "a test push came back as a participant, and did not leave"
        yield wrong("page", text, "it expires by itself; do the last pushes of pages come through?")
    else:
        text = f"a test push to {site.push_url} was taken, and this service does not show it"
        yield wrong("page", text, "it went to another service: another Redis, or key prefix")


def _not_through(what: str, answer: Answer) -> Finding:
    """Return that *what* is so, by the *answer* of the service or of what stands before it."""
    if reason := answer.reason():
        return wrong("page", f"{what}: {reason} ({answer.status})", remedy_for(reason))
    return wrong("page", f"{what}: {answer.status}, and not by the service", _PUSH_URL)


def _wait(portrait: Portrait, is_so: Callable[[int], bool]) -> bool:
    """Say whether what is so of the number of live tests within some seconds."""
    until = monotonic() + SEEN_SECONDS
    while True:
        tests = portrait.count_tests()
        if tests is not None and is_so(tests):
            return True
        if monotonic() > until:
            return False
        sleep(0.2)


def _body(participant: str, session: str, end: str = "") -> bytes:
    """Return a push of a participant who is nobody."""
    told: dict[str, Any] = {"id": session, "seq": 1 if end else 0, "interval_ms": 10_000}
    if end:
        told["end"] = {"reason": end}
    labels = {"client_id": TEST_CLIENT, "participant_id": participant, "roomname": _ROOM}
    metrics = {"connectionquality": {"value": 100}}
    return json.dumps({"default_labels": labels, "metrics": metrics, "session": told}).encode()
