"""The benchmarks' load generator on real sockets, and the arithmetic of their figures."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from harness import Service, push_body

from benchmarks import __main__ as command
from benchmarks.load.bodies import CLIENT, WIRE
from benchmarks.load.browsers import BROWSERS, SHARES, headers
from benchmarks.load.command import arguments_of
from benchmarks.load.loops import generate
from benchmarks.load.order import Order, Result
from benchmarks.load.pushes import Pushes
from benchmarks.measure.history import RECORDER
from benchmarks.measure.profile import Looks
from benchmarks.report import results
from benchmarks.report.bench import Bench
from benchmarks.report.machine import Beside, Loop
from benchmarks.report.page import with_costs, written_into
from benchmarks.report.table import digits, markdown, rows
from benchmarks.service.day import simulate
from otel_jcmc.catalogue.attributes import BROWSER_NAME, OS_NAME
from otel_jcmc.intake.browsers import browser_and_system
from otel_jcmc.sessions import recorder
from otel_jcmc.simulate.client import Target
from otel_jcmc.wire.push import PushParser

ROOT = Path(__file__).parents[2]
PARSER = PushParser()


def pushed(count: int, shape: str = WIRE, *, lean: bool = False) -> list[tuple[list[str], bytes]]:
    """Return the heads, line by line, and the bodies of so many pushes of 100 participants."""
    pushes = Pushes(Target("http://metrics.example.org"), 0, 100, shape, lean=lean)
    requests = [pushes.next().partition(b"\r\n\r\n") for _ in range(count)]
    return [(head.decode().split("\r\n"), body) for head, _, body in requests]


def field(head: list[str], name: str) -> str:
    return next(line.partition(": ")[2] for line in head if line.lower().startswith(f"{name}:"))


def paths(value: Any, at: str = "") -> set[str]:
    """Return the path to each part of a JSON value."""
    if isinstance(value, dict):
        return {path for key, each in value.items() for path in paths(each, f"{at}.{key}")}
    if isinstance(value, list):
        return {path for each in value for path in paths(each, f"{at}[]")}
    return {f"{at}: {'number' if isinstance(value, int | float) else type(value).__name__}"}


def texts(value: Any) -> list[str]:
    """Return the texts in a JSON value, without its numbers."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def test_a_push_of_the_originals_page_is_the_wire_example_in_shape_and_738_bytes_long() -> None:
    bodies = [body for _, body in pushed(10_000)]
    assert {len(body) for body in bodies} == {738}
    shapes = {frozenset(paths(json.loads(body))) for body in bodies}
    assert shapes == {frozenset(paths(push_body()))}


@pytest.mark.parametrize("shape", [WIRE, CLIENT])
def test_the_service_keeps_all_of_a_generated_push(shape: str) -> None:
    for _, body in pushed(3_000, shape):
        assert PARSER.parse(body).dropped == []


def test_a_push_of_the_client_file_knows_thirty_values() -> None:
    for _, body in pushed(3_000, CLIENT):
        metrics = json.loads(body)["metrics"]
        assert len(metrics) == 30
        singles = [entry["value"] for name, entry in metrics.items() if name != "transport_rtt"]
        assert None not in singles


def test_the_sequence_of_a_session_only_rises() -> None:
    sessions = [json.loads(body)["session"] for _, body in pushed(250, CLIENT)]
    of_one = [each["seq"] for each in sessions if each["id"] == sessions[0]["id"]]
    assert [seq - of_one[0] for seq in of_one] == [0, 1, 2]


@pytest.mark.parametrize("shape", [WIRE, CLIENT])
def test_who_pushes_again_is_the_same_with_other_numbers(shape: str) -> None:
    requests = pushed(200, shape)
    assert len({json.loads(body)["default_labels"]["client_id"] for _, body in requests}) == 100
    for (head, first), (same_head, second) in zip(requests[:100], requests[100:], strict=True):
        assert field(head, "user-agent") == field(same_head, "user-agent")
        one, two = json.loads(first), json.loads(second)
        assert texts(one) == texts(two)
        assert one["metrics"] != two["metrics"]


