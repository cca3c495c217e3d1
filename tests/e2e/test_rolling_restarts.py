"""Replicas behind a real nginx restart in turn under load: no push is refused or lost."""

import asyncio
from pathlib import Path

import pytest
from e2e.nginx import before_replicas, running_nginx
from harness import push_body, request
from ports import free_port
from redis_parts import RedisServer
from rolling import Crowd, behind_nginx, qualities, two_replicas

pytestmark = pytest.mark.xdist_group("rolling")


def test_no_push_is_refused_while_replicas_are_restarted_in_turn(short_path: Path) -> None:
    """`make soak` does it more often, with workers, and on a cluster."""
    with RedisServer(short_path / "r") as server:
        replicas = two_replicas(short_path, server.url)
        with replicas[0], replicas[1], behind_nginx(short_path, *replicas) as url:
            crowd = Crowd(url)

            def restart_each() -> None:
                for replica in replicas:
                    assert replica.stop() == 0
                    replica.start()

            asyncio.run(crowd.during(restart_each))
            assert set(crowd.answers) == {(200, b"OK")}
            assert sum(crowd.answers.values()) > 100
            for replica in replicas:
                assert qualities(replica) == crowd.newest
                assert " ERROR " not in replica.log.read_text()


def test_prometheus_has_by_one_name_what_all_say_and_no_counters(short_path: Path) -> None:
    """By collector-config/nginx.conf, also when one replica is away."""
    http = before_replicas()
    ports = {"8080": free_port(), "8081": free_port()}
    for shipped, port in ports.items():
        assert http.count(f"listen {shipped};") == 1
        http = http.replace(f"listen {shipped};", f"listen 127.0.0.1:{port};")
    with RedisServer(short_path / "r") as server:
        replicas = two_replicas(short_path, server.url)
        for address, replica in zip(("21:3000", "22:3000"), replicas, strict=True):
            here = f"127.0.0.1:{replica.environ['JCMC_PORT']}"
            http = http.replace(f"172.30.118.{address}", here)
        (short_path / "nginx").mkdir()
        inside = f"http://127.0.0.1:{ports['8081']}"
        with (
            replicas[0],
            replicas[1],
            running_nginx(short_path / "nginx", http, ports["8080"]),
        ):
            pushed = request(
                f"http://127.0.0.1:{ports['8080']}/metrics-collector/push", push_body("seen")
            )
            assert pushed.status == 200
            for page in ("/metrics/service", "/metrics", "/metrics/", "/sessions", "/-/ready"):
                assert request(inside + page).status == 404, page
            pages = [request(f"{each.url}/metrics/participants").body for each in replicas]
            assert 'participant_id="seen"' in pages[0]
            assert pages[0] == pages[1]
            replicas[0].stop()
            # nginx asks the replicas in turn: every other request would meet the missing one.
            for _ in range(4):
                assert request(f"{inside}/metrics/participants").body == pages[0]
                assert request(f"{inside}/metrics/verdicts").status == 200
