"""Replicas behind a real nginx are restarted in turn under load: no push is refused or lost."""

import asyncio
from pathlib import Path

import pytest
from redis_parts import RedisServer
from rolling import Crowd, behind_nginx, qualities, two_replicas

pytestmark = pytest.mark.xdist_group("rolling")


def test_no_push_is_refused_while_replicas_are_restarted_in_turn(short_path: Path) -> None:
    """More often, with workers and on a cluster by `make soak`."""
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