@pytest.mark.parametrize("lean", [False, True])
def test_a_request_says_how_long_its_body_is(*, lean: bool) -> None:
    for head, body in pushed(300, CLIENT, lean=lean):
        assert head[0] == "POST /metrics/push HTTP/1.1"
        assert field(head, "host") == "metrics.example.org"
        assert int(field(head, "content-length")) == len(body)
        assert field(head, "content-type").startswith("text/plain")


def test_the_browsers_are_some_twenty_and_a_hundred_participants_have_them() -> None:
    assert len({browser.user_agent for browser in BROWSERS}) == len(BROWSERS) == 21
    assert len(SHARES) == 100
    names = Counter(browser_and_system(each.user_agent)[BROWSER_NAME.id] for each in SHARES)
    assert names["Chrome"] > names["Edge"] > names["Firefox"] > names["Opera"] > 0
    assert all(OS_NAME.id in browser_and_system(each.user_agent) for each in BROWSERS)


def test_a_browser_sends_12_to_15_header_lines_and_a_lean_head_has_four() -> None:
    for browser in BROWSERS:
        whole = headers(browser, "metrics.example.org", lean=False)
        assert 12 <= len(whole) <= 15, browser.user_agent
        assert len({line.partition(":")[0].lower() for line in whole}) == len(whole)
        assert len(headers(browser, "metrics.example.org", lean=True)) == 4


Answering = Callable[[int], "bytes | None"]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"


class Peer:
    """
    A server of the test, not the service.

    Attributes:
        answering: number of a request -> its answer; None: hang up without one.
        silent: numbers of requests that get no answer.
        stall_seconds: how long the first request waits for its answer.
    """

    def __init__(self) -> None:
        self.answering: Answering = lambda _: OK
        self.silent: set[int] = set()
        self.stall_seconds = 0.0
        self.requests = 0
        self.url = ""
        self.connections: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)\r\n", head, re.IGNORECASE)
                assert length
                await reader.readexactly(int(length[1]))
                number = self.requests
                self.requests += 1
                if number == 0:
                    await asyncio.sleep(self.stall_seconds)
                answer = self.answering(number)
                if answer is None:
                    break
                if number not in self.silent:
                    writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    server = Peer()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/any/path"
    async with asyncio.timeout(30):
        yield server
    listening.close()
    await asyncio.gather(*(each for each in server.connections if each))


pytestmark = pytest.mark.anyio


async def test_a_closed_loop_ends_after_the_pushes_that_were_asked_for() -> None:
    async with peer() as server:
        result = await generate(Order(server.url, connections=8, pushes=200))
    assert result.answers == {"200": 200}
    assert server.requests == result.pushes == 200
    assert (result.errors, result.faults) == ({}, {})
    assert result.body_bytes == 738


async def test_an_open_loop_sends_as_many_as_the_rate_says() -> None:
    async with peer() as server:
        result = await generate(Order(server.url, connections=4, rate=2500, seconds=0.1))
    assert result.answers == {"200": 250}


async def test_what_is_not_200_is_counted_by_its_status() -> None:
    async with peer() as server:
        refused = b"HTTP/1.1 503 -\r\ncontent-length: 0\r\n\r\n"
        server.answering = lambda number: refused if number % 4 == 0 else OK
        result = await generate(Order(server.url, connections=1, pushes=20))
    assert result.answers == {"503": 5, "200": 15}
    assert result.faults == {"503": 5}


async def test_a_lost_connection_is_counted_and_opened_again() -> None:
    async with peer() as server:
        server.answering = lambda number: None if number in {3, 7} else OK
        result = await generate(Order(server.url, connections=1, pushes=20))
    assert result.answers == {"200": 18}
    assert result.errors == {"connection lost": 2}
    assert result.reopened == 2


