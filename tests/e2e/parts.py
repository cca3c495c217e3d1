"""
The real programs around the service: Prometheus, rotel, a store on TCP, a wire between two of them.

If a program is not installed, its test fails with one line that says what to install. Tests are
never skipped, because a skipped test proves nothing.
"""

import json
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import urlencode, urlsplit

import pytest
from harness import eventually, request
from ports import free_port

from otel_jcmc.store.embedded import find_server

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
UNPACKED = ROOT / ".cache" / "prometheus" / "usr" / "bin"
# Prometheus passes on changed targets every 5 s, for the first time after 5 s.
SCRAPED_SECONDS = 25.0


def until(expected: object, probe: Callable[[], T], seconds: float = SCRAPED_SECONDS) -> T:
    """Return the result of *probe* when it is *expected*, or its last one after *seconds*."""
    deadline = time.monotonic() + seconds
    while (found := probe()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def missing(what: str) -> NoReturn:
    """Fail with the command that installs the programs."""
    pytest.fail(f"{what} is missing: run tests/real-parts.sh", pytrace=False)


@contextmanager
def running(command: Sequence[str | Path], log: Path, **options: Any) -> Iterator[None]:
    """Run *command* until the block ends; its output goes to *log*."""
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def is_open(port: int) -> bool:
    """Say whether something listens on *port*."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def prometheus_tool(name: str) -> str:
    """Return the path of `prometheus` or `promtool`."""
    return shutil.which(name) or shutil.which(name, path=UNPACKED) or missing(name)


@dataclass
class Prometheus:
    """A running Prometheus that scrapes every second; each test has a job of its own."""

    url: str
    folder: Path
    _jobs: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    @contextmanager
    def scraping(
        self, job: str, target: str, path: str = "/metrics", **labels: str
    ) -> Iterator[None]:
        """Scrape *path* of the server whose URL is *target* as *job* until the block ends."""
        self._jobs[job] = (urlsplit(target).netloc, {"__metrics_path__": path, **labels})
        self._write()
        yield
        del self._jobs[job]
        self._write()

    def _write(self) -> None:
        """Tell Prometheus all targets at once."""
        groups = [
            {"targets": [at], "labels": {"job": job, **labels}}
            for job, (at, labels) in self._jobs.items()
        ]
        new = self.folder / "targets.new"
        new.write_text(json.dumps(groups))
        new.replace(self.folder / "targets.json")

    def ask(self, path: str, **query: str) -> Any:
        """Return the data of an answer of the HTTP API."""
        answer = request(f"{self.url}/api/v1/{path}?{urlencode(query)}")
        assert answer.status == 200, answer
        return answer.json()["data"]

    def query(self, promql: str, *without: str) -> dict[str, float]:
        """
        Return the result of *promql* now: each series, as `name{label="text"}`, with its value.

        The labels of the scrape and those in *without* are left out.
        """
        found = {}
        for sample in self.ask("query", query=promql)["result"]:
            labels = sample["metric"]
            name = labels.pop("__name__", "")
            for label in ("job", "instance", *without):
                labels.pop(label, None)
            inside = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
            series = f"{name}{{{inside}}}" if inside else name
            assert series not in found, f"{series} twice"
            found[series] = float(sample["value"][1])
        return found

    def value(self, promql: str) -> float | None:
        """Return the only value of *promql* now; None: there is none."""
        found = list(self.query(promql).values())
        assert len(found) <= 1, found
        return found[0] if found else None

    def health(self, job: str) -> tuple[str, str]:
        """Return the health of the target of *job* and its last error; `unknown` at first."""
        for target in self.ask("targets")["activeTargets"]:
            if target["labels"]["job"] == job:
                return target["health"], target["lastError"]
        return "unknown", ""

    def has_jobs(self) -> bool:
        """Say whether it has the targets that it was told of, and no others any more."""
        # By address too: the job of the test before may have had the same name.
        found = [
            (each["labels"]["job"], each["discoveredLabels"]["__address__"])
            for each in self.ask("targets")["activeTargets"]
        ]
        return sorted(found) == sorted((job, at) for job, (at, _) in self._jobs.items())

    def log(self) -> str:
        """Return the log of Prometheus."""
        return (self.folder / "log").read_text()


@contextmanager
def running_prometheus(
    folder: Path,
    rules: Sequence[Path] = (),
    seconds: int = 1,
    sample_limit: int = 0,
    flags: Sequence[str] = (),
) -> Iterator[Prometheus]:
    """
    Run a Prometheus without targets in *folder*, with *flags* on its command line.

    It scrapes and evaluates *rules* every *seconds*, also rules with an interval of their own. A
    scrape with more samples than *sample_limit* fails; 0: no limit.
    """
    for path in rules:
        text = re.sub(r"^    interval: .*\n", "", path.read_text(), flags=re.MULTILINE)
        (folder / path.name).write_text(text)
    intervals = ("scrape_interval", "scrape_timeout", "evaluation_interval")
    config = {
        "global": dict.fromkeys(intervals, f"{seconds}s"),
        "rule_files": [path.name for path in rules],
        "scrape_configs": [
            {
                "job_name": "e2e",
                "sample_limit": sample_limit,
                "file_sd_configs": [{"files": ["targets.json"]}],
            }
        ],
    }
    # JSON is valid YAML.
    (folder / "prometheus.yml").write_text(json.dumps(config))
    (folder / "targets.json").write_text("[]")
    with started_prometheus(folder, flags) as prometheus:
        yield prometheus


@contextmanager
def started_prometheus(folder: Path, flags: Sequence[str] = ()) -> Iterator[Prometheus]:
    """Run a Prometheus on the `prometheus.yml` of *folder*, with *flags* on its command line."""
    port = free_port()
    command = [
        prometheus_tool("prometheus"),
        "--config.file=prometheus.yml",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.console.templates=",
        "--web.console.libraries=",
        "--storage.tsdb.path=data",
        *flags,
    ]
    with running(command, folder / "log", cwd=folder):
        eventually(lambda: is_open(port))
        prometheus = Prometheus(f"http://127.0.0.1:{port}", folder)
        eventually(lambda: request(f"{prometheus.url}/-/ready").status == 200)
        yield prometheus


def check_metrics(exposition: str) -> tuple[int, str]:
    """Return exit code and output of `promtool check metrics` for *exposition*."""
    done = subprocess.run(
        [prometheus_tool("promtool"), "check", "metrics"],
        input=exposition,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


class Rotel(NamedTuple):
    """A running rotel: its address for OTLP."""

    grpc_endpoint: str
    http_endpoint: str


@contextmanager
def running_rotel(folder: Path, onward: str) -> Iterator[Rotel]:
    """Run rotel, another maker's OTLP collector, which passes everything on to *onward* by HTTP."""
    agent = Path(sysconfig.get_path("platlib")) / "rotel" / "rotel-agent"
    if not agent.exists():
        missing("rotel")
    grpc, http = free_port(), free_port()
    command: list[str | Path] = [
        *(agent, "start", "--exporter", "otlp"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}"),
        *("--otlp-http-endpoint", f"127.0.0.1:{http}"),
        *("--otlp-exporter-endpoint", onward, "--otlp-exporter-protocol", "http"),
        *("--batch-timeout", "100ms"),
        *("--pid-file", folder / "rotel.pid", "--log-file", folder / "rotel.log"),
    ]
    log = folder / "log"
    with running(command, log):
        try:
            eventually(lambda: is_open(grpc) and is_open(http))
        except AssertionError:
            pytest.fail(f"rotel does not start: {log.read_text().strip()}", pytrace=False)
        yield Rotel(f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}")


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Run a store on TCP, as for a service with a separate Redis; return its URL."""
    port = free_port()
    command: list[str | Path] = [
        *(find_server(), "--bind", "127.0.0.1", "--port", str(port)),
        *("--save", "", "--appendonly", "no", "--dir", folder),
    ]
    with running(command, folder / "redis.log"):
        eventually(lambda: is_open(port))
        yield f"redis://127.0.0.1:{port}"


class Exchange(NamedTuple):
    """One request that passed the wire, and its answer; header names in lower case."""

    path: str
    asked: dict[str, str]
    status: int
    answered: dict[str, str]


@dataclass
class Wire:
    """A wire: requests to its URL reach the other end, and are kept."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)


@contextmanager
def running_wire(target: str) -> Iterator[Wire]:
    """Run a wire for GET requests to the server at *target*."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = _lower(self.headers)
            onward = urllib.request.Request(target + self.path, headers=asked)
            with urllib.request.urlopen(onward, timeout=10) as answer:
                body = answer.read()
                answered = _lower(answer.headers)
                wire.exchanges.append(Exchange(self.path, asked, answer.status, answered))
            self.send_response(answer.status)
            for name in ("content-type", "content-encoding"):
                if name in answered:
                    self.send_header(name, answered[name])
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        wire = Wire(url)
        yield wire


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that goes away in the middle."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve with *handler* on a free port of loopback; return the URL, without a final slash."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
