"""Forked processes: started again when they die, and later if they die young repeatedly."""

import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import logging, sys, time
from otel_jcmc.server.supervisor import Supervisor

logging.basicConfig(level="INFO", format="%(message)s")

def run(slot, on_up):
    if slot == 2:
        {last}
    on_up()
    if slot == 0:
        time.sleep({lives})
        return 3
    time.sleep(60)
    return 0

def on_up():
    print("up", flush=True)

def on_end():
    print("end", flush=True)

sys.exit(Supervisor([["a", "b"], ["c"]], run, on_up, on_end, lambda: None, None).run())
"""


def begun(last: str = "pass", lives: float = 0.0) -> subprocess.Popen[str]:
    """Return three processes and their parent; the first one lives for *lives* s."""
    script = SCRIPT.format(last=last, lives=lives)
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_who_dies_young_again_and_again_is_waited_for() -> None:
    with begun() as process:
        time.sleep(3.0)
        process.send_signal(signal.SIGTERM)
        said, log = process.communicate(timeout=10)
    assert said == "up\nend\n"
    # Three at once, then more after 0.5 s and 1 s; the next wait of 2 s is not over.
    assert 4 <= log.count("a (pid") <= 6
    assert "ended (3): started again" in log
    assert log.count("b is up") == log.count("c is up") == 1
    assert process.returncode == 0


def test_who_can_not_start_ends_all(tmp_path: Path) -> None:
    """The parent ends with its exit code, and never says that it is ready."""
    log = tmp_path / "log"
    with log.open("w") as stderr, begun("return 4", 60) as process:
        said, _ = process.communicate(timeout=10)
        stderr.flush()
    assert process.returncode == 4
    assert said == "end\n"


def test_an_error_that_nobody_expected_is_logged_and_ends_a_process_alone() -> None:
    with begun("raise KeyError", 60) as process:
        said, log = process.communicate(timeout=10)
    assert "unexpected error" in log
    assert (process.returncode, said) == (1, "end\n")
