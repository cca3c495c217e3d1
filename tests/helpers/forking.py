"""Forks processes for tests: they share the memory that existed before."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable


def fork(run: Callable[[], None]) -> int:
    """Fork a process that calls *run*, and return its id; exit code 0: *run* raised nothing."""
    with warnings.catch_warnings():
        # Python 3.12 warns of the threads of pytest-xdist, whose locks our child does not need.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        run()
        status = 0
    except BaseException:  # noqa: BLE001  # no test of the parent's goes on in a child
        traceback.print_exc()
    finally:
        os._exit(status)


def run_forked(run: Callable[[], None]) -> None:
    """Call *run* in a process of its own; raises AssertionError if it fails there."""
    assert end_of(fork(run)) == 0


def kill(pid: int) -> None:
    """Kill the child *pid* by SIGKILL, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    assert end_of(pid) == -signal.SIGKILL


def end_of(pid: int) -> int:
    """Return the exit code of the child *pid*; a signal is a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
