"""How much Redis may hold by the limits of the settings, and what is said of its memory."""

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import imported
import pytest
import redis
from harness import Service
from recording import Process, push
from redis_parts import RedisServer

from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sizing import memory_advice, shares
from otel_jcmc.jmmc.states import States
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keeping import NOTHING_KEPT
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.wire.push import Report

GIB = 2**30


def test_the_bounds_of_the_defaults() -> None:
    found = {each.what: each.most_bytes for each in shares(Settings())}
    assert found == {
        "last pushes": 72_000_000,
        "sessions of JMMC pages": 192_000_000,
        "marks of ended sessions": 9_000_000,
        "history": 295_279_001,
        "summaries": 0,
        "spans that wait": 0,
        "events that wait": 0,
        "the journal of what stood out": 1_800_000,
        "Redis itself": 4_194_304,
    }


def test_what_is_on_is_counted_and_what_is_off_is_not() -> None:
    on = Settings(summary_days=7, summary_max_bytes=100 * 2**20, traces_exporter="otlp")
    on = on.model_copy(update={"logs_exporter": "otlp"})
    found = {each.what: each.most_bytes for each in shares(on)}
    assert (found["summaries"], found["spans that wait"]) == (115_343_360, 200_000_000)
    assert found["events that wait"] == 25_000_000
    off = Settings(history_hours=0, jmmc_path="none")
    found = {each.what: each.most_bytes for each in shares(off)}
    assert (found["history"], found["sessions of JMMC pages"]) == (0, 0)


def test_a_redis_with_room_for_all_and_one_without_bound_are_right() -> None:
    assert memory_advice(Settings(), GIB, "noeviction") == []
    assert memory_advice(Settings(), 0, "noeviction") == []
    assert memory_advice(Settings(), 0, "allkeys-lru") == []


def test_what_to_set_is_said_in_a_line() -> None:
    (line,) = memory_advice(Settings(), 256 * 2**20, "noeviction")
    assert line == (
        "Redis has maxmemory 256mb, but these settings may need 548mb: set maxmemory 548mb, or"
        " lower JCMC_HISTORY_MAX_BYTES, which needs 282mb of it (docs/sizing.md)"
    )


def test_a_redis_that_evicts_is_told_of() -> None:
    (line,) = memory_advice(Settings(), GIB, "allkeys-lru")
    assert line.startswith("Redis has maxmemory-policy allkeys-lru, which silently deletes")
    assert line.endswith("set noeviction")


def test_without_a_bound_nobody_knows() -> None:
    lines = memory_advice(Settings(limit_participants=0), GIB, "noeviction")
    assert len(lines) == 1
    assert lines[0].startswith("JCMC_LIMIT_PARTICIPANTS=0 puts no limit on last pushes")


def check(redis_url: str) -> "subprocess.CompletedProcess[str]":
    """Return the output of `otel-jcmc check`."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("JCMC_")}
    return imported.run("check", environ=environ | {"REDIS_URL": redis_url})


@pytest.fixture
def small(tmp_path: Path) -> RedisServer:
    return RedisServer(tmp_path, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")


def test_the_service_says_it_at_its_start_and_so_does_check(
    small: RedisServer, short_path: Path
) -> None:
    with small as server:
        with Service(short_path, REDIS_URL=server.url) as service:
            said = [
                line for line in service.said() if " store: memory: Redis has maxmemory" in line
            ]
        assert len(said) == 2
        assert "maxmemory 64mb, but these settings may need" in said[0]
        assert "allkeys-lru" in said[1]
        checked = check(server.url)
    assert checked.returncode == 0
    notes = [line[:31] for line in checked.stderr.splitlines()]
    assert notes == ["note: Redis has maxmemory 64mb,", "note: Redis has maxmemory-polic"]


def test_check_says_that_redis_is_away() -> None:
    checked = check("redis://127.0.0.1:1")
    assert checked.returncode == 0
    assert checked.stderr == (
        "note: Redis does not answer, so check can't tell whether its memory is large enough\n"
    )


def used(client: redis.Redis) -> int:
    told: Any = client.info("memory")
    found: int = told["used_memory"]
    return found


def original(number: int, chance: random.Random) -> Report:
    """Return a push of the original's client, with values as in a call."""
    told: dict[str, Any] = {f"f{id_}": chance.randint(0, 6000) for id_ in range(1, 13)}
    told |= {"f69": "eu-west", "f71": "Chrome", "f72": "126.0", "f73": "Windows", "f74": "10"}
    told |= {"f13": [[40, {82: "udp", 83: "wifi"}]], "conference": f"town-hall-{number // 10}"}
    return push(f"{number:08x}", **told)


@pytest.mark.anyio
async def test_one_takes_no_more_than_the_table_says(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """A usual push, and a usual push of a JMMC client, on Valkey and Redis 7.0."""
    chance = random.Random(1)
    here = Process(each_server.url, NOTHING_KEPT)
    await here.push(original(9999, chance))
    before = used(each_client)
    for number in range(2000):
        await here.push(original(number, chance))
    assert 300 < (used(each_client) - before) / 2000 <= 600
    await here.recorder.stop()
    await here.store.close()
    states = States(each_server.url, DEFAULT_KEYS, 0)
    texts = {64: "town-hall-00001", 65: "9f1c2d3e-5a6b-4c7d-8e9f-0a1b00000001", 66: "8c87df52"}
    texts |= {69: "eu-west", 71: "Chrome", 72: "126.0.0.0", 73: "Windows", 74: "10"}
    before = used(each_client)
    for _ in range(1000):
        told = {id_: chance.uniform(0, 5000) for id_ in range(1, 14)}
        await states.open(f"{chance.getrandbits(128):032x}", told | texts)
    assert 300 < (used(each_client) - before) / 1000 <= 800
    await states.close()
