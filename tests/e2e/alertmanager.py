"""A real Alertmanager with the example of collector-config/, and the receivers that it notifies."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import yaml
from e2e.parts import ROOT, is_open, missing, running, serving
from harness import eventually, request
from ports import free_port
from rule_files import ALERTS, CONFIG, rules

UNPACKED = ROOT / ".cache" / "alertmanager"
_TOLD_AT = "http://127.0.0.1:9099"
SEVERITY = {rule["alert"]: rule["labels"]["severity"] for path in ALERTS for rule in rules(path)}


@dataclass
class Alertmanager:
    """
    A running Alertmanager.

    Attributes:
        told: receiver and alert of each notification, as `on-call OtelJcmcAbsent`, in order.
    """

    url: str
    told: list[str] = field(default_factory=list)

    def fire(self, *names: str, is_over: bool = False, **labels: str) -> None:
        """Send alerts as Prometheus does with our rules: firing, or over if *is_over*."""
        now = datetime.now(UTC)
        alerts = [
            {
                "labels": {"alertname": name, "severity": SEVERITY[name], **labels},
                "startsAt": (now - timedelta(minutes=1)).isoformat(),
                "endsAt": (now + timedelta(minutes=0 if is_over else 5)).isoformat(),
            }
            for name in names
        ]
        headers = {"content-type": "application/json"}
        answer = request(f"{self.url}/api/v2/alerts", json.dumps(alerts), headers=headers)
        assert answer.status == 200, answer

    def firing(self) -> dict[str, bool]:
        """Return for each firing alert, as `JitsiBridgeStandsOut eu`, whether it is held back."""
        found = {}
        for each in request(f"{self.url}/api/v2/alerts").json():
            labels, status = each["labels"], each["status"]
            assert (status["state"] == "suppressed") == bool(status["inhibitedBy"]), each
            name = f"{labels['alertname']} {labels.get('region', '')}".strip()
            found[name] = bool(status["inhibitedBy"])
        return found


@contextmanager
def running_alertmanager(folder: Path, binary: str | None = None) -> Iterator[Alertmanager]:
    """
    Run one in *folder* with the example. The receivers are here, and a group waits for one second.

    The program is *binary*, otherwise the one that tests/real-parts.sh installed.
    """
    port = free_port()
    found = Alertmanager(f"http://127.0.0.1:{port}")

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            found.told += [
                f"{self.path.strip('/')} {alert['labels']['alertname']}"
                for alert in body["alerts"]
                if alert["status"] == "firing"
            ]
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    binary = (
        binary
        or shutil.which("prometheus-alertmanager")
        or shutil.which("prometheus-alertmanager", path=UNPACKED)
        or missing("prometheus-alertmanager")
    )
    with serving(Receiver) as receivers:
        text = (CONFIG / "alertmanager.yaml").read_text()
        config = yaml.safe_load(text.replace(_TOLD_AT, receivers))
        config["route"] |= {"group_wait": "1s", "group_interval": "1s"}
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(config))
        command = [
            *(binary, f"--config.file={folder}/alertmanager.yaml", f"--storage.path={folder}/data"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
        ]
        with running(command, folder / "log"):
            eventually(lambda: is_open(port))
            eventually(lambda: request(f"{found.url}/-/ready").status == 200)
            yield found
