"""What a newcomer sees: `otel-jcmc serve` prints addresses, and all of them answer."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from e2e.nginx import fenced
from e2e.parts import ROOT
from harness import Service, eventually, request

pytestmark = pytest.mark.xdist_group("e2e")


def test_what_serve_prints_can_be_used_as_it_is(short_path: Path) -> None:
    """The test chooses only port and folder of the store; all else has its default."""
    service = Service(short_path, JCMC_HOST="")
    service.command = [Path(sys.executable).parent / "otel-jcmc"]
    with service:
        banner = service.banner[1:]
        port = urlsplit(service.url).port
        assert banner == [
            f"  browser     http://127.0.0.1:{port}/",
            f'  Jitsi page  <script src="http://127.0.0.1:{port}/client-file" async></script>',
            f"  Prometheus  scrape http://127.0.0.1:{port}/metrics",
            "  store       embedded, gone when this stops",
        ]
        urls = re.findall(r'http://[^\s"]+', "\n".join(banner))
        answers = [request(url) for url in urls]
        assert [answer.status for answer in answers] == [200, 200, 200]
        front, client, metrics = (answer.body for answer in answers)
        assert front.startswith("JCMC IS UP\n")
        assert "window.otelJcmc" in client
        assert "otel_jcmc_store_up 1.0" in metrics
        assert service.stop(signal.SIGINT) == 0
    assert "Traceback" not in service.log.read_text()


def test_no_printed_address_is_missing_where_there_is_a_port_for_what_browsers_do_not_ask(
    short_path: Path,
) -> None:
    with Service(short_path, JCMC_ADMIN_PORT="0") as service:
        banner = "\n".join(service.banner)
        urls = re.findall(r'http://[^\s"]+', banner)
        assert urls == [
            f"{service.admin_url}/",
            f"{service.url}/client-file",
            f"{service.admin_url}/metrics",
        ]
        assert [request(url).status for url in urls] == [200, 200, 200]
        as_browser = {"accept": "text/html"}
        assert "<html" in request(urls[0], headers=as_browser).body


def test_twenty_participants_are_seen_by_what_the_readme_says_next(short_path: Path) -> None:
    """In another shell, where the settings give the port."""
    _, block, *_ = fenced("README.md", "console")
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    assert [line.split()[0] for line in lines] == [".venv/bin/otel-jcmc", "sleep"]
    with Service(short_path) as service:
        script = "\n".join(lines).replace("http://127.0.0.1:3000", service.url)
        script = script.replace(".venv/bin", str(Path(sys.executable).parent))
        said = short_path / "said"
        with said.open("w") as out:
            shell = subprocess.Popen(
                ["sh", "-c", script],
                env=os.environ | {"JCMC_PORT": service.url.rpartition(":")[2]},
                cwd=ROOT,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        try:
            assert shell.wait(timeout=30) == 0, said.read_text()
            assert "jitsi_jcmc_connectionquality{" in said.read_text()
            assert eventually(lambda: service.own("otel_jcmc_participants") == 20)
            # The page that the README has next, as curl gets it.
            series = " ".join(service.series("jitsi_jcmc_connectionquality"))
            rooms = set(re.findall(r'roomname="([^"]+)"', series))
            assert len(rooms) == 4
            eventually(lambda: all(room in service.get("/live").body for room in rooms))
        finally:
            # The crowd would stay for a minute; it is gone if it could not push.
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