@pytest.mark.parametrize("rate", [0, 100])
async def test_a_push_that_is_never_answered_is_lost_in_the_end(rate: float) -> None:
    async with peer() as server:
        server.silent = {1}
        result = await generate(
            Order(
                server.url,
                connections=2,
                rate=rate,
                seconds=rate and 0.1,
                pushes=10,
                timeout_seconds=0.3,
            )
        )
    assert result.answers == {"200": 9}
    assert result.errors == {"time-out": 1}


async def test_latency_counts_from_the_time_a_push_was_meant_for() -> None:
    """The only connection is busy while nine more are due, so these have waited, too."""
    async with peer() as server:
        server.stall_seconds = 0.4
        result = await generate(Order(server.url, connections=1, rate=100, seconds=0.1))
    assert result.answers == {"200": 10}
    assert result.longest > 200
    assert result.p50 > 200


def load(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_line_tells_what_came_of_it(shared_service: Service, tmp_path: Path) -> None:
    pid = str(shared_service.pid)
    ran = load(
        *("--url", shared_service.url, "--participants", "30", "--pushes", "90"),
        *("--pid", pid, "--json", str(tmp_path / "told.json")),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = dict(line.split("  ", 1) for line in ran.stdout.splitlines())
    assert lines["answers"].strip() == "200: 90"
    assert any(line.startswith("python") and line.endswith(pid) for line in lines)
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["result"]["answers"] == {"200": 90}
    assert told["order"]["participants"] == 30
    assert {"machine", "versions", "others_percent", "cpu_seconds"} <= set(told)


def test_an_answer_other_than_200_is_the_exit_code(shared_service: Service) -> None:
    ran = load("--url", f"{shared_service.url}/nowhere", "--pushes", "5")
    assert ran.returncode == 1
    assert "404: 5" in ran.stdout


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/ can't be reached: connection refused"),
        ("ftp://localhost/", "ftp://localhost/ is no http:// or https:// URL"),
    ],
)
def test_what_can_not_be_reached_is_said_in_one_line(url: str, why: str) -> None:
    ran = load("--url", url, "--seconds", "1")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"benchmarks.load: {why}\n")


def test_a_process_that_is_not_there_is_said_in_one_line() -> None:
    ran = load("--url", "http://127.0.0.1:1", "--seconds", "1", "--pid", "4194304")
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "4194304" in ran.stderr


def test_an_order_is_a_command_line_and_back() -> None:
    ran = load("--json", "-", *arguments_of(Order("http://127.0.0.1:1", rate=0.5, seconds=1)))
    assert "connection refused" in ran.stderr
    said = arguments_of(Order("http://a", 7, lean=True, body=CLIENT, timeout_seconds=3))
    assert said[:4] == ["--url", "http://a", "--participants", "7"]
    assert said[-5:] == ["--body", "client", "--lean", "--timeout", "3"]


def test_a_result_says_what_was_not_answered_200() -> None:
    times: Any = dict.fromkeys(("seconds", "p50", "p90", "p99", "longest", "late_p99"), 0.0)
    sizes: Any = {"head_bytes": 0.0, "body_bytes": 0.0}
    result = Result({"200": 5, "503": 2}, {"time-out": 1}, 0, **times, **sizes)
    assert result.pushes == 7
    assert result.faults == {"503": 2, "time-out": 1}


def test_a_simulated_day_has_a_sample_for_every_three_pushes_and_tells_what_they_take() -> None:
    said: list[str] = []
    day = simulate(30, 0.5, 600, said.append)
    assert day.pushes == 30 * 180 + (day.sessions - 30)
    # Each is there for half an hour; each that leaves has an incomplete interval.
    assert abs(day.samples - 30 * 60) <= day.sessions
    # The first ones are in the middle of their ten minutes.
    assert 90 <= day.sessions <= 150
    # With Redis's own memory, buffers and scripts: 0.1 MB more or less.
    assert day.samples * 50 < day.used_bytes < 1_100_000
    assert day.cpu > 0
    assert said


def bench(title: str = "push") -> Bench:
    measured = Bench(title, quick=True)
    measured.add("CPU", [3.0, 1.0, 2.0], "µs", 2)
    measured.add_rate("pushes", [10.0, 30.0, 20.0], "/s")
    measured.add_ratio("push / floor", 6, 4)
    measured.add("errors", [1], "", 0)
    return measured


