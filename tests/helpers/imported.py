"""
A process that has imported the whole service, and forks a copy for each start of the service.

`python -m otel_jcmc` begins with imports that cost half a second of CPU, the same each time. Run as
a script, this file is the process that has done these imports; `harness` starts it once for each
process of pytest. Imported as a module, it asks that process for a fork. A fork has its own
environment, folder, stdout and stderr, and goes on as `python -m otel_jcmc` does: with the same
file and arguments, and its own end. Forks of `python -c CODE` work the same way.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

COMMAND = [sys.executable, "-m", "otel_jcmc"]
# Modules that `serve` imports with all, or nearly all, settings.
IMPORTED = (
    *("otel_jcmc.command.arguments", "otel_jcmc.command.environment", "otel_jcmc.command.log"),
    *("otel_jcmc.command.notify", "otel_jcmc.command.running", "otel_jcmc.command.serve"),
    *("otel_jcmc.config.advice", "otel_jcmc.server.sockets", "otel_jcmc.server.tls"),
    *("otel_jcmc.service.app", "otel_jcmc.store.embedded", "uvloop", "uvicorn.loops.uvloop"),
)
# Variables that Python, the loader or a library reads before `main`.
READ_EARLY = (
    "PYTHON",
    "LD_",
    "MALLOC",
    "GLIBC",
    "OTEL_PROPAGATORS",
    "OPENSSL",
    "SSL_",
    "LC_",
    "LANG",
)
ASKED_BYTES = 1_000_000


class Forked:
    """
    A forked process, with the part of the interface of `subprocess.Popen` that tests use.

    Attributes:
        stdout: its output, as text; None: that goes to a file.
        returncode: its exit code, a signal as a negative number; None: it runs.
    """

    def __init__(self, pid: int, stdout: IO[str] | None, ended: socket.socket) -> None:
        """Stand for the process *pid*; *ended* tells its end."""
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._ended = ended

    def poll(self) -> int | None:
        """Return its exit code; None: it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """
        Wait until it has ended, and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after *timeout* seconds.
        """
        if self._look(timeout) is None:
            raise subprocess.TimeoutExpired("otel_jcmc", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            self.returncode = int(self._ended.recv(100))
            self._ended.close()
        return self.returncode


class _Template:
    """The process that forks, as its callers see it."""

    def __init__(self) -> None:
        """Start it."""
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def _end(self) -> None:
        """Let it end, which it does when no caller is left."""
        if self.owner == os.getpid():
            self._asking.close()
            self._process.wait()

    def fork(
        self,
        arguments: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        stderr: IO[str],
        stdout: IO[str] | None,
    ) -> Forked:
        """Return a process that runs Python with *arguments* and writes to *stdout*."""
        read = write = None
        if stdout is None:
            read, write = os.pipe()
        ended, theirs = socket.socketpair()
        asked = [*arguments], str(folder), dict(environ)
        with theirs, self._lock:
            said = write if stdout is None else stdout.fileno()
            assert said is not None
            fds = array.array("i", [said, stderr.fileno(), theirs.fileno()])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
            self._asking.sendmsg([json.dumps(asked).encode()], rights)
            if write is not None:
                os.close(write)
            pid = int(self._asking.recv(100))
        return Forked(pid, None if read is None else os.fdopen(read), ended)


_template: _Template | None = None


def fork(
    arguments: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    stderr: IO[str],
    stdout: IO[str] | None = None,
) -> Forked:
    """
    Return a process that runs Python with *arguments*.

    Args:
        arguments: as `can_fork` wants them.
        stdout: a file for its output; None: a pipe.
    """
    global _template  # noqa: PLW0603  # one for each process of pytest
    if _template is None or _template.owner != os.getpid():
        _template = _Template()
    return _template.fork(arguments, folder, environ, stderr, stdout)


def run(
    *arguments: str,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float = 30,
) -> "subprocess.CompletedProcess[str]":
    """
    Run the command line to its end, and return its output.

    Raises:
        subprocess.TimeoutExpired: it ran for *timeout* seconds; it is killed.
    """
    environ = os.environ if environ is None else environ
    if not can_fork(COMMAND, environ):
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        forked = fork([*COMMAND[1:], *arguments], folder or Path.cwd(), environ, complained, said)
        try:
            code = forked.wait(timeout)
        except subprocess.TimeoutExpired:
            forked.kill()
            forked.wait()
            raise
        for each in (said, complained):
            each.seek(0)
        return subprocess.CompletedProcess(arguments, code, said.read(), complained.read())


def can_fork(command: Sequence[str | Path], environ: Mapping[str, str]) -> bool:
    """
    Say whether *command* is `python -m otel_jcmc` or `python -c CODE`, with this same Python.

    *environ* must not change anything that is read before the first line of either.
    """
    is_ours = [*command] == COMMAND or [*command[:2]] == [sys.executable, "-c"]
    return is_ours and _early(environ) == _early(os.environ)


def _early(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(READ_EARLY)}


def _fork_for_all(asking: socket.socket) -> list[str] | None:
    """
    Fork at each request, and tell the callers of ends.

    Returns several times: the arguments in each forked process, and None in this process when no
    caller is left.
    """
    children: dict[int, socket.socket] = {}
    woken, waking = socket.socketpair()
    for each in (woken, waking):
        each.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking.fileno())
    while True:
        ready, _, _ = select.select([asking, woken], [], [])
        if woken in ready:
            woken.recv(1000)
            _tell_of_ended(children)
        if asking not in ready:
            continue
        asked, fds, _, _ = socket.recv_fds(asking, ASKED_BYTES, 3)
        if not asked:
            return None
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (asking, woken, waking, *children.values()):
                each.close()
            return _become(asked, *fds)
        children[pid] = socket.socket(fileno=fds[2])
        for fd in fds[:2]:
            os.close(fd)
        asking.send(str(pid).encode())


def _tell_of_ended(children: dict[int, socket.socket]) -> None:
    """Tell the exit codes of those *children* that have ended, and forget them."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as ended, contextlib.suppress(BrokenPipeError):
            ended.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(asked: bytes, stdout: int, stderr: int, ended: int) -> list[str]:
    """Become the process that *asked* describes, and return its arguments."""
    arguments, folder, environ = json.loads(asked)
    for fd, place in ((stdout, 1), (stderr, 2)):
        os.dup2(fd, place)
        os.close(fd)
    os.close(ended)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)
    sys.path.insert(0, folder)
    found: list[str] = arguments
    return found


if __name__ == "__main__":
    # A script's folder comes first in the path; it has modules of tests.
    del sys.path[0]
    for name in IMPORTED:
        importlib.import_module(name)
    importlib.import_module("otel_jcmc.intake.browsers").warm()
    gc.collect()
    gc.freeze()
    told = _fork_for_all(socket.socket(fileno=int(sys.argv[1])))
    if told is not None:
        way, what, *sys.argv[1:] = told
        if way == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            sys.argv[0] = way
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
