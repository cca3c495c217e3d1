"""
Forks the processes of a service, watches them, forks them again when they die, and ends them.

The processes share the memory of modules and objects that the parent made before the fork, so a
process that died is replaced within milliseconds. To be able to fork at any time, the parent has no
second thread and no event loop. When the parent ends, even if it is killed, the kernel sends
SIGTERM to its processes.
"""

import ctypes
import logging
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from types import FrameType
from typing import Final

log = logging.getLogger(__name__)

# A process that ended before this age counts as a failed start. After three failed starts in a row,
# the parent waits before it forks the process again.
YOUNG_SECONDS: Final = 0.5
_YOUNG_DEATHS: Final = 3
_MOST_WAIT_SECONDS: Final = 10.0
# How long a process may take to end before it is killed. It answers waiting clients and exports
# once more, which takes less time than this.
KILL_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 1.0
_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class _Child:
    """One process of the service: its number and name stay when it is forked again."""

    def __init__(self, slot: int, name: str) -> None:
        """Begin without a process; *slot* is its number."""
        self.slot, self.name = slot, name
        self.pid = 0
        self.was_up = False
        self.born_at = self.again_at = 0.0
        self._young_deaths = 0

    def die(self) -> None:
        """Note that the process has ended, and when it may be forked again."""
        now = monotonic()
        is_young = now - self.born_at < YOUNG_SECONDS
        self._young_deaths = self._young_deaths + 1 if is_young else 0
        too_many = self._young_deaths - _YOUNG_DEATHS
        wait = min(0.5 * 2**too_many, _MOST_WAIT_SECONDS) if too_many >= 0 else 0.0
        self.pid, self.again_at = 0, now + wait


class Supervisor:
    """
    Starts, watches and ends the processes of one service.

    Concurrency: it must run in the main thread, and the process must have no other thread.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[str]],
        run: Callable[[int, Callable[[], None]], int],
        on_up: Callable[[], None],
        on_end: Callable[[], None],
        tend: Callable[[], None],
        reload: Callable[[], None] | None,
    ) -> None:
        """
        Prepare one process for each name; nothing is forked yet.

        Args:
            groups: names of processes in groups. At the end, the processes of the first group get
                SIGTERM first; when all have ended, those of the second group, and so on.
            run: called in each new process with the process's number and a function. `run` must
                call this function when the process is up. The result of `run` is the exit code of
                the process.
            on_up: called once in the parent, when all processes are up.
            on_end: called once in the parent, before the first process gets SIGTERM.
            tend: called in the parent at least once a second, and soon after a child has ended.
            reload: called in the parent on SIGHUP; then each process gets SIGHUP. None: SIGHUP ends
                the parent, and thereby all processes.
        """
        names = iter(range(sum(map(len, groups))))
        self._groups = [[_Child(next(names), name) for name in group] for group in groups]
        self._children = [child for group in self._groups for child in group]
        self._run, self._on_up, self._on_end = run, on_up, on_end
        self._tend, self._reload = tend, reload
        self._told: list[int] = []
        self._are_up = False
        self._exit_code: int | None = None

    def run(self) -> int:
        """
        Run the processes until SIGTERM or SIGINT, or until a process fails before it is up.

        Returns:
            The exit code: 0 after a signal, otherwise the code of the process that failed.
        """
        self._woken, self._waking = _pipe()
        self._up, self._say_up = _pipe()
        for number in _SIGNALS:
            if number != signal.SIGHUP or self._reload is not None:
                signal.signal(number, self._tell)
        signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        while self._exit_code is None:
            for child in self._children:
                if not child.pid and monotonic() >= child.again_at:
                    self._fork(child)
            self._wait()
            self._tend()
        self._on_end()
        for group in self._groups:
            self._end(group)
        return self._exit_code

    def _tell(self, number: int, _frame: FrameType | None) -> None:
        """Note that the signal *number* has come; Python calls this."""
        self._told.append(number)

    def _wait(self) -> None:
        """Wait up to 1 s for a signal or for a process to be up or to end; handle these events."""
        until = [monotonic() + _LOOK_SECONDS]
        if self._exit_code is None:
            until += [child.again_at for child in self._children if not child.pid]
        left = max(0.0, min(until) - monotonic())
        ready, _, _ = select.select([self._woken, self._up], [], [], left)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._up in ready:
            for slot in os.read(self._up, 4096):
                self._note_up(self._children[slot])
        told, self._told = self._told, []
        if signal.SIGTERM in told or signal.SIGINT in told:
            self._exit_code = 0
        if signal.SIGHUP in told and self._reload is not None:
            self._reload()
            self._send(self._children, signal.SIGHUP)
        self._bury()
        if not self._are_up and all(child.was_up for child in self._children):
            self._are_up = True
            self._on_up()

    def _note_up(self, child: _Child) -> None:
        """Note that the process of *child* is up."""
        child.was_up = True
        log.info("%s is up, pid %d", child.name, child.pid)

    def _bury(self) -> None:
        """Find the processes that have ended, log this, and note when they may be forked again."""
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            code = os.waitstatus_to_exitcode(status)
            if self._exit_code is None:
                if code > 0 and not child.was_up:
                    # The process could not start, and has logged why: the service ends.
                    self._exit_code = code
                else:
                    log.error("%s (pid %d) ended (%d): started again", child.name, pid, code)
            child.die()

    def _fork(self, child: _Child) -> None:
        """Fork the process of *child*."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # Block signals until the child has its own handlers, so that no signal is lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if not pid:
            self._live(child.slot, parent)
        child.pid, child.born_at = pid, monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _live(self, slot: int, parent: int) -> None:
        """Run the child process *slot*, and end it with its exit code; this never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            if self._reload is not None:
                # The child has the newest certificate, and ignores SIGHUP until it has a handler.
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
            for each in (self._woken, self._waking, self._up):
                os.close(each)
            # A new POSIX session does two things. Ctrl-C reaches only the parent, which then ends
            # its processes in order. And if the kernel divides CPU time among POSIX sessions, each
            # of our processes gets its own part.
            os.setsid()
            ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(signal.SIGTERM))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            if os.getppid() == parent:
                code = self._run(slot, lambda: self._be_up(slot))
        except BaseException:
            log.critical("unexpected error", exc_info=True)
        finally:
            logging.shutdown()
            sys.stdout.flush()
            # End without Python's clean-up: the parent itself closes the objects that it has made.
            os._exit(code)

    def _be_up(self, slot: int) -> None:
        """Tell the parent that this process is up."""
        os.write(self._say_up, bytes([slot]))
        os.close(self._say_up)

    def _send(self, children: Sequence[_Child], number: signal.Signals) -> None:
        """Send a signal to the running processes of *children*."""
        for child in children:
            if child.pid:
                os.kill(child.pid, number)

    def _end(self, group: Sequence[_Child]) -> None:
        """Tell the processes of *group* to end, and wait until they have ended."""
        self._send(group, signal.SIGTERM)
        late_at = monotonic() + KILL_SECONDS
        while any(child.pid for child in group):
            if monotonic() > late_at:
                self._send(group, signal.SIGKILL)
            self._wait()


def _pipe() -> tuple[int, int]:
    """Return the reading and the writing end of a new pipe; neither end ever waits."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    return reading, writing
