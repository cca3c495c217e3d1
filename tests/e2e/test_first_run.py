"""What a newcomer sees: `otel-jcmc serve` says where to point what, and all of it answers."""

import re
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness import Service, request

pytestmark = pytest.mark.xdist_group("e2e")


def test_what_serve_prints_can_be_used_as_it_is(short_path: Path) -> None:
    """Port and folder of the store are the test's; everything else is as it comes."""
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
