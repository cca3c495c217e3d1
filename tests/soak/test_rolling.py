"""
Rolling restarts and upgrades under load, with a line of figures for each: `make soak`.

nginx is configured as shipped. Every push is answered 200, and afterwards each replica shows the
newest push of each participant, once.
"""

import asyncio
import io
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from clusters import Cluster
from harness import Service
from redis_parts import RedisServer
from rolling import Crowd, behind_nginx, qualities, two_replicas

ROOT = Path(__file__).parents[2]
# The last commit before several processes and clusters.
EARLIER = "08bf0ac"
ROUNDS = 4


@contextmanager
def store_of(kind: str, folder: Path) -> Iterator[str]:
    """Run a store, and return its URL."""
    made = Cluster(folder / "r") if kind == "cluster" else RedisServer(folder / "r")
    with made as running:
        yield running.url


def push_during(crowd: Crowd, restarts: Callable[[], None], replicas: list[Service]) -> int:
    """Push while *restarts* runs, compare scrape and answers; return the number of pushes."""
    asyncio.run(crowd.during(restarts))
    logs = [replica.log.read_text() for replica in replicas]
    assert set(crowd.answers) == {(200, b"OK")}, (crowd.answers, *logs)
    for replica in replicas:
        assert qualities(replica) == crowd.newest
        assert " ERROR " not in replica.log.read_text()
    return sum(crowd.answers.values())


@pytest.mark.parametrize(
    ("workers", "store"), [("0", "redis"), ("2", "redis"), ("0", "cluster"), ("2", "cluster")]
)
def test_restarts_in_turn(
    short_path: Path, capsys: pytest.CaptureFixture[str], workers: str, store: str
) -> None:
    with store_of(store, short_path) as redis:
        replicas = two_replicas(short_path, redis, JCMC_WORKERS=workers)
        with replicas[0], replicas[1], behind_nginx(short_path, *replicas) as url:
            slowest = 0.0

            def restart_each() -> None:
                nonlocal slowest
                for replica in replicas * ROUNDS:
                    began = time.monotonic()
                    assert replica.stop() == 0
                    slowest = max(slowest, time.monotonic() - began)
                    replica.start()

            pushes = push_during(Crowd(url), restart_each, replicas)
    with capsys.disabled():
        print(f"\n  {2 * ROUNDS} restarts, {pushes} pushes, the slowest stop {slowest:.1f} s")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the earlier package."""
    command = ["git", "archive", EARLIER, "otel_jcmc", "client"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.fail(f"this needs the history of the repository: {done.stderr.decode()}", False)
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_upgrade_and_the_way_back(
    short_path: Path, capsys: pytest.CaptureFixture[str], earlier: Path, workers: str
) -> None:
    """Both versions run at once, and either may have the newest push."""
    now = str(ROOT)

    def run_as(replica: Service, folder: str) -> None:
        """Restart *replica* as the version in *folder*."""
        assert replica.stop() == 0
        replica.environ["PYTHONPATH"] = folder
        # The earlier version would refuse to start with a setting that it does not know.
        replica.environ.pop("JCMC_WORKERS", None)
        if folder == now:
            replica.environ["JCMC_WORKERS"] = workers
        replica.start()

    with RedisServer(short_path / "r") as server:
        replicas = first, second = two_replicas(short_path, server.url)
        for replica in replicas:
            replica.environ["PYTHONPATH"] = str(earlier)
        with first, second, behind_nginx(short_path, *replicas) as url:
            # The folder has nothing of the present version.
            assert first.own("otel_jcmc_partitions_unread") is None
            pushes = 0
            for replica, folder in (
                *((first, now), (second, now)),
                *((first, str(earlier)), (second, str(earlier))),
            ):
                crowd = Crowd(url)
                pushes += push_during(crowd, partial(run_as, replica, folder), replicas)
                is_new = replica.own("otel_jcmc_partitions_unread") is not None
                assert is_new == (folder == now)
    with capsys.disabled():
        print(f"\n  to the new version and back, {pushes} pushes")
