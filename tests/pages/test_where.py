"""Pages in other places: below a mount, and in a service of several processes."""

import re
from pathlib import Path

from harness import Service, eventually, push_body, request
from hosting import Host

HTML = {"accept": "text/html"}
MOUNT = "/jitsi-metrics"


def test_below_a_mount_all_that_a_page_loads_and_links_is_there(tmp_path: Path) -> None:
    with Host(tmp_path, OTHER_STORE=str(tmp_path / "o")) as host:
        request(f"{host.url}{MOUNT}/metrics/push", push_body())
        answer = request(f"{host.url}{MOUNT}/live", headers=HTML)
        assert answer.status == 200
        assert "1 participant in 1 conference" in answer.body
        paths = re.findall(r'(?:src|href|action|data-part)="([^"#]+)', answer.body)
        assert len(paths) > 6
        assert all(path.startswith(f"{MOUNT}/") for path in paths)
        for path in {path.partition("?")[0] for path in paths}:
            assert request(f"{host.url}{path}", headers=HTML).status == 200, path


def test_pages_are_those_of_the_process_that_reads(tmp_path: Path) -> None:
    with Service(tmp_path, JCMC_WORKERS="2", METRICS_EXPIRATION="120") as service:
        for number in range(5):
            assert service.push(push_body(f"p{number}")).status == 200
        assert "5 participants in 1 conference" in service.get("/live", headers=HTML).body
        # The counts of all workers together.
        eventually(lambda: "5 accepted" in service.get("/", headers=HTML).body, 20)
