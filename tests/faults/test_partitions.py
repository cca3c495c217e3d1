"""Four, sixteen or sixty-four partitions: services that agree on it, and one that does not."""

import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import imported
import pytest
import redis
from clusters import Cluster
from harness import Service, eventually, push_body
from jmmc_page import JmmcPage
from redis_parts import RedisServer

from otel_jcmc.store.keys import Keys
from otel_jcmc.store.participant import conference_digest

pytestmark = pytest.mark.xdist_group("faults-partitions")

ROOMS = [f"room-{number}" for number in range(40)]
REMEMBERED = "jcmc:{00}:partitions"
IN_4 = (
    "JCMC_PARTITIONS is 16, but the keys below jcmc in Redis are in 4 partitions:"
    " set JCMC_PARTITIONS=4; to change the number, stop every service,"
    " then delete the keys or set another JCMC_KEY_PREFIX"
)
OPTIONS = {"METRICS_EXPIRATION": "120", "JCMC_HISTORY_HOURS": "1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("r")) as server:
        yield server


@pytest.fixture
def client(running: RedisServer) -> Iterator[redis.Redis]:
    """Return a client of `running`, with an empty Redis."""
    with running.client() as found:
        found.flushall()
        yield found


def of(server: RedisServer, folder: Path, partitions: int, **environ: str) -> Service:
    told = {"REDIS_URL": server.url, "JCMC_PARTITIONS": str(partitions), **OPTIONS, **environ}
    return Service(folder, **told)


def push_all(service: Service, name: str = "ada") -> None:
    for room in ROOMS:
        assert service.push(push_body(name, room)).body == "OK"


def shown(service: Service, page: str = "/metrics/participants") -> list[str]:
    """Return conference and participant of each row of *page*, with repetitions."""
    return sorted(
        name.partition("{")[2] for name in service.series("jitsi_jcmc_bitrate_upload{", page)
    )


def places(client: redis.Redis, partitions: int) -> dict[int, set[bytes]]:
    """Return the participants in the index of each of so many *partitions*."""
    found: Any = (client.zrange(key, 0, -1) for key in Keys("jcmc", partitions).each("live"))
    return {number: {*members} for number, members in enumerate(found)}


def ended(service: Service, *command: str) -> tuple[int, str]:
    """Return exit code and error of `otel-jcmc` *command* with the settings of a service."""
    told = imported.run(*command, folder=service.folder, environ=service.environ, timeout=20)
    complaints = [
        line for line in told.stderr.splitlines() if not line.startswith(("note:", "store: memory"))
    ]
    return told.returncode, "\n".join(complaints)


def test_another_number_is_refused_by_every_command_in_the_same_line(
    running: RedisServer, client: redis.Redis, tmp_path: Path
) -> None:
    with of(running, tmp_path / "a", 4) as four:
        push_all(four)
    before = {*client.keys()}
    sixteen = of(running, tmp_path / "b", 16)
    workers = of(running, tmp_path / "c", 16, JCMC_WORKERS="2")
    for service, command in (
        (sixteen, "serve"),
        (workers, "serve"),
        (sixteen, "check"),
        (sixteen, "export"),
    ):
        assert ended(service, command) == (1, f"otel-jcmc: {IN_4}"), command
    # No number is stored, as after a release that only knew four.
    client.delete(REMEMBERED)
    assert ended(sixteen, "serve") == (1, f"otel-jcmc: {IN_4}")
    assert ended(four, "check") == (0, "")
    assert {*client.keys()} <= before - {REMEMBERED.encode()}


@pytest.mark.parametrize("partitions", [16, 64])
def test_all_is_written_and_read_in_its_place(
    running: RedisServer, client: redis.Redis, tmp_path: Path, partitions: int
) -> None:
    keys = Keys("jcmc", partitions)
    one = of(running, tmp_path / "a", partitions)
    two = of(running, tmp_path / "b", partitions, JCMC_WORKERS="2", TMPDIR=str(tmp_path))
    with one, two:
        push_all(one)
        push_all(two, "bob")
        everybody = shown(one)
        assert len(everybody) == 2 * len(ROOMS)
        assert shown(two) == shown(two, "/metrics") == everybody
        found = places(client, 64)
        for room in ROOMS:
            digest = conference_digest(room).encode()
            seen = {at for at, members in found.items() if any(digest in each for each in members)}
            assert seen == {keys.partition_of(digest.decode())}
        assert sum(map(len, found.values())) == 2 * len(ROOMS)
        # With each number of shares that divides the partitions, and with one that does not.
        for number in (2, 3, 16, partitions):
            shares = [
                shown(two, f"/metrics/participants?partition={k}/{number}")
                for k in range(1, number + 1)
            ]
            assert sorted(chain.from_iterable(shares)) == everybody
            assert max(map(len, shares)) < len(everybody)
            # Each conference is in one partition.
            assert all(len(share) % 2 == 0 for share in shares)
        answer = one.get(f"/metrics/participants?partition=1/{partitions + 1}")
        assert (answer.status, answer.body) == (
            400,
            f"partition must be k/n, the kth of n shares: n is 1 to {partitions}; 1/1 is all\n",
        )
        assert one.own("otel_jcmc_participants") == 2 * len(ROOMS)

        for room in ROOMS:
            ending = {"id": "session-of-eve", "end": {"reason": "left"}}
            assert one.push(push_body("eve", room, session={"id": "session-of-eve"})).body == "OK"
            assert one.push(push_body("eve", room, session=ending)).body == "OK"

        def listed(query: str) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = two.get(f"/sessions?limit=200&{query}").json()["sessions"]
            return [row for row in rows if row["participant_id"] == "eve"]

        eventually(lambda: len(listed("end=left")) == len(ROOMS), every=0.2)
        assert len(listed("conference=room-7")) == 1


def test_a_page_of_jmmc_is_known_again_among_many_partitions(
    running: RedisServer, client: redis.Redis, tmp_path: Path
) -> None:
    one = of(running, tmp_path / "a", 64, JCMC_JMMC_PATH="/jmmc")
    two = of(running, tmp_path / "b", 64, JCMC_JMMC_PATH="/jmmc")
    with one, two:
        pages = [JmmcPage(one, room) for room in ROOMS[:8]]
        for page in pages:
            assert page.open({"u": {"ab": 24}}).status == 200
            assert page.push({"d": {"ab": 31}}, two).status == 200
            assert page.series(two).keys() >= {"bitrate_audio_upload", "bitrate_audio_download"}
        assert len(client.keys("jcmc:{*}:jmmc:*")) == len(pages)
        assert len(client.keys("jcmc:{*}:jmmc")) > 1


def test_a_redis_that_was_away_at_the_start_is_asked_when_it_is_there(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "r")
    with of(server, tmp_path / "a", 16, JCMC_JMMC_PATH="/jmmc") as service:
        page = JmmcPage(service, "standup")
        assert service.push(push_body()).status == 503
        with server, server.client() as client:
            client.set(REMEMBERED, 4)
            told = f"not ready: {IN_4}\n"
            eventually(lambda: service.get("/-/ready").body == told)
            for room in ROOMS:
                assert service.push(push_body("ada", room)).status == 503
            assert service.own("otel_jcmc_store_up") == 0
            assert shown(service) == []
            # As long as the writes beside the pushes take, and the secret of a cookie.
            for _ in range(3):
                assert page.open({"u": {"ab": 24}}).status == 503
                time.sleep(0.5)
            assert client.keys("jcmc:{[0-9]*") == [REMEMBERED.encode()]
            lines = [line for line in service.said() if "JCMC_PARTITIONS" in line]
            assert [line.partition(" store: ")[2] for line in lines] == [
                f"Redis is of no use: {IN_4}"
            ]

            client.delete(REMEMBERED)
            eventually(lambda: service.push(push_body()).status == 200)
            assert client.get(REMEMBERED) == b"16"
            assert service.get("/-/ready").status == 200
            assert shown(service) != []


def test_the_number_is_changed_as_the_documents_say(
    running: RedisServer, client: redis.Redis, tmp_path: Path
) -> None:
    with of(running, tmp_path / "a", 4) as four:
        push_all(four)
    # With another prefix, beside the old keys.
    with of(running, tmp_path / "b", 16, JCMC_KEY_PREFIX="jcmc16") as sixteen:
        assert shown(sixteen) == []
        push_all(sixteen)
        assert len(shown(sixteen)) == len(ROOMS)
    # By deleting everything.
    for key in client.scan_iter("jcmc:*"):
        client.unlink(key)
    with of(running, tmp_path / "c", 64) as sixty_four:
        push_all(sixty_four)
        assert len(shown(sixty_four)) == len(ROOMS)
    assert client.get(REMEMBERED) == b"64"
    assert client.get("jcmc16:{00}:partitions") == b"16"


def test_sixteen_partitions_are_on_all_masters_of_a_cluster(tmp_path: Path) -> None:
    keys = Keys("jcmc", 16)
    with Cluster(tmp_path / "c") as cluster:
        one = Service(
            tmp_path / "a", REDIS_URL=cluster.url, JCMC_PARTITIONS="16", JCMC_SERIES="participants"
        )
        two = Service(
            tmp_path / "b", REDIS_URL=cluster.url, JCMC_PARTITIONS="16", JCMC_SERIES="participants"
        )
        with one, two:
            push_all(one)
            assert len(shown(two)) == len(ROOMS)
            on = [cluster.master_of(key) for key in keys.each("live")]
            assert {each.port for each in on} == {each.port for each in cluster.masters}
            four = Service(tmp_path / "d", REDIS_URL=cluster.url)
            code, complaint = ended(four, "serve")
            assert code == 1
            assert "is 4, but the keys below jcmc in Redis are in 16 partitions:" in complaint

            # A master without the number is lost: the conferences on the others do not need it.
            lost = next(each for each in cluster.masters if each is not on[0])
            away = {at for at, each in enumerate(on) if each is lost}
            lost.kill()
            there = [
                room for room in ROOMS if keys.partition_of(conference_digest(room)) not in away
            ]

            def taken() -> list[str]:
                return [room for room in ROOMS if two.push(push_body("ada", room)).status == 200]

            eventually(lambda: taken() == there, every=0.2)
            assert 0 < len(there) < len(ROOMS)
            eventually(lambda: one.own("otel_jcmc_partitions_unread") == len(away), every=0.2)
            assert len(shown(one)) == len(there)

            # The master with the number is lost: services that know the number go on.
            lost.start()
            eventually(lambda: len(taken()) == len(ROOMS), every=0.2)
            on[0].kill()
            away = {at for at, each in enumerate(on) if each is on[0]}
            there = [
                room for room in ROOMS if keys.partition_of(conference_digest(room)) not in away
            ]
            eventually(lambda: taken() == there, every=0.2)
            # A new service cannot read the number, and checks its own by the participants on other
            # masters.
            three = Service(
                tmp_path / "e",
                REDIS_URL=cluster.url,
                JCMC_PARTITIONS="16",
                JCMC_SERIES="participants",
            )
            with three:
                assert [
                    room for room in ROOMS if three.push(push_body("ada", room)).status == 200
                ] == there
                assert len(shown(three)) == len(there)
            code, complaint = ended(four, "serve")
            assert code == 1
            assert "jcmc in Redis are in 16 partitions:" in complaint
