"""The senders of docs/push.md, executed unchanged except for the service's port."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.nginx import fenced
from e2e.parts import missing
from harness import Service, eventually

pytestmark = pytest.mark.xdist_group("e2e")

SERVICE = "127.0.0.1:3000"
(SHELL,) = fenced("docs/push.md", "sh")
(PYTHON,) = fenced("docs/push.md", "python")


@pytest.fixture
def ordinary(short_path: Path) -> Iterator[Service]:
    """Return a service with the default limits."""
    with Service(short_path, JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND="") as running:
        yield running


def test_a_push_by_curl_is_exported(ordinary: Service) -> None:
    if shutil.which("curl") is None:
        missing("curl")
    assert SHELL.count(SERVICE) == 2
    script = SHELL.replace(f"http://{SERVICE}", ordinary.url)
    ran = subprocess.run(
        ["sh", "-e", "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[0] == "OK"
    lines = [line for line in ran.stdout.splitlines() if "jitsi_jcmc_transport_rtt{" in line]
    assert [line.partition(" ")[2] for line in lines] == ["41"]
    assert 'roomname="standup"' in lines[0]


def test_a_session_by_python_comes_and_goes(ordinary: Service, tmp_path: Path) -> None:
    script = tmp_path / "sender.py"
    assert PYTHON.count(SERVICE) == 1
    script.write_text(PYTHON.replace(f"http://{SERVICE}", ordinary.url))
    running = subprocess.Popen(
        [sys.executable, "-W", "error", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def quality() -> list[float]:
        series = ordinary.series("jitsi_jcmc_connectionquality")
        return [value for name, value in series.items() if 'participant_id="5e6f7a8b"' in name]

    assert eventually(quality) == [97.5]
    said, complaints = running.communicate(timeout=30)
    assert (running.returncode, complaints) == (0, "")
    assert said.splitlines() == ["OK"] * 4
    assert quality() == []
    (session,) = ordinary.get("/sessions?participant=5e6f7a8b").json()["sessions"]
    assert session["end_reason"] == "left"


def test_a_refusal_ends_the_python_sender_with_the_reason(
    ordinary: Service, tmp_path: Path
) -> None:
    script = tmp_path / "sender.py"
    wrong = PYTHON.replace('"roomname": "standup"', '"roomname": ""')
    script.write_text(wrong.replace(f"http://{SERVICE}", ordinary.url))
    ran = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith('400: {"errors":[{"field":"default_labels.roomname",')
