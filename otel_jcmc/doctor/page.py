"""
Checks what a browser would get: the client file, the page's policy, the answer to a test push.

Doctor uses the public URL if the operator gave one, otherwise the service's own URL. Test pushes
have the client id TEST_CLIENT, which no page uses: history, counts and verdicts leave out the
pushes with this id. The last test push tells the service that the test participant leaves.
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
_HOST: Final = "if the service is mounted in an application, its CORSMiddleware must allow it too"
_STRIPPED: Final = "a proxy on the way drops the header: let it pass Access-Control-* on"


class Site(NamedTuple):
    """
    The URLs that a browser in a conference uses.

    Attributes:
        page_url: the URL of a conference's page, or if the operator gave none, of the site's root.
        has_page: whether the operator gave the page's URL; only then doctor reads its policy.
        script_url: the URL of the client file.
        push_url: the URL to which the client sends pushes.
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
        """Whether the push URL has another origin than the page."""
        return self.origin != origin_of_url(self.push_url)


def site_of(portrait: Portrait, public_url: str, page_url: str | None) -> Site:
    """Return the URLs that a browser uses if it reaches *portrait*'s service at *public_url*."""
    script_url = f"{public_url}/client-file"
    # The client does the same: without PUSH_URL it pushes to a path beside its own file.
    push_url = portrait.settings.get("PUSH_URL") or urljoin(script_url, "metrics/push")
    has_page = page_url is not None
    return Site(page_url or origin_of_url(public_url) + "/", has_page, script_url, push_url)


def page(portrait: Portrait, site: Site) -> Iterator[Finding]:
    """Check the client file, the page's policy and a test push; return the findings."""
    yield from _client_file(portrait, site)
    if site.has_page:
        yield from _policy(site)
    auth = portrait.settings["JCMC_PUSH_AUTH"]
    if site.is_cross_origin and auth != "none":
        yield from _preflight(site)
    if not portrait.is_ready:
        yield left_open("page", "doctor sent no test push: the store takes none")
    elif auth == "jwt":
        yield from _path_alone(site)
    else:
        yield from _test_push(portrait, site, needs_token=auth == "token")


def _client_file(portrait: Portrait, site: Site) -> Iterator[Finding]:
    """Check that the client file arrives, and that it is the file of this service's version."""
    url = site.script_url
    try:
        answer = ask(url, headers={"origin": site.origin})
    except Unreachable as error:
        yield wrong("page", f"the client file does not arrive: {url}: {error}", _PROXY)
        return
    version = f'"version":"{portrait.told["version"]}"'.encode()
    if answer.status != 200:
        text = f"the client file does not arrive: {url} answers {answer.status}"
        yield wrong("page", text, _PROXY)
    elif "javascript" not in answer.header("content-type"):
        kind = answer.header("content-type") or "nothing"
        text = f"{url} is of type {kind}, which no browser runs as a script"
        yield wrong("page", text, "the proxy must pass Content-Type on, and serve no page there")
    elif version not in answer.body:
        yield wrong("page", f"{url} is not this service's client file", "empty the proxy's cache")
    else:
        yield well("page", f"the client file arrives: {url}")


def _policy(site: Site) -> Iterator[Finding]:
    """Check that the page names the client file, and that its policy allows file and pushes."""
    try:
        answer = ask(site.page_url, headers={"accept": "text/html"})
    except Unreachable as error:
        yield wrong("page", f"{site.page_url}: {error}", "--page is the URL of a conference's page")
        return
    if answer.status != 200:
        text = f"{site.page_url} answers {answer.status}, so doctor can't read its policy"
        yield left_open("page", text, "--page is the URL of a conference's page")
        return
    policies = policies_of(answer.headers.get("content-security-policy", ()), answer.body)
    script = forbidding(policies, SCRIPT, site.script_url, site.page_url)
    connect = forbidding(policies, CONNECT, site.push_url, site.page_url)
    if script and is_by_nonce(policies):
        text = "its policy allows scripts by a nonce or hash, which doctor can't check"
        yield left_open("page", text, "read the browser's console")
        script = None
    elif script:
        text = f"the policy of {site.page_url} forbids the client file"
        yield wrong("page", text, f"add {origin_of_url(site.script_url)} to its {script}")
    if connect:
        text = f"the policy of {site.page_url} forbids the push"
        yield wrong("page", text, f"add {origin_of_url(site.push_url)} to its {connect}")
    if not script and not connect:
        yield well("page", f"the policy of {site.page_url} allows the client file and its pushes")
    if b"client-file" not in answer.body:
        text = f"{site.page_url} does not name the client file itself"
        yield left_open("page", text, "does its config.js (analytics.scriptURLs)? See the README")


