"""
The blocks of the README that a newcomer types, run as they stand in a folder with the Makefile.

Only the port, the receiver's address and the id of a session are the test's. The files that are
copied for nginx are run by test_nginx_and_csp.py, the job of Prometheus by
test_monitoring_that_is_there.py.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from e2e.nginx import fenced
from e2e.parts import ROOT, missing
from harness import Service, eventually, push_body, request
from otlp_sink import OtlpSink
from ports import free_port

pytestmark = pytest.mark.xdist_group("e2e")

README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVICE, RECEIVER = "http://127.0.0.1:3000", "http://127.0.0.1:4318"
CONSOLE = fenced("README.md", "console")
STARTS = [block for block in CONSOLE if "make run" in block]
ASKS = [block for block in CONSOLE if "otel-jcmc sessions" in block]
LANGUAGES = {"console", "sh", "yaml", ""}


def commands(block: str) -> list[str]:
    """Return what is typed in a block."""
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def shown(block: str) -> list[str]:
    """Return what a block says that is answered."""
    return [line for line in block.splitlines() if not line.startswith("$ ")]


def a_clone(folder: Path, **settings: str) -> Path:
    """Return *folder* as `make run` leaves it once it has set up everything, and a `.env`."""
    bin_folder = folder / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    command = bin_folder / "otel-jcmc"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m otel_jcmc "$@"\n')
    command.chmod(0o755)
    # In the order in which they are made: make does nothing anew.
    for path in (bin_folder / "uv", folder / ".venv" / ".run"):
        path.touch()
    lines = {"JCMC_HOST": "127.0.0.1", "JCMC_EMBEDDED_DIR": f"{folder}/s"} | settings
    (folder / ".env").write_text("".join(f"{name}={text}\n" for name, text in lines.items()))
    return folder


def environ() -> dict[str, str]:
    """Return the environment of a shell in which nothing is set, but for the code to run."""
    return {
        name: text
        for name, text in os.environ.items()
        # The tests themselves may be run by a make, which would tell this one to say where it is.
        if not name.startswith(
            ("JCMC_", "OTEL_", "REDIS_URL", "METRICS_", "PORT", "MAKE", "MFLAGS")
        )
    }


@contextmanager
def typed(command: str, folder: Path) -> Iterator[list[str]]:
    """Run what starts the service in a shell; yield what it says down to where its store is."""
    if shutil.which("make") is None:
        missing("make")
    with (
        (folder / "said").open("w") as log,
        subprocess.Popen(
            ["sh", "-c", command],
            cwd=folder,
            env=environ(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as shell,
    ):
        assert shell.stdout is not None
        said = []
        try:
            for line in shell.stdout:
                said.append(line.rstrip("\n"))
                if line.startswith("  store"):
                    break
            else:
                pytest.fail((folder / "said").read_text())
            yield said
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGINT)
            shell.wait(timeout=20)


def test_each_block_is_of_a_kind_that_is_run() -> None:
    assert set(re.findall(r"^```(\w*)$", README, re.MULTILINE)) <= LANGUAGES
    words = {command.split()[0] for block in CONSOLE for command in commands(block)}
    programs = {word for word in words if "=" not in word}
    assert programs <= {"make", ".venv/bin/otel-jcmc", "sleep", "curl"}
    simulated = [block for block in CONSOLE if "otel-jcmc simulate" in block]
    # test_first_run.py has the one.
    assert len(STARTS) + len(ASKS) + len(simulated) == len(CONSOLE)
    assert len(simulated) == 1


def test_what_is_copied_for_nginx_is_there_and_is_included() -> None:
    (block,) = fenced("README.md", "sh")
    copies = [line.split() for line in block.splitlines()]
    assert {command for command, *_ in copies} == {"cp"}
    sources = {source for _, source, _ in copies}
    assert sources == {f"deploy/nginx/{path.name}" for path in (ROOT / "deploy/nginx").iterdir()}
    (included,) = re.findall(r"`include snippets/(\S+);`", README)
    assert ["cp", f"deploy/nginx/{included}", "/etc/nginx/snippets/"] in copies


@pytest.mark.parametrize("block", STARTS, ids=range(len(STARTS)))
def test_a_block_that_starts_the_service_says_what_it_shows(short_path: Path, block: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    (command,) = commands(block)
    intervals = {"OTEL_METRIC_EXPORT_INTERVAL": "300"}
    with OtlpSink() as sink:
        folder = a_clone(short_path, JCMC_PORT=str(port), **intervals)
        with typed(command.replace(RECEIVER, sink.http_endpoint), folder) as said:
            if shown(block):
                assert said == [line.replace(SERVICE, url) for line in shown(block)]
            pushed = request(f"{url}/metrics/push", push_body())
            assert (pushed.status, pushed.body) == (200, "OK")
            assert "jitsi_jcmc_connectionquality{" in request(f"{url}/metrics").body
            if "OTEL_METRICS_EXPORTER" in command:
                eventually(lambda: sink.requests)
            if "OTEL_TRACES_EXPORTER" in command:
                # When spans come is in tests/traces.
                (way,) = [line for line in said if line.startswith("  traces ")]
                assert way.endswith(f" to {sink.http_endpoint}/v1/traces")


@pytest.mark.parametrize("block", ASKS, ids=range(len(ASKS)))
def test_a_block_that_asks_for_sessions_gets_them(short_path: Path, block: str) -> None:
    with Service(short_path / "service") as service:
        assert service.push(push_body("5e6f7a8b", "standup")).body == "OK"
        (session,) = service.get("/sessions?conference=standup").json()["sessions"]
        folder = a_clone(short_path / "clone", JCMC_PORT=service.url.rpartition(":")[2])
        script = re.sub(r"\b[0-9a-f]{16}\b", session["id"], "\n".join(commands(block)))
        asked = subprocess.run(
            ["sh", "-e", "-c", script],
            cwd=folder,
            env=environ(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "5e6f7a8b" in asked.stdout
    assert "packetloss_total" in asked.stdout
