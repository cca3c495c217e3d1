"""
The programs that `make collector` built: a Collector, Prometheus 3 and Jaeger, on their own ports.

They read the shipped files unchanged, except that a copy in the test's folder has loopback
addresses instead of those of compose.yaml. e2e/alertmanager.py runs Alertmanager.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import pytest
from e2e.parts import ROOT, Prometheus, is_open, running
from harness import eventually, request
from ports import free_port
from rule_files import CONFIG

BUILT = ROOT / ".cache" / "collector" / "bin"
PARTS = ROOT / "tests" / "collector" / "parts"
# The Collector's own metrics would use port 8888, even if another program has it.
QUIET = "yaml:service::telemetry::metrics::level: none"

PLAIN = "yaml:exporters::otlp_grpc::tls::insecure: true"


def built(name: str) -> str:
    """Return the path of a built binary, or fail with the command that builds it."""
    if not (BUILT / name).exists():
        pytest.fail(f"{name} is missing: run make collector", pytrace=False)
    return str(BUILT / name)


def moved(name: str, places: Mapping[str, str]) -> str:
    """
    Return the file *name* of collector-config/ with other addresses, and otherwise unchanged.

    All its addresses must be among *places*, because none of them can be reached here.
    """
    text = (CONFIG / name).read_text()
    for place, here in places.items():
        assert place in text, place
        text = text.replace(place, here)
    left = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = re.findall(r"(?<![\w.$:])([a-z0-9_.-]+):\d{4,5}\b", "\n".join(left))
    assert {host for host in found if host != "127.0.0.1"} == set(), name
    return text


def run(*command: str | Path) -> None:
    """Run a built command; fail with its output if it complains."""
    binary, *arguments = command
    done = subprocess.run(
        [built(str(binary)), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


class Collector:
    """
    A Collector with a file of collector-config/; a context manager.

    It may be stopped and started again, with the same ports.

    Attributes:
        grpc_endpoint, http_endpoint: its addresses for OTLP, if the file has them.
        page: host and port of its page of metrics.
        config: its copy of the file.
    """

    def __init__(self, folder: Path, *more: str, tempo: str = "127.0.0.1:9") -> None:
        """Run otelcol-otlp.yaml with the additions in *more*; spans go on to *tempo* by gRPC."""
        grpc, http, page, health = (free_port() for _ in range(4))
        self.grpc_endpoint = f"http://127.0.0.1:{grpc}"
        self.http_endpoint = f"http://127.0.0.1:{http}"
        self.page = f"127.0.0.1:{page}"
        self._health = f"127.0.0.1:{health}"
        places = {
            "0.0.0.0:13133": self._health,
            "0.0.0.0:4317": f"127.0.0.1:{grpc}",
            "0.0.0.0:4318": f"127.0.0.1:{http}",
            "0.0.0.0:8889": self.page,
            "tempo:4317": tempo,
        }
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "otelcol-otlp.yaml"
        self.config.write_text(moved(self.config.name, places))
        self.log = folder / "otelcol.log"
        self.more = list(more)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and wait until it says that it is healthy."""
        self.process = _started(self.config, self.log, self.more)
        eventually(self._is_well, 30)
        return self

    def _is_well(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        host, _, port = self._health.rpartition(":")
        return is_open(int(port)) and request(f"http://{host}:{port}").status == 200

    def stop(self, *, kill: bool = False) -> None:
        """Stop it in order, or *kill* it."""
        if self.process is not None:
            _ended(self.process, kill=kill)
            self.process = None

    def series(self) -> dict[str, float]:
        """Return the series on its page, each with labels and value."""
        body = request(f"http://{self.page}/metrics").body
        lines = [line for line in body.splitlines() if line[:1] not in {"", "#"}]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _started(
    config: Path, log: Path, more: list[str], environ: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    configs = [f"--config={each}" for each in (config, QUIET, *more)]
    with log.open("a") as out:
        return subprocess.Popen(
            [built("otelcol"), *configs],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def _ended(process: subprocess.Popen[bytes], *, kill: bool = False) -> None:
    if kill:
        process.kill()
    else:
        process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def scraping_collector(folder: Path, target: str, backend: str) -> Iterator[Path]:
    """
    Run otelcol-scrape.yaml, which scrapes *target* for *backend*, both host and port: its log.

    The file's exporter uses TLS, as to a remote backend; here TLS is off.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "otelcol-scrape.yaml", folder / "otelcol.log"
    config.write_text(moved(config.name, {"otel_jcmc:3000": target}))
    process = _started(config, log, [PLAIN], {"OTLP_BACKEND": backend})
    try:
        yield log
    finally:
        _ended(process)


@contextmanager
def running_prometheus3(folder: Path, config: str, *flags: str) -> Iterator[Prometheus]:
    """Run Prometheus 3 with the text *config* in *folder*, which also has its rules."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yaml").write_text(config)
    port = free_port()
    command = [
        *(built("prometheus"), "--config.file=prometheus.yaml", "--storage.tsdb.path=data"),
        *(f"--web.listen-address=127.0.0.1:{port}", *flags),
    ]
    with running(command, folder / "log", cwd=folder):
        prometheus = Prometheus(f"http://127.0.0.1:{port}", folder)
        try:
            eventually(lambda: is_open(port), 30)
            eventually(lambda: request(f"{prometheus.url}/-/ready").status == 200, 30)
        except AssertionError:
            pytest.fail(f"Prometheus does not start: {prometheus.log()}", pytrace=False)
        yield prometheus


class Jaeger(NamedTuple):
    """A running Jaeger: its address for OTLP, and its API (a URL each)."""

    grpc_endpoint: str
    http_endpoint: str
    url: str

    def ask(self, path: str, **query: str | int) -> Any:
        """Return an answer of the HTTP API: `services`, `traces` with `service`, `traces/ID`."""
        answer = request(f"{self.url}/api/{path}?{urlencode(query)}")
        assert answer.status == 200, answer
        return answer.json()["data"]

    def traces(self, service: str = "otel_jcmc", **query: str | int) -> list[dict[str, Any]]:
        """Return the traces of *service* that match *query*: `tags` is JSON."""
        found: list[dict[str, Any]] = self.ask("traces", service=service, **query)
        return found


@contextmanager
def running_jaeger(folder: Path) -> Iterator[Jaeger]:
    """Run Jaeger with traces in memory, and nothing else switched on."""
    folder.mkdir(parents=True, exist_ok=True)
    grpc, http, web, asked = (f"127.0.0.1:{free_port()}" for _ in range(4))
    config = {
        "extensions": {
            "jaeger_storage": {"backends": {"disk": {"badger": {"ephemeral": True}}}},
            "jaeger_query": {
                "storage": {"traces": "disk"},
                "http": {"endpoint": web},
                "grpc": {"endpoint": asked},
            },
        },
        "receivers": {
            "otlp": {"protocols": {"grpc": {"endpoint": grpc}, "http": {"endpoint": http}}}
        },
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "disk"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}
            },
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    # JSON is valid YAML.
    (folder / "jaeger.yaml").write_text(json.dumps(config))
    command = [built("jaeger"), f"--config={folder}/jaeger.yaml"]
    log = folder / "jaeger.log"
    with running(command, log):
        found = Jaeger(f"http://{grpc}", f"http://{http}", f"http://{web}")
        try:
            ports = [int(place.rpartition(":")[2]) for place in (grpc, http, web)]
            eventually(lambda: all(map(is_open, ports)), 30)
            eventually(lambda: request(f"{found.url}/api/services").status == 200, 30)
        except AssertionError:
            pytest.fail(f"Jaeger does not start: {log.read_text()}", pytrace=False)
        yield found
