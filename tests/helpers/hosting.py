"""A host application with this package in it, run by uvicorn in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError

from harness import Answer, eventually, request

TESTS = Path(__file__).parent


class Host:
    """
    host_app.py behind uvicorn on a free port; a context manager.

    Attributes:
        url: the host's address, without a slash at the end; the package is at /jitsi-metrics.
        folder: has the embedded store, and `log` with all output.
    """

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        """Run uvicorn with *options*, in a clean environment plus *environ*."""
        self.folder, self.log = folder, folder / "host.log"
        self._options = options
        self._environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JCMC_", "OTEL_", "REDIS_URL", "METRICS_", "PORT"))
        } | {
            "JCMC_EMBEDDED_DIR": str(folder / "r"),
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            "JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND": "0",
            **environ,
        }
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the started process: uvicorn, or the parent of its workers."""
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", "host_app:app", "--port", "0"),
                    *("--no-access-log", *self._options),
                ],
                cwd=self.folder,
                env=self._environ,
                stdout=log,
                stderr=log,
            )
        (self.url,) = eventually(lambda: re.findall(r"running on (http://[^ ]+)", self.said()), 20)
        # With several workers, uvicorn prints this before any of them listens.
        eventually(self._is_up, 20)
        return self

    def _is_up(self) -> bool:
        """Say whether the host answers."""
        try:
            return self.get("/metrics").status == 200
        except URLError:
            return False

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(timeout=20)

    def said(self) -> str:
        """Return what was logged so far."""
        return self.log.read_text()

    def get(self, path: str, **kwargs: Any) -> Answer:
        """Request *path* of the host."""
        return request(self.url + path, **kwargs)

    def push(self, body: Any, mount: str = "/jitsi-metrics", **kwargs: Any) -> Answer:
        """Push *body* to the application at *mount*."""
        return request(f"{self.url}{mount}/metrics/push", body, **kwargs)
