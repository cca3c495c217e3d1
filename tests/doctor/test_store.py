"""`otel-jcmc doctor` on real stores: it names each fault of a store, and nothing else."""

import re
from pathlib import Path

from clock import Clock
from clusters import Cluster
from doctor.conftest import Ask, push_and_scrape
from harness import Service, eventually
from redis_parts import RedisServer

from otel_jcmc.store.embedded import find_server

ROOMY = ("--maxmemory", "8gb", "--maxmemory-policy", "noeviction")


def test_redis_that_is_away_is_named(tmp_path: Path, doctor: Ask) -> None:
    with (
        RedisServer(tmp_path / "redis", *ROOMY) as server,
        Service(tmp_path, REDIS_URL=server.url) as service,
    ):
        push_and_scrape(service)
        server.stop()
        topic, text, remedy = doctor(service).wrong()
    assert (topic, text) == ("store", "the service says: Redis does not answer")
    assert remedy.startswith("is Redis up, and is REDIS_URL right?")


def test_redis_that_is_full_is_named(tmp_path: Path, doctor: Ask) -> None:
    with (
        RedisServer(tmp_path / "redis", *ROOMY) as server,
        Service(tmp_path, REDIS_URL=server.url) as service,
    ):
        push_and_scrape(service)
        with server.client() as client:
            client.config_set("maxmemory", "1")
        eventually(lambda: service.get("/-/ready").status == 503)
        told = doctor(service)
    found = [each for each in told.findings if each["mark"] == "wrong"]
    assert {each["topic"] for each in found} == {"store"}
    assert found[0]["text"] == ("the service says: Redis refuses writes: OOM, it is out of memory")
    assert found[0]["remedy"].startswith("raise its maxmemory")


def test_a_policy_that_evicts_is_named(tmp_path: Path, doctor: Ask) -> None:
    with (
        RedisServer(tmp_path / "redis", *ROOMY) as server,
        Service(tmp_path, REDIS_URL=server.url) as service,
    ):
        push_and_scrape(service)
        with server.client() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        topic, text, remedy = doctor(service).wrong()
    assert topic == "store"
    assert text.startswith("Redis has maxmemory-policy allkeys-lru")
    assert remedy == "set noeviction"


def test_less_memory_than_the_bounds_is_named(tmp_path: Path, doctor: Ask) -> None:
    with (
        RedisServer(tmp_path / "redis", *ROOMY) as server,
        Service(tmp_path, REDIS_URL=server.url) as service,
    ):
        push_and_scrape(service)
        with server.client() as client:
            client.config_set("maxmemory", "100mb")
        topic, text, remedy = doctor(service).wrong()
    assert topic == "store"
    assert text.startswith("Redis has maxmemory 100mb, but these settings may need")
    assert remedy.startswith("set maxmemory")


def test_a_cluster_is_well_and_a_part_of_it_that_is_away_is_named(
    tmp_path: Path, doctor: Ask
) -> None:
    with (
        Cluster(tmp_path / "cluster", *ROOMY) as cluster,
        Service(tmp_path, REDIS_URL=cluster.url) as service,
    ):
        push_and_scrape(service)
        told = doctor(service, "--public-url", service.url)
        assert (told.of("wrong"), told.of("open")) == ([], [])
        assert [text for _, text in told.of("well") if text.endswith(", a cluster")]
        cluster.masters[0].kill()
        eventually(lambda: not service.get("/-/doctor").json()["is_store_whole"])
        found = [text for topic, text in doctor(service).of("wrong") if topic == "store"]
    assert found == ["a part of the cluster does not answer: its conferences are missing"]


def test_a_store_whose_clock_is_off_is_named(tmp_path: Path, doctor: Ask) -> None:
    clock = Clock(tmp_path / "clock")
    clock.set(100)
    valkey = find_server()
    with (
        RedisServer(tmp_path / "r", *ROOMY, environ=clock.environ, binary=valkey) as server,
        Service(tmp_path, REDIS_URL=server.url) as service,
    ):
        push_and_scrape(service)
        topic, text, remedy = doctor(service).wrong()
    assert topic == "store"
    assert re.fullmatch(r"its clock and this machine's differ by (99|100|101) s", text)
    assert "NTP" in remedy


def test_a_redis_that_is_a_replica_is_named(tmp_path: Path, doctor: Ask) -> None:
    with RedisServer(tmp_path / "redis", *ROOMY) as server:
        service = Service(tmp_path, REDIS_URL=server.url)
        service.url = "http://127.0.0.1:9"
        with server.client() as client:
            client.replicaof("127.0.0.1", 9)
        found = doctor(service).of("wrong")
    assert found[0] == ("store", "it is a replica, which takes no writes")


def test_settings_that_lead_to_another_redis_are_named_and_it_is_not_looked_at(
    tmp_path: Path, doctor: Ask
) -> None:
    with (
        RedisServer(tmp_path / "redis", *ROOMY) as server,
        RedisServer(tmp_path / "other", "--maxmemory", "2mb") as other,
        Service(tmp_path, REDIS_URL=server.url) as service,
    ):
        push_and_scrape(service)
        told = doctor(service, REDIS_URL=other.url)
    assert told.of("wrong") == []
    text = (
        "the settings of this shell do not lead to it: they name another Redis than the service's"
    )
    assert ("store", text) in told.of("open")
    assert [text for topic, text in told.of("well") if topic == "store"] == [
        "it answers the service and takes writes"
    ]
