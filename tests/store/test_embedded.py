"""The store that the service starts itself: private, for one process, and ended with it."""

import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from harness import Service, eventually, push_body

from otel_jcmc.catalogue.reasons import StoreCannotStart
from otel_jcmc.store import embedded
from otel_jcmc.store.embedded import EmbeddedStore


@pytest.fixture
def folder(short_path: Path) -> Path:
    return short_path / "r"


@pytest.fixture
def made(folder: Path) -> Iterator[EmbeddedStore]:
    """Return a store that is not started; it is stopped after the test."""
    store = EmbeddedStore(folder)
    yield store
    store.stop()


def is_gone(pid: int) -> bool:
    """Say whether the process has ended, or only waits for its parent to notice."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def answers(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "socket"))
        client.sendall(b"PING\r\n")
        return client.recv(64) == b"+PONG\r\n"


def pid_of(store: EmbeddedStore) -> int:
    assert store.pid is not None
    return store.pid


def server_of(service: Service) -> int:
    """Return the process id of the server that *service* started."""
    (child,) = psutil.Process(service.pid).children()
    assert child.name() == "valkey-server"
    return child.pid


# Start and stop.


def test_it_is_ready_in_time_and_private(made: EmbeddedStore, folder: Path) -> None:
    began = time.monotonic()
    made.start()
    assert time.monotonic() - began < 3
    assert made.is_running
    assert made.url == f"unix://{folder}/socket"
    assert answers(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "socket").stat().st_mode) == 0o700
    assert not psutil.Process(pid_of(made)).net_connections("inet")


def test_a_start_that_has_begun_takes_the_folder_and_launches_no_second_server(
    made: EmbeddedStore, folder: Path
) -> None:
    made.begin()
    pid = pid_of(made)
    with pytest.raises(StoreCannotStart, match="in use"):
        EmbeddedStore(folder).begin()
    made.start()
    assert pid_of(made) == pid
    assert answers(folder)


def test_it_is_started_without_a_fork_of_ours(made: EmbeddedStore) -> None:
    """A fork beside the threads of gRPC crashes now and then; an exec does not."""
    forks: list[int] = []
    os.register_at_fork(before=lambda: forks.append(1))
    made.start()
    os.kill(pid_of(made), signal.SIGKILL)
    eventually(lambda: not made.is_running)
    made.restart()
    assert forks == []


def test_it_writes_nothing_to_disk(made: EmbeddedStore, folder: Path) -> None:
    made.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "socket"))
        client.sendall(b"SET name standup\r\nCONFIG GET save\r\nCONFIG GET appendonly\r\n")
        time.sleep(0.1)
        assert b"$4\r\nsave\r\n$0\r\n\r\n" in client.recv(4096)
    made.stop()
    assert not folder.exists()


def test_stop_leaves_neither_process_nor_folder(made: EmbeddedStore, folder: Path) -> None:
    for _ in range(2):
        made.start()
        pid = pid_of(made)
        made.stop()
        assert is_gone(pid)
        assert not folder.exists()
        made.stop()


def test_stop_of_a_server_that_has_died_leaves_no_folder(made: EmbeddedStore, folder: Path) -> None:
    made.start()
    os.kill(pid_of(made), signal.SIGKILL)
    eventually(lambda: not made.is_running)
    made.stop()
    assert not folder.exists()


def test_a_server_that_does_not_end_is_killed(
    made: EmbeddedStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "READY_SECONDS", 0.3)
    made.start()
    pid = pid_of(made)
    os.kill(pid, signal.SIGSTOP)
    made.stop()
    assert is_gone(pid)
    assert not folder.exists()


def test_a_restarted_server_has_the_same_address_and_is_empty(
    made: EmbeddedStore, folder: Path
) -> None:
    made.start()
    os.kill(pid_of(made), signal.SIGKILL)
    eventually(lambda: not made.is_running)
    made.restart()
    assert answers(folder)


def test_a_restart_that_fails_can_be_tried_again(
    made: EmbeddedStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full for a minute must not remove the store for ever."""
    made.start()
    os.kill(pid_of(made), signal.SIGKILL)
    eventually(lambda: not made.is_running)
    with monkeypatch.context() as patch:
        patch.setattr(embedded, "find_server", lambda: Path("/bin/false"))
        for _ in range(2):
            with pytest.raises(StoreCannotStart):
                made.restart()
        with pytest.raises(StoreCannotStart, match="in use"):
            EmbeddedStore(folder).start()
    made.restart()
    assert answers(folder)


