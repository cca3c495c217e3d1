"""
Pages behind single sign-on: the block of docs/pages.md in a real nginx, in front of the service.

A stand-in for oauth2-proxy answers nginx's question whether a person is signed in, by a cookie.
"""

import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from e2e.nginx import fenced, running_nginx
from harness import CLIENT_ID, Answer, Service, eventually, push_body
from ports import free_port
from redis_parts import Certificates

(BLOCK,) = fenced("docs/pages.md", "nginx")
TOKEN = "t" * 32
HTML = {"accept": "text/html"}
KNOWN = {"cookie": "_oauth2_proxy=ada"}


class _Knows(BaseHTTPRequestHandler):
    """Answers that a person is signed in if the cookie is there."""

    def do_GET(self) -> None:
        is_known = self.headers.get("cookie") == KNOWN["cookie"]
        status, body = (202 if is_known else 401), b""
        if self.path != "/oauth2/auth":
            status, body = 403, b"Sign in with your account"
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def knowing() -> Iterator[str]:
    """Run the stand-in; return host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Knows)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Site(NamedTuple):
    """What people reach: an address, and the certificate that it shows."""

    url: str
    trusting: ssl.SSLContext

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send a request to the name that people use."""
        told = {"Host": "quality.example.org", **headers}
        asked = urllib.request.Request(self.url + path, None, told, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=10, context=self.trusting) as answer:
                return Answer(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), error.headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return nginx in front of a service with a separate port for readers."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    made = Certificates(folder / "tls")
    port, admin = free_port(), free_port()
    environ = {"JCMC_ADMIN_PORT": str(admin), "JCMC_READ_TOKEN": TOKEN}
    with Service(folder / "a", **environ) as service, knowing() as who:
        block = BLOCK
        for there, here in {
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/quality.pem": str(made.certificate),
            "/etc/ssl/quality.key": str(made.key),
            "otel-jcmc:3001": f"127.0.0.1:{admin}",
            "oauth2-proxy:4180": who,
            "${jcmc_read_token}": TOKEN,
        }.items():
            assert there in block, there
            block = block.replace(there, here)
        assert service.push(push_body("ada")).body == "OK"
        (folder / "nginx").mkdir()
        with running_nginx(folder / "nginx", block, port):
            trusting = ssl.create_default_context(cafile=made.ca)
            yield Site(f"https://127.0.0.1:{port}", trusting)


def test_who_is_not_known_is_sent_to_sign_in_and_sees_nothing(site: Site) -> None:
    for path in ("/", "/live", "/sessions", "/conferences/standup", "/metrics"):
        answer = site.ask(path, **HTML)
        assert (answer.status, answer.body) == (403, "Sign in with your account"), path
    # A caller cannot request the path that nginx itself asks.
    assert site.ask("/oauth2/auth", **KNOWN).status == 404


def test_who_is_known_sees_pages_and_is_asked_for_no_token(site: Site) -> None:
    page = site.ask("/live", **HTML, **KNOWN)
    assert page.status == 200
    assert "standup" in page.body
    assert TOKEN not in page.body
    assert site.ask("/sessions", **KNOWN).status == 200


def test_who_is_known_erases_nothing(site: Site) -> None:
    eventually(lambda: site.ask("/sessions", **KNOWN).json()["sessions"])
    for method in ("DELETE", "POST", "PUT"):
        assert site.ask(f"/sessions?client_id={CLIENT_ID}", method, **KNOWN).status == 403
    assert site.ask("/sessions", **KNOWN).json()["sessions"]
