"""REDIS_URL names one node of a Redis Cluster, which would accept some pushes and refuse others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Service, eventually, push_body
from ports import free_port
from redis_parts import RedisServer, add_asker

pytestmark = pytest.mark.xdist_group("faults-cluster")

IS_NODE = "REDIS_URL names one server, which is a node of a Redis Cluster: use redis+cluster://"


def node(folder: Path) -> RedisServer:
    """Return a node, not started yet."""
    # The cluster bus would use the port plus 10,000, which may be too high.
    bus = str(free_port())
    return RedisServer(folder / "r", "--cluster-enabled", "yes", "--cluster-port", bus)


def test_the_start_ends_with_one_line(short_path: Path) -> None:
    with node(short_path) as server:
        ran = subprocess.run(
            [sys.executable, "-m", "otel_jcmc", "serve"],
            cwd=short_path,
            env=os.environ | {"JCMC_PORT": "0", "REDIS_URL": f"{server.url}/0"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"otel-jcmc: {IS_NODE}")
    assert str(server.port) not in line


def test_one_that_comes_later_is_told_of_once(short_path: Path) -> None:
    server = node(short_path)
    with Service(short_path / "a", REDIS_URL=server.url) as service:
        assert service.get("/-/ready").body == "not ready: Redis does not answer\n"
        with server:
            for _ in range(3):
                assert service.push(push_body()).status == 503
                answer = service.get("/-/ready")
                assert answer.status == 503
                assert answer.body.startswith(f"not ready: {IS_NODE}")
                assert answer.body.count("\n") == 1
            assert [line for line in service.said() if " ERROR " in line and IS_NODE in line]
            assert len(service.said()) == 2
        eventually(lambda: service.get("/-/ready").body == "not ready: Redis does not answer\n")
        plain = RedisServer(short_path / "plain")
        plain.port = server.port
        with plain:
            assert service.push(push_body()).body == "OK"
            assert service.get("/-/ready").status == 200
        assert service.said()[2].endswith(" store: Redis answers")


def test_who_may_not_ask_is_told_by_what_is_refused(short_path: Path) -> None:
    """A node without slots, whose user may not run INFO."""
    with node(short_path) as server:
        with server.client() as client:
            add_asker(client, "-info")
        url = server.url.replace("://", "://asker:any@")
        with Service(short_path / "a", REDIS_URL=url) as service:
            answer = service.get("/-/ready")
            assert (answer.status, answer.body) == (
                503,
                "not ready: Redis refuses writes: CLUSTERDOWN, the log says more\n",
            )
            assert service.push(push_body()).status == 503
            refusals = [line for line in service.said() if "Redis refuses writes" in line]
            assert len(refusals) == 1
