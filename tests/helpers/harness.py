"""
The service as its users run it: a process of its own, on a free port of loopback.

`Service` starts `otel-jcmc serve` and speaks HTTP to it; `push_body` is a complete push in the wire
format. Nothing here knows the inside of the package.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import imported

T = TypeVar("T")

CLIENT_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Safari/537.36"
)


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: str
    headers: "Message[str, str]"

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    url: str,
    body: bytes | str | dict[str, Any] | None = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
) -> Answer:
    """Send one request and return the answer, whatever its status."""
    if isinstance(body, dict):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    sent = urllib.request.Request(url, raw, dict(headers or {}), method=method)
    try:
        with urllib.request.urlopen(sent, timeout=timeout) as answer:
            return Answer(answer.status, answer.read().decode(), answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode(), error.headers)


def push_body(
    participant: str = "1a2b3c4d", conference: str = "standup", **changes: Any
) -> dict[str, Any]:
    """Return a complete push of one participant; *changes* replace parts of the body."""
    return {
        "default_labels": {
            "client_id": CLIENT_ID,
            "participant_id": participant,
            "roomname": conference,
        },
        "metrics": {
            "connectionquality": {
                "labels": {"serverregion": "eu-west", "username": "Ada"},
                "value": 97.5,
            },
            "bandwidth_upload": {"value": 2900},
            "bandwidth_download": {"value": 5100},
            "bitrate_audio_upload": {"value": 24},
            "bitrate_audio_download": {"value": 31},
            "bitrate_video_upload": {"value": 1210},
            "bitrate_video_download": {"value": 2404},
            "bitrate_upload": {"value": 1234},
            "bitrate_download": {"value": 2435},
            "packetloss_upload": {"value": 0},
            "packetloss_download": {"value": 1},
            "packetloss_total": {"value": 1},
            "transport_rtt": [
                {
                    "labels": {
                        "src_ip": "10.0.0.7",
                        "dst_ip": "198.51.100.4",
                        "protocol": "udp",
                        "networkType": "wifi",
                    },
                    "value": 41,
                }
            ],
        },
        **changes,
    }


def eventually(probe: Callable[[], T], seconds: float = 15.0, every: float = 0.05) -> T:
    """Return the first true result of *probe*; fail with its last one after *seconds*."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"not within {seconds} s; the last was {found!r}"
        time.sleep(every)
    return found


class Service:
    """
    `otel-jcmc serve` in a process of its own, on a free port; a context manager.

    Attributes:
        url: its address, without a slash at the end.
        admin_url: the address of the port that is not for browsers; empty if there is none.
        banner: the start of its stdout, up to the line of its store.
        log: a file with its stderr so far.
        command: the command that starts it; a test may set another one before the start.
    """

    def __init__(self, folder: Path, **environ: str) -> None:
        """Run in *folder* with its store and log, in a clean environment plus *environ*."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "service.log"
        self.url = self.admin_url = ""
        self.banner: list[str] = []
        self.command: list[str | Path] = [*imported.COMMAND]
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JCMC_", "OTEL_", "REDIS_URL", "METRICS_", "PORT"))
        }
        self.environ = clean | {
            "JCMC_HOST": "127.0.0.1",
            "JCMC_PORT": "0",
            "JCMC_EMBEDDED_DIR": str(folder / "store"),
            # Tests push for one participant more often than a client may.
            "JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND": "0",
            **environ,
        }
        self.process: subprocess.Popen[str] | imported.Forked | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> Self:
        """Start it, and wait until it prints its address."""
        with self.log.open("a") as log:
            if imported.can_fork(self.command, self.environ):
                arguments = [*map(str, self.command[1:]), "serve"]
                self.process = imported.fork(arguments, self.folder, self.environ, log)
            else:
                self.process = subprocess.Popen(
                    [*self.command, "serve"],
                    cwd=self.folder,
                    env=self.environ,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        assert self.process.stdout is not None
        self.banner = []
        for line in self.process.stdout:
            self.banner.append(line.rstrip("\n"))
            if line.startswith("  browser"):
                self.url = line.split()[1].rstrip("/")
            elif line.startswith("  Jitsi page"):
                page_url = line.split('"')[1].removesuffix("/client-file")
                if page_url != self.url:
                    self.url, self.admin_url = page_url, self.url
            elif line.startswith("  store"):
                return self
        raise AssertionError(f"it did not start: {self.log.read_text()}")

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Stop it, and return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(timeout=20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
        return code

    def said(self) -> list[str]:
        """Return the lines of the log, except the one on callers without a limit by address."""
        lines = self.log.read_text().splitlines()
        return [line for line in lines if "limits: address limits do not" not in line]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def push(self, body: bytes | str | dict[str, Any], **kwargs: Any) -> Answer:
        """Push *body* with the content type of a browser's beacon."""
        headers = {"content-type": "text/plain", "user-agent": CHROME, **kwargs.pop("headers", {})}
        return request(f"{self.url}/metrics/push", body, headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Answer:
        """Request *path*."""
        return request(self.url + path, **kwargs)

    def series(
        self, prefix: str | tuple[str, ...] = "jitsi_", page: str = "/metrics"
    ) -> dict[str, float]:
        """Scrape, and return the series whose names start with *prefix*, with their labels."""
        answer = self.get(page)
        assert answer.status == 200, answer
        lines = (line for line in answer.body.splitlines() if line.startswith(prefix))
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def own(self, series: str) -> float | None:
        """Scrape, and return the value of one of the service's own series; None: absent."""
        return self.series("otel_jcmc_").get(series)
