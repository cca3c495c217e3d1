"""The memory of a real Prometheus for the participants that it has seen."""

import re
import tempfile
from pathlib import Path

from e2e.parts import Prometheus, running_prometheus
from harness import eventually, request

from benchmarks.report.bench import Bench
from benchmarks.service.running import LASTING, running

MIB = 2**20
PARTICIPANTS = 5_000
SERIES_EACH = 13
SCRAPES = 15
_APPENDED = "prometheus_tsdb_head_samples_appended_total"


def measure(bench: Bench) -> None:
    """Let a Prometheus scrape every second, first an empty service, then one with participants."""
    wanted = PARTICIPANTS * SERIES_EACH
    with (
        tempfile.TemporaryDirectory() as folder,
        running_prometheus(Path(folder)) as prometheus,
        running(**LASTING) as service,
        prometheus.scraping("bench", service.service.url),
    ):
        bench.say("scraping an empty service")
        eventually(lambda: prometheus.health("bench")[0] == "up", 30)
        empty = _resident_bytes(prometheus)
        service.fill(PARTICIPANTS)
        bench.say(f"scraping {wanted} series")
        eventually(lambda: _own(prometheus, "prometheus_tsdb_head_series") > wanted, 60)
        enough = _own(prometheus, _APPENDED) + SCRAPES * wanted
        eventually(lambda: _own(prometheus, _APPENDED) > enough, 120)
        full = _resident_bytes(prometheus)
    bench.add("Prometheus, no participant seen", [empty / MIB], "MiB")
    bench.add(f"Prometheus, {PARTICIPANTS} seen", [full / MIB], "MiB")
    bench.add("Prometheus, a participant", [(full - empty) / PARTICIPANTS / 1024], "KiB")


def _own(prometheus: Prometheus, name: str) -> float:
    """Return one of Prometheus's own metrics."""
    found = re.search(
        rf"^{name}(?:{{[^}}]*}})? (\S+)$", request(f"{prometheus.url}/metrics").body, re.MULTILINE
    )
    return float(found[1]) if found else 0.0


def _resident_bytes(prometheus: Prometheus) -> float:
    """Return Prometheus's resident memory."""
    return _own(prometheus, "process_resident_memory_bytes")