def test_a_start_that_fails_leaves_no_folder(
    made: EmbeddedStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_server", lambda: Path("/bin/false"))
    with pytest.raises(StoreCannotStart, match="does not start: /bin/false") as raised:
        made.start()
    assert "\n" not in str(raised.value)
    assert not folder.exists()


def test_a_server_that_hangs_at_its_start_is_given_up(
    made: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(embedded, "find_server", lambda: hanging)
    monkeypatch.setattr(embedded, "READY_SECONDS", 0.3)
    with pytest.raises(StoreCannotStart):
        made.start()
    assert not [p for p in psutil.Process().children() if p.name() == "sleep"]


# The owner of the folder.


def test_a_folder_that_is_open_to_others_is_refused(made: EmbeddedStore, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o750)
    with pytest.raises(StoreCannotStart, match="open to others"):
        made.start()
    assert folder.exists()


def test_a_folder_of_another_user_is_refused(
    made: EmbeddedStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(StoreCannotStart, match="JCMC_EMBEDDED_DIR"):
        made.start()


def test_a_link_in_place_of_the_folder_is_refused(
    made: EmbeddedStore, folder: Path, tmp_path: Path
) -> None:
    """In a folder where all users may write, somebody may have made a link first."""
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    folder.symlink_to(target)
    with pytest.raises(StoreCannotStart, match="open to others"):
        made.start()
    assert list(target.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_one_line(made: EmbeddedStore, folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(StoreCannotStart, match="JCMC_EMBEDDED_DIR") as raised:
        made.start()
    assert "\n" not in str(raised.value)


def test_a_folder_in_use_is_refused_and_not_touched(made: EmbeddedStore, folder: Path) -> None:
    made.start()
    with pytest.raises(StoreCannotStart, match="REDIS_URL"):
        EmbeddedStore(folder).start()
    assert answers(folder)


def test_a_path_that_is_too_long_is_told_before_anything_is_made(short_path: Path) -> None:
    folder = short_path / ("x" * 100)
    with pytest.raises(StoreCannotStart, match="too long for a socket: set JCMC_EMBEDDED_DIR"):
        EmbeddedStore(folder).start()
    assert not folder.exists()


def test_the_longest_path_works(short_path: Path) -> None:
    """103 bytes with `/socket`; bytes count, not characters."""
    name = "ü" + "x" * (103 - len(os.fsencode(short_path)) - len("/ü/socket") - 1)
    store = EmbeddedStore(short_path / name)
    store.start()
    store.stop()
    with pytest.raises(StoreCannotStart, match="too long"):
        EmbeddedStore(short_path / (name + "x")).start()


# The program.


def test_without_the_wheel_a_server_on_path_is_taken(
    made: EmbeddedStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).symlink_to(embedded.find_server())
    monkeypatch.setattr(embedded, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.find_server() == tmp_path / "valkey-server"
    (tmp_path / "valkey-server").unlink()
    assert embedded.find_server() == tmp_path / "redis-server"
    made.start()
    assert answers(folder)


def test_without_any_server_one_line_says_what_to_do(
    made: EmbeddedStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreCannotStart, match=r"set REDIS_URL, or install .*otel-jcmc\[embedded"):
        made.start()
    assert not folder.exists()


# The service.


def test_it_dies_with_the_service_and_the_next_start_clears_up(short_path: Path) -> None:
    service = Service(short_path)
    store = short_path / "store"
    with service:
        server = server_of(service)
        assert service.stop(signal.SIGKILL) == -signal.SIGKILL
        eventually(lambda: is_gone(server), 5)
        assert (store / "socket").exists()

        service.start()
        server = server_of(service)
        assert service.push(push_body()).body == "OK"

        # In one run: the server is killed, and the service starts it again, empty.
        os.kill(server, signal.SIGKILL)
        eventually(lambda: service.push(push_body("again")).body == "OK")
        assert service.own("otel_jcmc_participants") == 1
        assert service.own("otel_jcmc_store_up") == 1
        assert len(service.log.read_text().split("starting it again")) == 2

        server = server_of(service)
        assert service.stop(signal.SIGTERM) == 0
        assert is_gone(server)
        assert not store.exists()


def serve(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `otel-jcmc serve` until it ends."""
    ready = Service(folder, **environ)
    command = [sys.executable, "-m", "otel_jcmc", "serve"]
    return subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=ready.environ,
        capture_output=True,
        text=True,
        timeout=30,
    )


def assert_one_line(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    """*ended* failed, with one line on stderr that has all *words*, and an empty stdout."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("otel-jcmc: ")
    for word in words:
        assert word in line


def test_a_second_process_on_the_folder_is_told_in_one_line(
    made: EmbeddedStore, folder: Path, short_path: Path
) -> None:
    made.start()
    ended = serve(short_path / "a", JCMC_EMBEDDED_DIR=str(folder))
    assert_one_line(ended, "set REDIS_URL", "JCMC_EMBEDDED_DIR")
    assert answers(folder)


def test_a_worker_of_several_is_refused(short_path: Path) -> None:
    """If each worker had a store, each would show only a part of the participants."""
    script = short_path / "workers.py"
    script.write_text(
        textwrap.dedent(
            """\
            import asyncio
            import multiprocessing

            async def start() -> None:
                from otel_jcmc.service.app import create_app

                app = create_app()
                async with app.router.lifespan_context(app):
                    print("it started")

            def work() -> None:
                from otel_jcmc.catalogue.reasons import StoreCannotStart

                try:
                    asyncio.run(start())
                except StoreCannotStart as error:
                    print(error, flush=True)

            if __name__ == "__main__":
                worker = multiprocessing.get_context("spawn").Process(target=work)
                worker.start()
                worker.join()
            """
        )
    )
    ended = subprocess.run(
        [sys.executable, str(script)],
        check=False,
        cwd=short_path,
        env=Service(short_path).environ,
        capture_output=True,
        text=True,
        timeout=30,
    )
    (line,) = ended.stdout.splitlines()
    assert "workers" in line
    assert "set REDIS_URL" in line
    assert not (short_path / "store").exists()
