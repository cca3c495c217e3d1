"""A service and what has started it: what systemd is told, and what is left when it is killed."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Service, eventually, push_body
from workers import kill_and_await, processes_of

pytestmark = pytest.mark.xdist_group("faults-supervised")

WORKERS = "2"


@pytest.fixture
def told(short_path: Path) -> Iterator[socket.socket]:
    """Return a socket as systemd has one, at `systemd` in the test's folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(str(short_path / "systemd"))
        wire.settimeout(10)
        yield wire


@pytest.mark.parametrize("workers", ["0", WORKERS])
def test_systemd_is_told_when_pushes_are_taken_and_when_the_end_begins(
    told: socket.socket, short_path: Path, workers: str
) -> None:
    """Once each, whichever process dies meanwhile."""
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


def test_systemd_is_told_at_a_name_that_is_in_no_file_system(short_path: Path) -> None:
    name = f"otel_jcmc-test-{short_path.name}-{id(short_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(f"\0{name}")
        wire.settimeout(10)
        with Service(short_path, NOTIFY_SOCKET=f"@{name}"):
            assert wire.recv(100) == b"READY=1"


def test_a_service_that_can_tell_nobody_says_so_and_runs(short_path: Path) -> None:
    with Service(short_path, NOTIFY_SOCKET=str(short_path / "nobody")) as service:
        assert service.push(push_body()).status == 200
    assert "systemd can't be told READY=1 at NOTIFY_SOCKET: " in service.log.read_text()


def test_nothing_is_left_of_a_first_process_that_was_killed(short_path: Path) -> None:
    with Service(short_path, JCMC_WORKERS=WORKERS, TMPDIR=str(short_path)) as service:
        assert len(list(short_path.glob("otel_jcmc-*/reader"))) == 1
        others = processes_of(service)
        service.stop(signal.SIGKILL)
        eventually(lambda: not any(each.is_running() for each in others))
    assert not list(short_path.glob("otel_jcmc-*"))


def test_a_temporary_folder_may_have_a_long_name(short_path: Path) -> None:
    """Longer than the path of a unix socket can be."""
    folder = short_path / ("x" * 120)
    folder.mkdir()
    with Service(short_path, JCMC_WORKERS=WORKERS, TMPDIR=str(folder)) as service:
        # Another worker relays than the one that was there first.
        kill_and_await(service, "worker 1")
        kill_and_await(service, "worker 2")
        assert service.push(push_body("long")).status == 200
        assert 'participant_id="long"' in service.get("/metrics").body
    assert not list(folder.iterdir())
