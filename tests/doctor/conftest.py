"""Runs `otel-jcmc doctor` as an operator does: a process of its own, beside a running service."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from harness import Service, eventually, push_body, request


class Told(NamedTuple):
    """The output of doctor: its exit code, and its findings by mark."""

    code: int
    findings: list[dict[str, str]]

    def of(self, mark: str) -> list[tuple[str, str]]:
        """Return topic and text of the findings with *mark*."""
        return [(each["topic"], each["text"]) for each in self.findings if each["mark"] == mark]

    def wrong(self) -> tuple[str, str, str]:
        """Return topic, text and remedy of the only fault."""
        (only,) = [each for each in self.findings if each["mark"] == "wrong"]
        return only["topic"], only["text"], only["remedy"]


def run(service: Service, *arguments: str, **environ: str) -> Any:
    """Run doctor with the settings of *service*; *environ* replaces some of them."""
    return subprocess.run(
        [sys.executable, "-m", "otel_jcmc", "doctor", *arguments],
        cwd=service.folder,
        env=service.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def ask_doctor(service: Service, *arguments: str, **environ: str) -> Told:
    """Return the findings of doctor about *service*."""
    url = service.admin_url or service.url
    done = run(service, "--json", "--url", url, *arguments, **environ)
    assert not done.stderr, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] == (done.returncode == 0)
    return Told(done.returncode, told["findings"])


Ask = Callable[..., Told]


@pytest.fixture
def doctor() -> Ask:
    """Return the function that runs doctor."""
    return ask_doctor


def push_and_scrape(service: Service) -> None:
    """Send *service* a push of a client, and scrape it."""
    origin = {"origin": "https://meet.example.org"}
    session = {"id": "a-session-of-a-page", "seq": 1, "interval_ms": 10_000}
    assert service.push(push_body(session=session), headers=origin).status == 200
    # With workers, the process that reads learns the counts every second.
    counted = re.compile(
        r'^otel_jcmc_pushes_total\{outcome="accepted",reason=""\} [1-9]', re.MULTILINE
    )
    url = f"{service.admin_url or service.url}/metrics"
    eventually(lambda: counted.search(request(url).body))
