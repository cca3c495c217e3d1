"""
Earlier finds of fuzzing stay fixed, and each run tries a few thousand inputs of `make fuzz`.

The properties are in fuzz/push.py, fuzz/edges.py and fuzz/wire.py.
"""

import os
import random
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz import corpus, engine, mutations, push, wire
from fuzz.engine import Target
from fuzz.targets import TARGETS
from harness import Service

pytestmark = pytest.mark.xdist_group("fuzz")

INPUTS = {
    "push": 1000,
    "jmmc": 1000,
    "framing": 1000,
    "stored": 2000,
    "agent": 500,
    "forwarded": 200,
    "accept": 1000,
    "token": 500,
}
# Each run has the same inputs, so that a failure points to a change. `make fuzz` tries others.
SEED = 1


@pytest.fixture
def victim() -> Iterator[Service]:
    with wire.running() as service:
        yield service


def test_there_is_something_to_replay_for_every_target() -> None:
    for target in (*TARGETS, "http"):
        assert corpus.found(target) or target in ("agent", "token", "jmmc")


@pytest.mark.parametrize("name", TARGETS)
def test_what_once_broke_and_mutations_of_it_breaks_nothing(name: str) -> None:
    """The seeds, which contain all finds, and mutations of them."""
    tally = engine.run(name, TARGETS[name], INPUTS[name], SEED, is_silent=True)
    assert tally.done >= INPUTS[name]


def test_broken_requests_break_nothing(victim: Service) -> None:
    assert wire.try_sockets(victim, 300, SEED, is_silent=True).done == 300


def test_nothing_is_scraped_that_was_not_sent(victim: Service) -> None:
    assert wire.try_road(victim, 100, SEED, is_silent=True).done == 100


# The fuzzer itself


def test_the_same_seed_makes_the_same_pushes() -> None:
    seeds = corpus.pushes()[:20]
    made = [
        [mutations.mutate(seeds[0], chance, seeds) for _ in range(50)]
        for chance in (random.Random(7), random.Random(7), random.Random(8))
    ]
    assert made[0] == made[1] != made[2]
    assert len(set(made[0])) > 40


def test_mutations_are_taken_whole_in_part_and_not_at_all() -> None:
    chance, seeds = random.Random(1), corpus.pushes()
    bodies = [mutations.mutate(chance.choice(seeds), chance, seeds) for _ in range(400)]
    told = [push.answer(body, collects=True) for body in bodies]
    assert max(map(len, bodies)) <= mutations.MAX_BYTES
    for kind in (b"OK", b'{"dropped"', b'{"errors"'):
        assert sum(answer.body.startswith(kind) for answer in told) > 20


def test_what_breaks_is_kept_and_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine, "BROKEN", tmp_path)

    def check(data: bytes) -> float:
        assert b"\xff" not in data
        return 0.0

    target = Target(check, lambda: [b"agent"], lambda data, chance, _: data + chance.randbytes(2))
    with pytest.raises(AssertionError, match="--replay") as broke:
        engine.run("agent", target, 10_000, 1, is_silent=True)
    (kept,) = tmp_path.iterdir()
    assert b"\xff" in kept.read_bytes()
    assert shlex.split(str(broke.value))[-1] == str(kept)
    again = subprocess.run(
        [sys.executable, "-m", "fuzz", "--replay", kept],
        cwd=corpus.HERE.parent,
        env=os.environ | {"PYTHONPATH": f"helpers{os.pathsep}{corpus.HERE.parents[1]}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "nothing broke")


def test_what_takes_too_long_breaks() -> None:
    target = Target(lambda _: engine.MAX_SECONDS * 2, lambda: [b"x"], lambda data, *_: data)
    with pytest.raises(AssertionError, match="broke"):
        engine.run("slow", target, 1, 1, is_silent=True)
