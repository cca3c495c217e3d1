"""`otel-jcmc simulate` with a running service: its report is what the service received."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from harness import Service, eventually

COMMAND = (sys.executable, "-m", "otel_jcmc", "simulate", "--seed", "7")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return one service for all tests; after each run, all participants have left."""
    with Service(tmp_path_factory.mktemp("s")) as running:
        yield running


def options(service: Service, participants: int, seconds: float) -> list[str]:
    return [
        *("--url", f"{service.url}/metrics/push", "--participants", str(participants)),
        *("--conferences", "3", "--for", str(seconds), "--interval", "0.25"),
    ]


def simulate(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


def numbers(summary: str) -> list[int]:
    """Return the numbers of joined participants, of sent pushes and of answers 200."""
    found = [
        re.search(pattern, summary, re.MULTILINE)
        for pattern in (r"^participants  (\d+)", r"^pushes sent   (\d+)", r"200: (\d+)")
    ]
    return [int(match[1]) for match in found if match]


def accepted(service: Service) -> int:
    """Return how many pushes were answered 200, also the overtaken ones."""
    return round(sum(service.series('otel_jcmc_pushes_total{outcome="accepted"').values()))


def qualities(service: Service) -> dict[str, float]:
    return service.series("jitsi_jcmc_connectionquality")


def test_what_it_says_is_what_the_service_counted_and_everyone_has_left(service: Service) -> None:
    before = accepted(service)
    ran = simulate(*options(service, participants=12, seconds=3))
    assert ran.returncode == 0, ran.stderr
    joined, sent, taken = numbers(ran.stdout)
    assert sent == taken >= 12 * 8
    assert accepted(service) - before == sent
    assert not any(service.series("otel_jcmc_fields_dropped").values())
    assert joined > 12, "some leave early and others join in their place"
    assert service.own("otel_jcmc_participants") == 0
    assert qualities(service) == {}


def test_nothing_but_the_summary_is_written_to_a_pipe(service: Service) -> None:
    ran = simulate(*options(service, participants=2, seconds=1))
    assert ran.stderr == ""
    words = [line.split("  ")[0] for line in ran.stdout.splitlines()]
    assert words == ["participants", "pushes sent", "answers", "errors", "latency"]


def test_meanwhile_there_are_as_many_as_asked_for_and_some_have_a_bad_network(
    service: Service,
) -> None:
    running = subprocess.Popen([*COMMAND, *options(service, 40, 20)], stdout=subprocess.PIPE)
    worst, most_lost, most = 100.0, 0.0, 0

    def seen() -> bool:
        nonlocal worst, most_lost, most
        found = qualities(service)
        lost = service.series("jitsi_jcmc_packetloss_download")
        worst, most_lost = min([worst, *found.values()]), max([most_lost, *lost.values()])
        most = max(most, len(found))
        assert most <= 40
        return most == 40 and worst < 50 and most_lost > 5

    try:
        eventually(seen)
        rooms = set(re.findall(r'roomname="([^"]+)"', " ".join(qualities(service))))
        assert rooms == {"standup", "design-review", "retro"}
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)


def test_ctrl_c_ends_with_leaves_and_the_summary(service: Service) -> None:
    before = accepted(service)
    running = subprocess.Popen(
        [*COMMAND, *options(service, 10, 60)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: len(qualities(service)) == 10)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")
    assert numbers(out)[1] == accepted(service) - before
    assert qualities(service) == {}


def test_a_terminal_shows_how_far_it_is(service: Service) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [*COMMAND, *options(service, 2, 2)], stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # Linux: the other side is closed
            break
    os.close(ours)
    assert running.wait(timeout=30) == 0
    assert b" of 2 s  2 participants" in shown
    assert shown.endswith(b"\r\x1b[K"), "the bar goes when it ends"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (
            "http://127.0.0.1:1/metrics/push",
            "http://127.0.0.1:1/metrics/push can't be reached: connection refused",
        ),
        ("https://127.0.0.1:1", "https://127.0.0.1:1 can't be reached: connection refused"),
        ("ftp://127.0.0.1/", "ftp://127.0.0.1/ is no http:// or https:// URL"),
    ],
)
def test_an_address_where_nobody_is_costs_one_line(url: str, line: str) -> None:
    ran = simulate("--url", url)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"otel-jcmc: {line}\n")


def test_no_participants_is_refused() -> None:
    ran = simulate("--participants", "0")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1


def test_pushes_that_are_not_taken_are_a_failure(service: Service) -> None:
    arguments = options(service, participants=2, seconds=0.5)
    arguments[1] = f"{service.url}/no-such-path"
    ran = simulate(*arguments)
    assert ran.returncode == 1
    assert "404: " in ran.stdout


@pytest.mark.anyio
async def test_retry_after_is_respected_and_a_leave_is_said_again() -> None:
    answer = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n"
    pushed: list[tuple[float, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = re.search(rb"content-length: (\d+)", head)
            assert length
            body = await reader.readexactly(int(length[1]))
            pushed.append((time.monotonic(), body))
            writer.write(answer)

    def swallow(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
        """asyncio reports the end of a connection from which we read."""

    asyncio.get_running_loop().set_exception_handler(swallow)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    arguments = ("--participants", "1", "--for", "0.8", "--interval", "0.1", "--url", url)
    ran = await asyncio.to_thread(simulate, *arguments)
    server.close()
    times, bodies = zip(*pushed, strict=True)
    assert [b'"end"' in body for body in bodies] == [False, True, True, True]
    assert all(later - earlier > 0.9 for earlier, later in pairwise(times[1:]))
    assert ran.returncode == 1
    assert "503: 4" in ran.stdout
