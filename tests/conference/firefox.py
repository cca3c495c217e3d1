"""
A real Firefox, driven by WebDriver BiDi, which Firefox itself speaks.

Playwright only drives a build of its own, which is not available everywhere. Each seat has a user
context, like a window of its own. https://w3c.github.io/webdriver-bidi/
"""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from e2e.parts import missing

_PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # Nothing leaves the machine, because there is no proxy at that port.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1",
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
# Firefox makes no calls over loopback, so it gets a network with this one address.
FIREFOX_HOST = "10.99.0.1"
# It also needs some route; nothing is at the other end of this one.
_OWN_NETWORK = f"""
ip link set lo up
ip link add call type veth peer name nobody
ip addr add {FIREFOX_HOST}/24 dev call
ip link set call up
ip link set nobody up
ip route add default via 10.99.0.2
exec "$@"
"""


def in_own_network(command: Sequence[str]) -> list[str]:
    """Return *command* as root runs it in a network of its own, with loopback and FIREFOX_HOST."""
    return ["unshare", "--net", "sh", "-ec", _OWN_NETWORK, "sh", *command]


def is_in_own_network() -> bool:
    """Say whether this process is in such a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((FIREFOX_HOST, 0))
        except OSError:
            return False
        return True


def firefox_path() -> str:
    """Return Firefox's path; a missing one is an error, because the caller asked for it."""
    return shutil.which("firefox-esr") or shutil.which("firefox") or missing("Firefox")


class _WebSocket:
    """A WebSocket to a server on loopback, for text only (RFC 6455)."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port))
        key = base64.b64encode(os.urandom(16)).decode()
        asked = (
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self._socket.sendall(asked.encode())
        self._in = self._socket.makefile("rb")
        status = self._in.readline()
        assert b" 101 " in status, status
        while self._in.readline().strip():
            pass

    def send(self, text: str) -> None:
        raw, mask = text.encode(), os.urandom(4)
        if len(raw) < 126:
            head = struct.pack(">BB", 0x81, 0x80 | len(raw))
        elif len(raw) < 65536:
            head = struct.pack(">BBH", 0x81, 0x80 | 126, len(raw))
        else:
            head = struct.pack(">BBQ", 0x81, 0x80 | 127, len(raw))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(raw))
        self._socket.sendall(head + mask + masked)

    def receive(self) -> str:
        whole = b""
        while True:
            first, second = self._in.read(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", self._in.read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self._in.read(8))
            part = self._in.read(size)
            if first & 0x08:
                continue  # a ping
            whole += part
            if first & 0x80:
                return whole.decode()

    def close(self) -> None:
        self._in.close()
        self._socket.close()


@dataclass
class Firefox:
    """A running Firefox."""

    socket: _WebSocket
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of WebDriver BiDi, and return the answer."""
        number = next(self._ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self.socket.receive())).get("id") != number:
            pass  # an event
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result


@dataclass
class FirefoxSeat:
    """One participant's page; see `Seat` of recorder.py."""

    firefox: Firefox
    context: str

    def go(self, url: str) -> None:
        """Load a page."""
        self.firefox.ask("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def run(self, script: str) -> Any:
        """Run a JavaScript expression, and wait for its promise."""
        answer = self.firefox.ask(
            "script.evaluate",
            expression=script,
            target={"context": self.context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return answer["result"].get("value")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def kill(self) -> None:
        """Kill the page's process; Firefox has no command for that."""
        raise NotImplementedError

    def slow(self, stopped_ms: int) -> None:
        """Slow the page's process down; Firefox does not say which one it is."""
        raise NotImplementedError


@contextmanager
def running_firefox(folder: Path) -> Iterator[Firefox]:
    """Run a headless Firefox with a fake camera and microphone, its profile in *folder*."""
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in _PREFERENCES.items()]
    (folder / "user.js").write_text("".join(lines))
    command = [firefox_path(), "--headless", "--no-remote", "--profile", str(folder)]
    with subprocess.Popen(
        [*command, "--remote-debugging-port", "0", "about:blank"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(folder)},
    ) as process:
        assert process.stderr is not None
        said = (line.partition("WebDriver BiDi listening on ")[2] for line in process.stderr)
        url = next(filter(None, said)).strip()
        # It prints more, which is not read.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        firefox = Firefox(_WebSocket(f"{url}/session".replace("ws:", "http:")))
        try:
            firefox.ask("session.new", capabilities={})
            yield firefox
        finally:
            firefox.socket.close()
            process.terminate()
            process.wait(timeout=20)


@contextmanager
def opened_firefox_seat(firefox: Firefox, _: str) -> Iterator[FirefoxSeat]:
    """Open an empty tab in a user context of its own; Firefox does not need its name."""
    user = firefox.ask("browser.createUserContext")["userContext"]
    context = firefox.ask("browsingContext.create", type="tab", userContext=user)["context"]
    yield FirefoxSeat(firefox, context)
    firefox.ask("browser.removeUserContext", userContext=user)
