"""Processes that are forked: what they share is the memory that was made before."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable


def fork(run: Callable[[], None]) -> int:
    """Return the id of a new process that does *run*, and ends with 0 when that raises nothing."""
    with warnings.catch_warnings():
        # Python 3.12 warns of threads of pytest-xdist, whose locks a child of ours does not need.
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
    """Do *run* in a process of its own; raises AssertionError where it fails there."""
    assert end_of(fork(run)) == 0


def kill(pid: int) -> None:
    """Kill the child *pid* by SIGKILL, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    assert end_of(pid) == -signal.SIGKILL


def end_of(pid: int) -> int:
    """Return what the child *pid* has ended with, a signal as a negative number."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
