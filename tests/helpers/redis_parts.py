"""
Redis as an operator runs it, for tests: TCP, TLS, a replica, Sentinels; and a faulty wire.

`RedisServer` is one process on a free port of loopback. `Certificates` is a CA with a certificate
that it signed. `Wire` is a TCP proxy that delays, holds or cuts connections. Nothing here knows the
package.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest
import redis
from harness import eventually
from ports import free_port

UNPACKED = Path(__file__).parents[2] / ".cache" / "redis" / "redis-server"


def redis_binary() -> Path:
    """Return Debian's redis-server, which has TLS and Sentinel."""
    found = UNPACKED if UNPACKED.exists() else shutil.which("redis-server")
    if found is None:
        pytest.fail("redis-server is missing: run tests/real-parts.sh", pytrace=False)
    return Path(found)


def redis_cli(folder: Path, name: str) -> Path:
    """Return a command of that *name* in *folder* that runs Debian's redis-cli."""
    unpacked = UNPACKED.parent / "usr" / "bin" / "redis-cli"
    found = str(unpacked) if unpacked.exists() else shutil.which("redis-cli")
    if found is None:
        pytest.fail("redis-cli is missing: run tests/real-parts.sh", pytrace=False)
    libraries = ":".join(map(str, (UNPACKED.parent / "usr" / "lib").glob("*-linux-gnu")))
    command = folder / name
    command.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {found} "$@"\n')
    command.chmod(0o755)
    return command


class RedisServer:
    """
    One redis-server in *folder*; a context manager.

    Attributes:
        port: its port, the same after a restart.
        url: enough for a client without TLS and passwords.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        sentinel: str = "",
        environ: dict[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        """Prepare it; *options*: of its command line, *sentinel*: the text of a Sentinel's file."""
        self._binary = binary or redis_binary()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._options = options
        self._sentinel = sentinel
        self._environ = os.environ | (environ or {})
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it listens."""
        command = [str(self._binary)]
        if self._sentinel:
            # A Sentinel writes what it learns into its file.
            config = self.folder / "sentinel.conf"
            if not config.exists():
                config.write_text(self._sentinel)
            command += [str(config), "--sentinel"]
        if "--tls-port" in self._options:
            command += ["--port", "0", "--tls-port", str(self.port)]
        else:
            command += ["--port", str(self.port)]
        command += ["--bind", "127.0.0.1", "--dir", str(self.folder)]
        if not self._sentinel:
            command += ["--save", "", "--appendonly", "no"]
        options = [option for option in self._options if option != "--tls-port"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environ,
            )
        eventually(self._listens, every=0.01)
        return self

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of this server."""
        return redis.Redis(host="127.0.0.1", port=self.port, **options)

    def kill(self) -> None:
        """Kill it, as a loss of power does."""
        self.stop(signal.SIGKILL)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop it."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


# Python 3.13 demands that a CA follows RFC 5280 exactly.
CA_EXTENSIONS = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")


class Certificates:
    """A CA, and a certificate for 127.0.0.1 that it signed."""

    def __init__(self, folder: Path) -> None:
        """Make them in *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.certificate, self.key = (
            folder / name for name in ("ca.pem", "server.pem", "server.key")
        )
        new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        names = folder / "names"
        names.write_text(
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n"
        )
        ca_key, asked = folder / "ca.key", folder / "asked.pem"
        commands: list[list[str | Path]] = [
            [
                *(*new, "-x509", "-days", "2", "-subj", "/CN=a CA", *CA_EXTENSIONS),
                *("-keyout", ca_key, "-out", self.ca),
            ],
            [*new, "-subj", "/CN=a server", "-keyout", self.key, "-out", asked],
            [
                *("openssl", "x509", "-req", "-days", "2", "-in", asked, "-CA", self.ca),
                *("-CAkey", ca_key, "-CAcreateserial", "-extfile", names),
                *("-out", self.certificate),
            ],
        ]
        for command in commands:
            subprocess.run(command, check=True, capture_output=True)

    @property
    def options(self) -> tuple[str, ...]:
        """The options with which a redis-server accepts only TLS."""
        return (
            *("--tls-port", "--tls-cert-file", str(self.certificate)),
            *("--tls-key-file", str(self.key), "--tls-ca-cert-file", str(self.ca)),
            *("--tls-auth-clients", "no"),
        )


def add_asker(client: redis.Redis, refused: str) -> None:
    """Add the user `asker` without a password check, with all commands except *refused*."""
    client.acl_setuser(
        "asker",
        enabled=True,
        nopass=True,
        keys=["*"],
        categories=["+@all"],
        commands=[refused],
    )


class Wire:
    """
    A TCP proxy to a port of loopback or a socket's path, on a free port; a context manager.

    Attributes:
        hangs: accept connections and bytes, and pass nothing on.
        delay: seconds of delay for each piece of an answer.
        cut_after: cut each new connection after this many bytes of answers; None: never.
        cut_request_after: the same for bytes of requests.
        cuts: number of connections that were cut.
        passed: bytes of requests and of answers that the last connection passed on.
    """

    def __init__(self, far: int | Path) -> None:
        """Listen."""
        self._far = far
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.hangs = False
        self.delay = 0.0
        self.cut_after: int | None = None
        self.cut_request_after: int | None = None
        self.cuts = 0
        self.passed = [0, 0]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = self._connect()
                except OSError:
                    near.close()
                    continue
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [near, far]
                self.passed = passed = [0, 0]
                for way in (
                    (near, far, lambda: 0.0, self.cut_request_after, passed, 0),
                    (far, near, lambda: self.delay, self.cut_after, passed, 1),
                ):
                    threading.Thread(target=self._pump, args=way, daemon=True).start()

    def _connect(self) -> socket.socket:
        """Return a connection to the other side."""
        if isinstance(self._far, Path):
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(self._far))
            return far
        far = socket.create_connection(("127.0.0.1", self._far))
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return far

    def _pump(
        self,
        one: socket.socket,
        other: socket.socket,
        delay: Callable[[], float],
        most: int | None,
        passed: list[int],
        way: int,
    ) -> None:
        with suppress(OSError):
            while received := one.recv(65_536):
                if self.hangs:
                    continue
                if seconds := delay():
                    time.sleep(seconds)
                left = len(received) if most is None else most - passed[way]
                other.sendall(received[:left])
                passed[way] += len(received)
                if len(received) > left:
                    self.cuts += 1
                    break
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """End every connection."""
        while self._sockets:
            each = self._sockets.pop()
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