def test_a_figure_is_the_median_beside_the_best_and_its_target() -> None:
    cpu, rate, ratio, errors = bench().figures
    assert (cpu.value, cpu.best, cpu.is_met) == (2.0, 1.0, True)
    assert (rate.value, rate.best, rate.is_met) == (20.0, 30.0, None)
    assert (ratio.value, ratio.unit) == (1.5, "x")
    assert errors.is_met is False


def test_a_table_marks_what_is_met_and_what_is_missed() -> None:
    cpu, rate, _, errors = rows(bench().figures)
    assert cpu.split() == ["CPU", "2", "µs", "best", "1", "<=", "2", "✓"]
    assert rate.split() == ["pushes", "20", "/s", "best", "30"]
    assert errors.split() == ["errors", "1", "<=", "0", "✗"]
    assert list(markdown(bench().figures))[2:] == [
        "| CPU | 2 µs | 1 µs | 2 µs | ✓ |  |",
        "| pushes | 20 /s | 30 /s |  |  |  |",
        "| push / floor | 1.5 x |  |  |  |  |",
        "| errors | 1 |  | 0 | ✗ |  |",
    ]


def test_a_figure_of_many_rounds_says_between_what_half_of_them_are() -> None:
    measured = Bench("push", quick=False)
    measured.add("CPU", [4.0, 1.0, 2.0, 3.0, 100.0, 5.0, 6.0], "µs")
    measured.add("CPU", [4.0, 1.0, 2.0, 3.0, 100.0, 5.0, 6.0, 7.0], "µs")
    few, enough = rows(measured.figures)
    assert few.split() == ["CPU", "4", "µs", "best", "1"]
    assert enough.split() == ["CPU", "4.5", "µs", "best", "1", "half", "2.25", "to", "6.75"]


def test_the_event_loop_is_told_apart_from_what_is_beside_it() -> None:
    process = psutil.Process()

    def taken(work: Callable[[], None]) -> tuple[float, float]:
        """Return the CPU time of the first thread and of the others during *work*."""
        loop, beside = Loop(process).cpu_seconds(), Beside(process).cpu_seconds()
        work()
        return Loop(process).cpu_seconds() - loop, Beside(process).cpu_seconds() - beside

    def work() -> None:
        # About twenty ticks of the kernel's clock.
        sum(range(10_000_000))

    def work_beside() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    mine, theirs = taken(work)
    assert mine > theirs + 0.05
    mine, theirs = taken(work_beside)
    assert theirs > mine + 0.05


def test_three_digits_are_told_and_thousands_apart() -> None:
    assert [digits(value) for value in (0.01234, 99.94, 12345.6, 3, 0)] == [
        "0.0123",
        "99.9",
        "12,346",
        "3",
        "0",
    ]


def test_results_keep_what_was_measured_before_on_the_same_machine(tmp_path: Path) -> None:
    path = tmp_path / "results" / "latest.json"
    results.keep(results.begin(quick=True, path=path), bench("push"), 1, None, path)
    results.keep(results.begin(quick=True, path=path), bench("scrape"), 1, "late", path)
    told = json.loads(path.read_text())
    assert list(told["measurements"]) == ["push", "scrape"]
    assert told["measurements"]["scrape"]["error"] == "late"
    assert results.begin(quick=False, path=path)["measurements"] == {}


def test_a_measurement_that_fails_lets_the_next_one_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Bench) -> None:
        raise RuntimeError("not every push was answered 200")

    told = tmp_path / "latest.json"
    monkeypatch.setattr(
        command,
        "MEASUREMENTS",
        {"bad": fail, "good": lambda bench: bench.add("CPU", [1.5], "µs")},
    )
    monkeypatch.setattr(results.begin, "__kwdefaults__", {"path": told})
    monkeypatch.setattr(results.keep, "__defaults__", (told,))
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert command.main() == 1
    assert "CPU" in capsys.readouterr().out
    measured = json.loads(told.read_text())["measurements"]
    assert measured["bad"]["error"] == "RuntimeError: not every push was answered 200"
    assert measured["good"]["error"] is None


