"""
`python -m benchmarks.service.stepped FILE COMMAND...`: `otel-jcmc COMMAND...`, its loops watched.

A step of an event loop is a callback; a stretch of a task is one too. Its figure is the CPU time of
its thread. A busy machine does not lengthen that, nor does a wait for the interpreter's lock. Each
process adds a line of JSON a second to FILE. The loop is asyncio's own: its steps can be watched,
and cost more than those of uvloop.
"""

import asyncio
import gc
import json
import os
import sys
from collections import Counter
from math import ceil, log
from time import monotonic, thread_time
from typing import Any, Final

import uvicorn

# Steps are told apart by a tenth of their length.
_FACTOR: Final = log(1.1)
_TELL_SECONDS: Final = 1.0


class Steps:
    """The steps of this process since it told of them last."""

    def __init__(self, path: str) -> None:
        """Tell in the file at *path*."""
        self._path = path
        self._run = asyncio.Handle._run  # noqa: SLF001  # there is no other place to stand
        self._collected = self._since = 0.0
        self._generation = 0
        gc.callbacks.append(self._collect)
        self._begin()

    def _collect(self, phase: str, info: dict[str, int]) -> None:
        """Count the time that garbage is looked for, in any thread; the interpreter calls this."""
        if phase == "start":
            self._since = thread_time()
        else:
            self._collected += thread_time() - self._since
            self._generation = info["generation"]

    def _begin(self) -> None:
        self._counts: Counter[int] = Counter()
        self._longest, self._what = 0.0, ""
        self._tell_at = monotonic() + _TELL_SECONDS

    def step(self, handle: asyncio.Handle) -> None:
        """Take a step of the loop."""
        collected = self._collected
        began = thread_time()
        self._run(handle)
        took = thread_time() - began
        self._counts[ceil(log(max(took, 1e-7)) / _FACTOR)] += 1
        if took > self._longest:
            self._longest, self._what = took, _name(handle)
            if self._collected > collected:
                self._what += f", of it {1000 * (self._collected - collected):.1f} ms garbage"
                self._what += f" of generation {self._generation}"
        if monotonic() > self._tell_at:
            self._tell()

    def _tell(self) -> None:
        told = {
            "pid": os.getpid(),
            "at": monotonic(),
            "counts": [[1000 * 1.1**place, count] for place, count in self._counts.items()],
            "longest_ms": 1000 * self._longest,
            "what": self._what,
        }
        with open(self._path, "a") as file:  # noqa: PTH123  # a line is written whole
            file.write(json.dumps(told) + "\n")
        self._begin()


def _name(handle: asyncio.Handle) -> str:
    """Return what a step was of."""
    callback: Any = getattr(handle, "_callback", None)
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        coroutine: Any = task.get_coro()
        return str(getattr(coroutine, "__qualname__", coroutine))
    return str(getattr(callback, "__qualname__", callback))


def main() -> None:
    """Run the command with its loops watched."""
    _, path, *command = sys.argv
    steps = Steps(path)

    def step(handle: asyncio.Handle) -> None:
        steps.step(handle)

    # A function, which the class makes a method of.
    asyncio.Handle._run = step  # type: ignore[assignment, method-assign]  # noqa: SLF001
    uvicorn.Config.get_loop_factory = lambda _config: asyncio.new_event_loop  # type: ignore[assignment, method-assign]
    sys.argv = ["otel-jcmc", *command]
    from otel_jcmc.command.arguments import main as run  # noqa: PLC0415  # what it imports is late

    run()


if __name__ == "__main__":
    main()
