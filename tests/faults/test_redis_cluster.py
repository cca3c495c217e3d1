"""A Redis Cluster as the store: slots that move, masters that die, seeds that are away."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster
from happenings import pushed
from harness import Service, eventually, push_body
from otlp_sink import OtlpSink
from ports import free_port
from redis_parts import Certificates, RedisServer

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command, PartAway
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.link import AnyLink
from otel_jcmc.store.participant import conference_digest

pytestmark = pytest.mark.xdist_group("faults-redis-cluster")

OPTIONS = {"JCMC_SERIES": "participants,fleet", "JCMC_HISTORY_HOURS": "1"}
ROOMS = [f"room-{number}" for number in range(12)]
PARTITION = {room: DEFAULT_KEYS.partition_of(conference_digest(room)) for room in ROOMS}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    assert {*PARTITION.values()} == {0, 1, 2, 3}
    with Cluster(tmp_path_factory.mktemp("c")) as running:
        yield running


@pytest.fixture(autouse=True)
def _emptied(cluster: Cluster) -> None:
    for node in cluster.masters:
        if node.process is None:
            node.start()
        with cluster.client(node) as client:
            client.flushall()


def live(partition: int) -> str:
    return f"jcmc:{{{partition:02d}}}:live"


def push_all(service: Service) -> dict[str, int]:
    """Push for a participant in each conference; return the statuses."""
    return {room: service.push(push_body("ada", room)).status for room in ROOMS}


def shown(service: Service) -> set[str]:
    """Return the conferences in a scrape."""
    found = service.series("jitsi_jcmc_bitrate_upload{")
    return {name.partition('roomname="')[2].split('"')[0] for name in found}


def test_two_replicas_push_scrape_and_keep_history(cluster: Cluster, short_path: Path) -> None:
    one = Service(short_path / "a", REDIS_URL=cluster.url, **OPTIONS)
    two = Service(short_path / "b", REDIS_URL=cluster.url_of(*cluster.masters[1:]), **OPTIONS)
    with one, two:
        for room in ROOMS:
            assert one.push(push_body("ada", room)).body == "OK"
            assert two.push(push_body("eve", room, session={"id": "session-of-eve"})).body == "OK"
        for each in (one, two):
            assert shown(each) == {*ROOMS}
            assert each.own("otel_jcmc_participants") == 24
            assert each.own("otel_jcmc_partitions_unread") == 0
            assert each.own("otel_jcmc_store_up") == 1
        ending = {"id": "session-of-eve", "end": {"reason": "left"}}
        for room in ROOMS:
            assert two.push(push_body("eve", room, session=ending)).body == "OK"
        assert {each.own("otel_jcmc_participants") for each in (one, two)} == {12}
        # Finished entries are written in every partition, and both replicas read them.
        eventually(lambda: _samples(one) == [1] * len(ROOMS))
        assert not [line for line in one.said() if " INFO " not in line]
    # The partitions are spread over the masters.
    assert len({cluster.master_of(live(partition)).port for partition in range(4)}) > 1


def _samples(service: Service) -> list[int]:
    """Return the number of samples of each session of eve."""
    found = service.get("/sessions?participant=eve&limit=100").json()["sessions"]
    about = [service.get(f"/sessions/{each['id']}").json() for each in found]
    return [len(each["samples"]) for each in about]


def test_a_slot_that_moves_under_load_is_followed(cluster: Cluster, short_path: Path) -> None:
    source = cluster.master_of(live(0))
    to = next(node for node in cluster.masters if node is not source)
    statuses: list[int] = []
    stop = threading.Event()
    with Service(short_path / "a", REDIS_URL=cluster.url, **OPTIONS) as service:
        assert {*push_all(service).values()} == {200}

        def push() -> None:
            while not stop.wait(0.002):
                statuses.extend(push_all(service).values())

        pushing = threading.Thread(target=push)
        pushing.start()
        try:
            eventually(lambda: len(statuses) > 50)
            cluster.move(live(0), to)
            since = len(statuses) + len(ROOMS)
            eventually(lambda: len(statuses) > since + 50)
        finally:
            stop.set()
            pushing.join()
        assert {*statuses[since:]} == {200}
        assert {*statuses} <= {200, 503}
        assert shown(service) == {*ROOMS}
        assert cluster.master_of(live(0)) is to
        cluster.move(live(0), source)
        # The service was not told of the move: the first push after it finds the new master.
        assert {*push_all(service).values()} == {200}


def test_a_slot_on_its_way_is_503_for_its_own_pushes_alone(
    cluster: Cluster, short_path: Path
) -> None:
    source = cluster.master_of(live(1))
    to = next(node for node in cluster.masters if node is not source)
    with Service(short_path / "a", REDIS_URL=cluster.url, **OPTIONS) as service:
        assert {*push_all(service).values()} == {200}
        cluster.begin_move(live(1), to)
        try:
            # First some keys have moved and others not: TRYAGAIN. Then all have moved: ASK.
            for most in (1, 1000):
                cluster.move_keys(live(1), source, to, most)
                statuses = push_all(service)
                away = {PARTITION[room] for room, status in statuses.items() if status == 503}
                assert away == {1} or (most == 1 and away == set())
                assert {*statuses.values()} <= {200, 503}
            refused = service.push(push_body("ada", next(r for r in ROOMS if PARTITION[r] == 1)))
            assert (refused.status, int(refused.headers["retry-after"]) >= 1) == (503, True)
            assert service.get("/-/ready").status == 200
        finally:
            cluster.end_move(live(1), source, to)
        assert {*push_all(service).values()} == {200}
        assert shown(service) == {*ROOMS}
        cluster.move(live(1), source)


def test_a_dead_master_takes_its_own_partitions_along_and_no_other(
    cluster: Cluster, short_path: Path
) -> None:
    dead = cluster.master_of(live(0))
    lost = {part for part in range(4) if cluster.master_of(live(part)) is dead}
    left = {room for room in ROOMS if PARTITION[room] not in lost}
    assert lost
    assert left
    with Service(short_path / "a", REDIS_URL=cluster.url, **OPTIONS) as service:
        assert {*push_all(service).values()} == {200}
        assert service.series("jitsi_jcmc_fleet_")
        dead.kill()
        for _ in range(3):
            began = time.monotonic()
            statuses = push_all(service)
            assert {room for room, status in statuses.items() if status == 200} == left
            assert {statuses[room] for room in ROOMS if room not in left} == {503}
            # One time-out for each lost push would take longer.
            assert time.monotonic() - began < 0.5 * (len(ROOMS) - len(left))
        assert service.get("/-/ready").status == 200
        page = service.get("/metrics").body
        assert shown(service) == left
        assert f"otel_jcmc_partitions_unread {len(lost)}.0" in page
        assert "otel_jcmc_store_up 0.0" in page
        # Figures about all participants are not shown if a part of them is missing.
        assert "\notel_jcmc_participants " not in page
        assert "\njitsi_jcmc_fleet_participants_state" not in page
        dead.start()
        eventually(lambda: {*push_all(service).values()} == {200})
        eventually(lambda: shown(service) == {*ROOMS})
        eventually(lambda: service.own("otel_jcmc_store_up") == 1)
        assert service.own("otel_jcmc_partitions_unread") == 0
        told = [line.partition("store: ")[2] for line in service.said()]
        assert told[0] == told[-1] == "Redis answers"
        assert told[1].startswith(f"Redis does not answer: 127.0.0.1:{dead.port}: ")
        assert len(told) == 3, told


@pytest.mark.anyio
async def test_a_master_that_hangs_holds_nobody_up_for_long(cluster: Cluster) -> None:
    hanging = cluster.master_of(live(0))
    other = next(part for part in range(4) if cluster.master_of(live(part)) is not hanging)
    asked: list[Command] = [("ZCARD", live(0)), ("ZCARD", live(other)), ("TIME",)]
    link = open_link(cluster.url)
    assert [type(each) for each in await link.run(asked)] == [int, int, list]
    assert hanging.process is not None
    hanging.process.send_signal(signal.SIGSTOP)
    try:
        await link.run(asked)
        began = time.monotonic()
        for _ in range(20):
            gone, told, clock = await link.run(asked)
            assert (type(gone), told, type(clock)) == (PartAway, 0, list)
        # One time-out for each would take ten seconds.
        assert time.monotonic() - began < 2
        assert link.away
    finally:
        hanging.process.send_signal(signal.SIGCONT)
    await _eventually_whole(link, asked)
    assert not link.away
    await link.close()


async def _eventually_whole(link: AnyLink, asked: list[Command]) -> None:
    ends = time.monotonic() + 20
    while True:
        replies = await link.run(asked)
        if not any(isinstance(each, Exception) for each in replies):
            return
        assert time.monotonic() < ends, replies
        await asyncio.sleep(0.05)


@pytest.mark.anyio
async def test_seeds_are_tried_one_after_the_other(cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seeds = f"127.0.0.1:{free_port()},127.0.0.1:{silent.getsockname()[1]}"
        link = open_link(cluster.url.replace("://", f"://{seeds},"))
        assert await link.run([("ZCARD", live(3)), ("PING",)]) == [0, b"PONG"]
        await link.close()
        nowhere = open_link(f"redis+cluster://127.0.0.1:{free_port()}")
        with pytest.raises(StoreUnavailable):
            await nowhere.run([("PING",)])
        await nowhere.close()


def test_a_server_that_is_no_node_is_refused_in_one_line(short_path: Path) -> None:
    with RedisServer(short_path / "r") as plain:
        url = plain.url.replace("redis://", "redis+cluster://")
        ran = subprocess.run(
            [sys.executable, "-m", "otel_jcmc", "serve"],
            cwd=short_path,
            env=os.environ | {"JCMC_PORT": "0", "REDIS_URL": url},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.endswith("names a cluster, but the server is not a node of one: use redis://")


def test_user_password_and_tls(short_path: Path) -> None:
    certificates = Certificates(short_path / "tls")
    options = ("--tls-cluster", "yes", "--tls-replication", "yes", "--requirepass", "secret")
    client = {"ssl": True, "ssl_ca_certs": str(certificates.ca), "password": "secret"}
    cluster = Cluster(short_path / "c", *certificates.options, *options, masters=2, client=client)
    with cluster:
        url = cluster.url.replace("redis+cluster://", "rediss+cluster://default:secret@")
        url += f"?ssl_ca_certs={certificates.ca}"
        with Service(short_path / "a", REDIS_URL=url, **OPTIONS) as service:
            assert {*push_all(service).values()} == {200}
            assert shown(service) == {*ROOMS}
            assert "secret" not in "".join([*service.said(), *service.banner])


def test_events_of_every_partition_are_sent_and_wait_while_a_master_is_away(
    cluster: Cluster, short_path: Path
) -> None:
    dead = cluster.master_of(live(0))
    lost = {room for room in ROOMS if cluster.master_of(live(PARTITION[room])) is dead}
    with OtlpSink() as sink:
        settings = {
            "REDIS_URL": cluster.url,
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
        }

        def rooms(name: str) -> set[str]:
            events = sink.events(f"jitsi.session.outage.{name}")
            found = [str(each.attributes["jitsi.conference.name"]) for each in events]
            assert len(found) == len({*found})
            return {*found}

        with Service(short_path / "a", **settings) as service:
            for room in ROOMS:
                assert service.push(pushed("ada", 9000, conference=room)).status == 200
            eventually(lambda: rooms("began") == {*ROOMS})
            dead.kill()
            statuses = {room: service.push(pushed("ada", conference=room)).status for room in ROOMS}
            assert statuses == {room: 503 if room in lost else 200 for room in ROOMS}
            # Nothing reads the lost part, and the entries of the others wait there.
            eventually(lambda: _over(cluster) == len(ROOMS) - len(lost))
            dead.start()
            eventually(lambda: rooms("ended") == {*ROOMS} - lost, 40)


def _over(cluster: Cluster) -> int:
    """Return the number of finished outages on the remaining masters."""
    found = 0
    for node in cluster.masters:
        if node.process is not None:
            with cluster.client(node) as client:
                keys: Any = client.keys("*:outages:over")
                found += sum(int(str(client.zcard(key))) for key in keys)
    return found