def test_each_measurement_is_a_file_and_a_row_of_the_readme() -> None:
    names = list(command.MEASUREMENTS)
    files = {path.stem for path in (ROOT / "benchmarks" / "measure").glob("*.py")}
    assert files - {"__init__"} == set(names)
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| .* \| \d+ \|$", readme, re.MULTILINE) == names


def test_looks_are_summed_by_module_without_those_who_wait() -> None:
    looks = Looks()
    looks.add(
        "a (/x.py:1);take (/src/otel_jcmc/otel_jcmc/web/push.py:85) 3\n"
        "a (/x.py:1);take (/src/otel_jcmc/otel_jcmc/web/push.py:91) 1\n"
        "main (/x.py:1);Runner.run (/usr/lib/python3.11/asyncio/runners.py:118) 2\n"
        "a (/x.py:1);_worker (/usr/lib/python3.11/concurrent/futures/thread.py:81) 99\n"
        "a (/x.py:1);Protocol.on_body (/v/lib/python3.11/site-packages/uvicorn/impl.py:9) 2\n"
    )
    assert looks.shares() == [
        {"module": "otel_jcmc.web.push", "percent": 50.0, "mostly": "take"},
        {"module": "uvloop", "percent": 25.0, "mostly": ""},
        {"module": "uvicorn", "percent": 25.0, "mostly": "Protocol.on_body"},
    ]


def test_the_recorder_whose_share_is_told_is_one_that_is_there() -> None:
    looks = Looks()
    looks.add(f"note ({recorder.__file__}:85);x (/src/otel_jcmc/otel_jcmc/web/push.py:85) 3")
    assert looks.through[RECORDER] == 3


def page() -> str:
    return (ROOT / "docs" / "performance.md").read_text()


def known() -> results.Results:
    measured = {
        "at": "2025-01-02T03:04:05+00:00",
        "commit": "abc1234",
        "seconds": 1,
        "error": None,
        "figures": [
            figure | {"others_percent": 7.0}
            for figure in ({**vars(figure)} for figure in bench().figures)
        ],
        "curves": {},
    }
    shares = [{"module": "uvloop", "percent": 25.4, "mostly": "run"}]
    return {
        "quick": False,
        "machine": {"cpu": "Z80", "cores": 1, "memory_gib": 0.1, "system": "CP/M"},
        "versions": {"commit": "abc1234", "python": "3.11.7"},
        "measurements": {
            "push": measured,
            "profile": measured | {"curves": {"push": shares}},
        },
    }


def test_the_page_is_written_from_the_results_and_again_the_same() -> None:
    written = written_into(page(), known())
    for line in (
        "| machine | Z80, 1 cores, 0.1 GiB |",
        "| `push` errors | 1 |  | 0 | ✗ | others 7 % |",
        "| CPU | 2 µs | 1 µs | 2 µs | ✓ | others 7 % |",
        "| uvloop | 25 % | `run` |",
    ):
        assert line in written.splitlines()
    assert written_into(written, known()) == written


def test_a_page_that_lacks_a_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="0 parts <!-- profile: generated -->"):
        written_into(page().replace("<!-- profile: end -->", ""), known())


def test_the_page_has_the_figures_of_the_results_beside_it() -> None:
    kept = json.loads((ROOT / "docs" / "performance.json").read_text())
    assert written_into(page(), kept) == page()


def test_the_readme_has_the_figures_of_the_results() -> None:
    kept = json.loads((ROOT / "docs" / "performance.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert with_costs(readme, kept) == readme
    assert "| CPU of a push | " in readme


def test_a_cost_of_the_readme_that_was_not_measured_is_named() -> None:
    kept = json.loads((ROOT / "docs" / "performance.json").read_text())
    kept["measurements"]["memory"]["figures"] = []
    with pytest.raises(ValueError, match="memory has no figure 'service, 10,000 live"):
        with_costs((ROOT / "README.md").read_text(), kept)
