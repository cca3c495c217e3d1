"""
The way from each tab to the service. It can be cut for one tab, and it notes each push.

A request that meets a cut waits, as with TCP. It goes on when the cut is over, unless the browser
has given it up.
"""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from e2e.parts import serving

Note = Callable[[str, dict[str, Any]], None]

_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "content-length", "date"}


@dataclass
class Doorway:
    """
    A running way: `url` has `{tab}` instead of the name of the tab.

    Attributes:
        cut: the tabs that cannot reach the service now.
    """

    url: str = ""
    cut: set[str] = field(default_factory=set)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def wait(self, tab: str, connection: socket.socket) -> bool:
        """Wait until *tab* can reach the service; return whether the request is still wanted."""
        while tab in self.cut:
            if self._is_over.wait(0.02) or _is_given_up(connection):
                return False
        return True


@contextmanager
def running_doorway(service_url: str, note: Note) -> Iterator[Doorway]:
    """
    Run a way to the service.

    *note* gets the tab of each push that passed, and `t` (its arrival, seconds since 1970), `body`
    and the answer's `status`.
    """
    doorway = Doorway()
    netloc = urlsplit(service_url).netloc

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on(b"")

        def do_POST(self) -> None:
            self.pass_on(self.rfile.read(int(self.headers["content-length"])))

        def pass_on(self, body: bytes) -> None:
            _, tab, path = self.path.split("/", 2)
            if not doorway.wait(tab, self.connection):
                return
            at = time.time()
            with closing(http.client.HTTPConnection(netloc, timeout=10)) as service:
                service.request(self.command, f"/{path}", body or None, _onward(self.headers))
                answer = service.getresponse()
                text = answer.read()
            self.send_response(answer.status)
            for name, value in _onward(answer.headers).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            if path.endswith("metrics/push"):
                note(tab, {"t": at, "status": answer.status, "body": json.loads(body)})

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        doorway.url = f"{url}/{{tab}}"
        try:
            yield doorway
        finally:
            doorway._is_over.set()


def _onward(headers: Message) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _is_given_up(connection: socket.socket) -> bool:
    try:
        known: bytes = connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return known == b""
