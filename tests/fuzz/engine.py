"""
Tries one input after the other: at random, or led by the code that they reach.

`run` needs only the standard library; the tests use it. `guided` is libFuzzer through Atheris: it
keeps each input that reaches a new branch of the package, and goes on from it; it never returns. An
input that breaks something is written to a file that `python -m fuzz --replay` takes.
"""

import gc
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from time import monotonic
from typing import NamedTuple

BROKEN = Path(__file__).parents[2] / ".cache" / "fuzz"
# Of CPU: far more than 64 KiB take; what grows with the square of its length takes more.
MAX_SECONDS = 0.3


class Target(NamedTuple):
    """
    What is tried.

    `check` raises if an input breaks it, and returns the seconds that it took, at most
    `max_seconds`; no input is made that is longer than `max_bytes`.
    """

    check: Callable[[bytes], float]
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, Random, Sequence[bytes]], bytes]
    max_seconds: float = MAX_SECONDS
    max_bytes: int = 64 * 1024


class Tally:
    """Counts inputs, tells of them once a second, and keeps what breaks."""

    def __init__(self, name: str, inputs: int, *, is_silent: bool = False) -> None:
        """Begin with none of *inputs*."""
        self.name, self.inputs, self._is_silent = name, inputs, is_silent
        self.done, self.slowest_seconds, self.slowest_bytes = 0, 0.0, 0
        self._started = self._told = monotonic()

    def take(self, target: Target, data: bytes) -> None:
        """
        Try one input.

        Raises:
            AssertionError: it breaks; the message says how to see it again.
        """
        try:
            seconds = target.check(data)
            assert seconds <= target.max_seconds, f"{len(data)} bytes took {seconds:.1f} s"
        except Exception as error:  # that it was is known all the same
            traceback.print_exc()
            raise AssertionError(f"{self.name} broke: {keep(self.name, data)}") from error
        self.done += 1
        if seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest_bytes = seconds, len(data)
        if not self._is_silent and not self.done % 64 and monotonic() - self._told >= 1:
            self._told = monotonic()
            self.say()

    def say(self, more: str = "") -> None:
        """Write one line of progress."""
        rate = self.done / max(0.001, monotonic() - self._started)
        print(
            f"{self.name:<10} {self.done:>9,} of {self.inputs:,}  {rate:>6,.0f}/s  slowest"
            f" {self.slowest_seconds * 1000:.1f} ms ({self.slowest_bytes:,} bytes){more}",
            flush=True,
        )


def keep(name: str, data: bytes) -> str:
    """Write *data* to a file and return the command that tries it again."""
    BROKEN.mkdir(parents=True, exist_ok=True)
    path = BROKEN / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return f"PYTHONPATH=tests:tests/helpers .venv/bin/python -m fuzz --replay {path}"


def run(name: str, target: Target, inputs: int, seed: int, *, is_silent: bool = False) -> Tally:
    """Try the seeds of *target*, and as many of their mutations as make *inputs*."""
    chance = Random(seed)
    seeds = target.seeds()
    tally = Tally(name, inputs, is_silent=is_silent)
    # To look through all that thousands of tests have left would count as an input's time.
    gc.collect()
    gc.freeze()
    try:
        for data in seeds:
            tally.take(target, data)
        while tally.done < inputs:
            made = target.mutate(chance.choice(seeds), chance, seeds)
            tally.take(target, made[: target.max_bytes])
    finally:
        gc.unfreeze()
    return tally


def guided(name: str, target: Target, inputs: int, seed: int) -> None:
    """Do the same led by coverage; ends the process."""
    import atheris

    seeds = target.seeds()
    tally = Tally(name, inputs)

    def one(data: bytes) -> None:
        try:
            tally.take(target, data)
        except AssertionError as error:
            print(error, flush=True)
            os._exit(1)
        if tally.done == inputs + len(seeds):
            tally.say("  in the end")

    def mutated(data: bytes, max_size: int, number: int) -> bytes:
        chance = Random(number)
        if chance.random() < 0.2:
            return bytes(atheris.Mutate(data, max_size))
        return target.mutate(data, chance, seeds)[:max_size]

    for each in seeds:
        one(each)  # also those that are too long to go on from
    with tempfile.TemporaryDirectory() as folder:
        for number, each in enumerate(seeds):
            Path(folder, f"{number:05}").write_bytes(each)
        options = [
            *(f"-runs={inputs}", f"-seed={seed or 1}", f"-max_len={target.max_bytes}"),
            *(
                "-len_control=0",
                "-timeout=30",
                "-rss_limit_mb=4096",
                f"-artifact_prefix={BROKEN}/{name}-",
            ),
        ]
        BROKEN.mkdir(parents=True, exist_ok=True)
        atheris.Setup([sys.argv[0], *options, folder], one, custom_mutator=mutated)
        atheris.Fuzz()


def lead(name: str, inputs: int, seed: int) -> bool:
    """Run `guided` in a process of its own; say what it reached, and whether nothing broke."""
    command = [sys.executable, "-m", "fuzz", "--guided", name, "-n", str(inputs), "-s", str(seed)]
    reached = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as child:
        assert child.stderr is not None
        tail: list[str] = []
        for line in child.stderr:
            tail = [*tail[-80:], line]
            if found := re.search(r"cov: (\d+) ft: (\d+) corp: (\d+)", line):
                reached = "{} branches, {} features, {} inputs worth keeping".format(
                    *found.groups()
                )
    if child.returncode:
        print("".join(tail), flush=True)
    else:
        print(f"{name:<10} {reached}", flush=True)
    return child.returncode == 0
