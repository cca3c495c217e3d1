"""
JMMC clients at two replicas on one Redis: both share secret and state, also after a restart.

The Redis is Debian's 7.0, because the commands must work there, too.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import Service, eventually
from jmmc_page import JmmcPage
from redis_parts import RedisServer


@pytest.fixture(scope="module")
def redis_7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("r", numbered=True)) as server:
        yield server


@pytest.fixture(scope="module")
def replicas(
    redis_7: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Service]]:
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with (
        Service(folder / "a", REDIS_URL=redis_7.url) as one,
        Service(folder / "b", REDIS_URL=redis_7.url) as other,
    ):
        yield one, other


@pytest.fixture
def page(replicas: tuple[Service, Service], room: str) -> JmmcPage:
    return JmmcPage(replicas[0], room)


def samples(page: JmmcPage) -> list[dict[str, float | None]]:
    """Return the metrics of each sample of *page* in history."""
    (session,) = page.service.get(f"/sessions?client_id={page.uid}").json()["sessions"]
    found = page.service.get(f"/sessions/{session['id']}").json()["samples"]
    return [sample["metrics"] for sample in found]


def test_each_goes_on_with_what_the_other_knows(
    page: JmmcPage, replicas: tuple[Service, Service]
) -> None:
    one, other = replicas
    page.open(service=one)
    page.push({"cq": 97, "u": {"bw": 2900}}, other)
    page.push({"d": {"bw": 5100}}, one)
    wanted = {"connectionquality": 97, "bandwidth_upload": 2900, "bandwidth_download": 5100}
    assert page.series(one) == page.series(other) == wanted


def test_pushes_that_overtake_each_other_lose_nothing(
    page: JmmcPage, replicas: tuple[Service, Service]
) -> None:
    page.open()
    changes = [
        *({"cq": 97}, {"res": {"h": 720}}, {"res": {"w": 1280}}),
        *({way: {key: 7}} for way in "ud" for key in ("bw", "ab", "vb", "pl")),
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(page.push, changes, [*replicas] * len(changes)))
    assert [answer.status for answer in answers] == [200] * 11
    assert [answer.json() for answer in answers if "dropped" in answer.json()] == []
    assert len(page.series()) == 11
    # History has each of them, also the overtaken ones.
    eventually(lambda: len(samples(page)) == 12)
    told = [sample.values() for sample in samples(page)]
    assert sum(value is not None for values in told for value in values) == 11


def test_who_was_away_for_longer_than_it_lives_is_whole_with_one_field(
    page: JmmcPage, redis_7: RedisServer
) -> None:
    page.open()
    page.push({"cq": 97, "u": {"bw": 2900}, "t": {"sr": "eu-west", "tp": "udp"}})
    client = redis_7.client()
    for key in client.keys("jcmc:{*}:participant:*"):
        client.delete(key)
    assert page.series() == {}
    assert page.push({"u": {"bw": 3000}}).status == 200
    assert page.series() == {"connectionquality": 97, "bandwidth_upload": 3000}
    (quality,) = (
        name for name in page.service.series("jitsi_jcmc_connectionquality") if page.uid in name
    )
    assert 'serverregion="eu-west",browser_name="Chrome"' in quality


def test_nothing_in_redis_says_who_a_state_is_of(page: JmmcPage, redis_7: RedisServer) -> None:
    page.open()
    page.push({"cq": 97, "t": {"ip": 3325256708, "sr": "eu-west"}})
    client = redis_7.client()
    (state,) = client.keys(f"jcmc:{{*}}:jmmc:{page.cookie[14:38]}")
    assert client.hgetall(state) == {b"seq": b"2", b"1": b"97", b"69": b"eu-west", b"63": b"2"}


def test_with_redis_away_it_comes_again_and_then_goes_on(tmp_path: Path, short_path: Path) -> None:
    """Redis is away at the start, and comes back empty, twice."""
    server = RedisServer(tmp_path)
    with Service(short_path, REDIS_URL=server.url) as service:
        page = JmmcPage(service, "standup")
        away = page.open()
        assert (away.status, away.json()["errors"][0]["reason"]) == (503, "store_unavailable")
        assert int(away.headers["retry-after"]) > 0
        assert page.cookie == ""
        with server:
            eventually(lambda: page.open().status == 200)
            page.push({"cq": 97})
            assert page.series() == {"connectionquality": 97}
        assert page.push({"cq": 98}).status == 503
        with server:
            # The cookie is still valid, but its session is not known any more.
            eventually(lambda: page.push({"cq": 98}).status == 400)
            answer = page.push({"cq": 98})
            assert answer.json()["errors"] == [{"field": "cookie", "reason": "session_unknown"}]
            assert page.open().status == 200
            assert page.push({"cq": 99}).status == 200
            assert page.series() == {"connectionquality": 99}


def test_a_cookie_is_good_after_a_restart_of_the_service(
    redis_7: RedisServer, short_path: Path, room: str
) -> None:
    service = Service(short_path, REDIS_URL=redis_7.url)
    page = JmmcPage(service, room)
    with service:
        page.open()
        page.push({"cq": 97})
    with service:
        assert page.push({"u": {"bw": 2900}}).status == 200
        assert page.series() == {"connectionquality": 97, "bandwidth_upload": 2900}


def test_the_operators_secret_is_not_in_redis(tmp_path: Path, short_path: Path) -> None:
    secret = "an operator's own secret, thirty-two bytes and more"
    with (
        RedisServer(tmp_path) as server,
        Service(short_path, REDIS_URL=server.url, JCMC_COOKIE_SECRET=secret) as service,
    ):
        page = JmmcPage(service, "standup")
        page.open()
        assert page.push({"cq": 97}).status == 200
        assert server.client().exists("jcmc:cookie-secret") == 0


def test_what_privacy_takes_away_is_nowhere_in_redis(tmp_path: Path, short_path: Path) -> None:
    """Each change is filtered once, before the merge: a hash is not hashed again."""
    policy = {
        **dict.fromkeys(("roomname", "client_id", "participant_id", "session.id"), "hash"),
        "serverregion": "hash",
        "src_ip": "truncate",
        "dst_ip": "hash",
        "client.address": "truncate",
        "network.peer.port": "drop",
        "network.local.port": "hash",
    }
    with (
        RedisServer(tmp_path) as server,
        Service(
            short_path,
            REDIS_URL=server.url,
            JCMC_COLLECT_ADDRESSES="true",
            JCMC_PRIVACY=",".join(f"{name}={word}" for name, word in policy.items()),
            JCMC_PRIVACY_KEY="a key of sixteen characters",
        ) as service,
    ):
        page = JmmcPage(service, "standup", "pid-of-ada", **{"x-forwarded-for": "203.0.113.9"})
        page.open()
        t = {"sr": "eu-west", "ip": 3325256708, "lip": 167772167, "p": 10007, "lp": 50007}
        seen = []
        for m in ({"cq": 97, "t": t}, {"cq": 98}, {"cq": 99, "t": {"sr": "eu-west"}}):
            assert page.push(m).status == 200
            (name,) = service.series("jitsi_jcmc_connectionquality")
            seen.append(name)
        # One series with constant labels: each text is hashed once, always alike.
        assert seen[0] == seen[1] == seen[2]
        assert len(seen[0].partition('serverregion="')[2].partition('"')[0]) == 16
        client = server.client()
        dump = str([(key, client.dump(key)) for key in client.keys("*")]).encode()
        states = [client.hgetall(key) for key in client.keys("*jmmc:*")]
        known = str(states).encode()
        assert b"10.0.0.0" in known
        assert b"203.0.113.0" in known
        secrets = [page.uid, "standup", "pid-of-ada", page.cookie[14:38], "eu-west", "10.0.0.7"]
        for text in [*secrets, "198.51.100.4", "203.0.113.9", "10007", "50007"]:
            assert text.encode() not in dump + known, text