def _preflight(site: Site) -> Iterator[Finding]:
    """Return a finding if the push URL does not allow a browser to send a token from the page."""
    asking = {
        "origin": site.origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    try:
        answer = ask(site.push_url, "OPTIONS", asking)
    except Unreachable:
        return  # The test push fails in the same way and reports the error.
    if answer.status >= 300 or "authorization" not in answer.header("access-control-allow-headers"):
        text = f"the browser's preflight before a push with a token fails ({answer.status})"
        yield wrong("page", text, f"{_CORS}; {_HOST}; the proxy must pass OPTIONS on")


def _path_alone(site: Site) -> Iterator[Finding]:
    """Check that the push URL answers, instead of a test push, for which doctor has no token."""
    try:
        answer = ask(site.push_url, "OPTIONS", {"origin": site.origin})
    except Unreachable as error:
        yield wrong("page", f"pushes do not come through: {site.push_url}: {error}", _PUSH_URL)
        return
    if answer.status != 204:
        text = f"pushes do not arrive: {site.push_url} answers {answer.status}"
        yield wrong("page", text, _PUSH_URL)
    else:
        yield well("page", f"pushes arrive: {site.push_url}")
    text = "no test push: JCMC_PUSH_AUTH=jwt needs Jitsi's own token, which doctor does not have"
    yield left_open("page", text, "the refused pushes above show whether tokens are good")


def _test_push(portrait: Portrait, site: Site, *, needs_token: bool) -> Iterator[Finding]:
    """Check that a test push adds a participant, and that a second test push removes it."""
    headers = {"origin": site.origin, "content-type": "text/plain;charset=UTF-8"}
    participant, session = secrets.token_hex(4), secrets.token_hex(16)
    before = portrait.count_tests()
    try:
        if needs_token:
            url = urljoin(site.push_url, "push-token")
            given = ask(url, "POST", headers, b"")
            token = (given.json() or {}).get("token") if given.status == 200 else None
            if not token:
                yield _not_through(f"{url} gives no push token", given)
                return
            headers["authorization"] = f"Bearer {token}"
        answer = ask(site.push_url, "POST", headers, _body(participant, session))
    except Unreachable as error:
        yield wrong("page", f"pushes do not come through: {site.push_url}: {error}", _PUSH_URL)
        return
    if answer.status != 200:
        yield _not_through(f"a test push to {site.push_url} was not accepted", answer)
        return
    if site.is_cross_origin and answer.header("access-control-allow-origin") not in (
        "*",
        site.origin,
    ):
        allowed = portrait.settings.get("JCMC_CORS_ALLOWED_ORIGINS", "").split(",")
        is_stripped = "*" in allowed or site.origin in allowed
        text = (
            f"pages of {site.origin} may not read the answer: Access-Control-Allow-Origin differs"
        )
        yield wrong("page", text, _STRIPPED if is_stripped else _CORS)
    is_seen = _wait(portrait, lambda tests: before is not None and tests > before)
    # If this last push does not arrive, the participant stays live, and the next wait fails.
    with suppress(Unreachable):
        ask(site.push_url, "POST", headers, _body(participant, session, "left"))
    has_left = _wait(portrait, lambda tests: before is not None and tests <= before)
    if is_seen and has_left:
        yield well("page", f"a test push to {site.push_url} became a participant, and left")
    elif is_seen:
        text = "a test push became a participant, and did not leave"
        yield wrong("page", text, "it expires alone; do the last pushes of pages arrive?")
    else:
        text = f"a test push to {site.push_url} was accepted, but this service does not show it"
        yield wrong("page", text, "it reached another service, with another Redis or key prefix")


def _not_through(what: str, answer: Answer) -> Finding:
    """Return the finding that *what* failed with this *answer* of the service or of its proxy."""
    if reason := answer.reason():
        return wrong("page", f"{what}: {reason} ({answer.status})", remedy_for(reason))
    text = f"{what}: {answer.status}, which did not come from the service"
    return wrong("page", text, _PUSH_URL)


def _wait(portrait: Portrait, is_so: Callable[[int], bool]) -> bool:
    """Wait until *is_so* is true of the number of live test participants; False: time ran out."""
    until = monotonic() + SEEN_SECONDS
    while True:
        tests = portrait.count_tests()
        if tests is not None and is_so(tests):
            return True
        if monotonic() > until:
            return False
        sleep(0.2)


def _body(participant: str, session: str, end: str = "") -> bytes:
    """Return the body of a push of a test participant; *end* is the reason to leave, if any."""
    told: dict[str, Any] = {"id": session, "seq": 1 if end else 0, "interval_ms": 10_000}
    if end:
        told["end"] = {"reason": end}
    labels = {"client_id": TEST_CLIENT, "participant_id": participant, "roomname": _ROOM}
    metrics = {"connectionquality": {"value": 100}}
    return json.dumps({"default_labels": labels, "metrics": metrics, "session": told}).encode()
