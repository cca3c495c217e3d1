"""
Forks the processes of a service, watches them, forks them again when they die, and ends them.

They share what the parent imported and made before the fork, and are up again within milliseconds.
Therefore the parent has no thread and no event loop. They end when the parent ends, in whatever way
it ends.
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

# A process that ended sooner counts as a failed start; after several in a row, the parent waits.
YOUNG_SECONDS: Final = 0.5
_YOUNG_DEATHS: Final = 3
_MOST_WAIT_SECONDS: Final = 10.0
# A child answers waiting clients and exports once more: this is longer than both take.
KILL_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 1.0
_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class _Child:
    """A numbered place for a process, and the process that has this place now."""

    def __init__(self, slot: int, name: str) -> None:
        """Make the place, without a process in it."""
        self.slot, self.name = slot, name
        self.pid = 0
        self.was_up = False
        self.born_at = self.again_at = 0.0
        self._young_deaths = 0

    def die(self) -> None:
        """Note that the process has ended, and when the next one may begin."""
        now = monotonic()
        is_young = now - self.born_at < YOUNG_SECONDS
        self._young_deaths = self._young_deaths + 1 if is_young else 0
        too_many = self._young_deaths - _YOUNG_DEATHS
        wait = min(0.5 * 2**too_many, _MOST_WAIT_SECONDS) if too_many >= 0 else 0.0
        self.pid, self.again_at = 0, now + wait


class Supervisor:
    """
    The processes of one service.

    Concurrency: everything happens in the main thread, which is the only thread.
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
            groups: the names, in the order in which processes are told to end: each group after the
                one before it has ended.
            run: what a process does. It gets its number and a function to call when it is up; its
                result is the exit code.
            on_up: called once, when all processes are up.
            on_end: called once, before the first process is told to end.
            tend: called at least once a second, and soon after any child of this process ends.
            reload: called on SIGHUP, in the parent and then in each process; None: SIGHUP ends all
                processes.
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
        """Run until SIGTERM or SIGINT, or until a process can't start."""
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
        """Note a signal."""
        self._told.append(number)

    def _wait(self) -> None:
        """Wait for an event, at most a second, and handle it."""
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
        """Note which processes have died."""
        for child in self._children:
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            code = os.waitstatus_to_exitcode(status)
            if self._exit_code is None:
                if code > 0 and not child.was_up:
                    # The process has logged why.
                    self._exit_code = code
                else:
                    log.error("%s (pid %d) ended (%d): started again", child.name, pid, code)
            child.die()

    def _fork(self, child: _Child) -> None:
        """Fork the process of *child*."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # Until the child has its own handlers, a signal waits and is not lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if not pid:
            self._live(child.slot, parent)
        child.pid, child.born_at = pid, monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _live(self, slot: int, parent: int) -> None:
        """Be the child until the process ends."""
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
            # Ctrl-C is for the parent, which then ends the others in order. A kernel that divides
            # CPU time among POSIX sessions gives each of our processes its own share.
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
            # Skip the parent's clean-up: the parent closes what it has opened.
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
    """Return a pipe, its reading and its writing end; writing to it never waits."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    return reading, writing
