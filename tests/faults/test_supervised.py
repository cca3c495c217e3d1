"""A service and its supervisor: what systemd is told, and what a kill leaves behind."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Service, eventually, push_body
from workers import kill_and_await, processes_of

from otel_jcmc.command.notify import UP, notify

pytestmark = pytest.mark.xdist_group("faults-supervised")

WORKERS = "2"


@pytest.fixture
def told(short_path: Path) -> Iterator[socket.socket]:
    """Return a socket as systemd's, at `systemd` in the test's folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(str(short_path / "systemd"))
        wire.settimeout(10)
        yield wire


@pytest.mark.parametrize("workers", ["0", WORKERS])
def test_systemd_is_told_when_pushes_are_taken_and_when_the_end_begins(
    told: socket.socket, short_path: Path, workers: str
) -> None:
    """Once each, whichever process dies in between."""
    service = Service(short_path, JCMC_WORKERS=workers, NOTIFY_SOCKET=str(short_path / "systemd"))
    with service:
        assert told.recv(100) == b"READY=1"
        assert service.push(push_body()).status == 200
        if workers != "0":
            kill_and_await(service, "worker 1")
        service.stop()
        assert told.recv(100) == b"STOPPING=1"
    told.setblocking(False)
    with pytest.raises(BlockingIOError):
        told.recv(100)


def test_systemd_is_told_at_a_name_that_is_in_no_file_system(
    monkeypatch: pytest.MonkeyPatch, short_path: Path
) -> None:
    name = f"otel_jcmc-test-{short_path.name}-{id(short_path)}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(f"\0{name}")
        wire.settimeout(10)
        notify(UP)
        assert wire.recv(100) == b"READY=1"


def test_a_service_that_can_tell_nobody_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, short_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(short_path / "nobody"))
    notify(UP)
    assert "systemd can't be told READY=1 at NOTIFY_SOCKET: [Errno 2]" in caplog.text


def test_a_temporary_folder_may_have_a_long_name_and_nothing_is_left_in_it(
    short_path: Path,
) -> None:
    """The path is too long for a unix socket; also when the first process is killed."""
    folder = short_path / ("x" * 120)
    folder.mkdir()
    with Service(short_path, JCMC_WORKERS=WORKERS, TMPDIR=str(folder)) as service:
        assert len(list(folder.glob("otel_jcmc-*/reader"))) == 1
        # Another worker relays than the first one.
        for name in ("worker 1", "worker 2"):
            kill_and_await(service, name)
        assert service.push(push_body("long")).status == 200
        assert 'participant_id="long"' in service.get("/metrics").body
        others = processes_of(service)
        service.stop(signal.SIGKILL)
        eventually(lambda: not any(each.is_running() for each in others))
    assert not list(folder.iterdir())
