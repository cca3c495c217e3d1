"""Clocks that are set while everything runs: the service's, and Redis's, which decides expiry."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import pytest
from clock import Clock
from crowd import shown
from harness import Service, eventually, push_body
from redis_parts import RedisServer

from otel_jcmc.store.embedded import find_server

pytestmark = pytest.mark.xdist_group("faults-clock")

HOUR = 3600


def tells(service: Service) -> float:
    """Return the time on the clock of *service*."""
    told = service.get("/-/healthy").headers["date"]
    return parsedate_to_datetime(str(told)).timestamp()


def is_shown(service: Service, name: str) -> bool:
    """Push for a participant, and say whether the scrape shows it."""
    assert service.push(push_body(name)).body == "OK"
    return name in shown(service)


def test_the_clock_of_the_service_does_not_matter(short_path: Path) -> None:
    clock = Clock(short_path / "c")
    with RedisServer(short_path / "r") as server:
        service = Service(
            short_path / "a",
            REDIS_URL=server.url,
            METRICS_EXPIRATION="1",
            JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND="5",
            **clock.environ,
        )
        with service:
            for number, seconds in enumerate((0, HOUR, -HOUR, 0)):
                clock.set(seconds)
                for step in range(5):
                    assert service.push(push_body("ada")).body == "OK", (seconds, step)
                # With retries: on a busy machine the second may be over before the scrape.
                for name in ("ada", f"brief-{number}"):
                    eventually(partial(is_shown, service, name), every=0.3)
            # The service shows the time of its own clock.
            clock.set(HOUR)
            eventually(lambda: tells(service) > time.time() + HOUR / 2)
            eventually(lambda: shown(service) == set(), 3)
            assert service.own("otel_jcmc_store_up") == 1
            assert not [line for line in service.said() if " WARNING " in line]


@pytest.fixture
def parts(short_path: Path) -> Iterator[tuple[Clock, Service]]:
    """Return the clock of a Redis, and a service on it."""
    clock = Clock(short_path / "c")
    with (
        # Valkey, because the allocator of Redis reads the clock before libfaketime is ready.
        RedisServer(short_path / "r", environ=clock.environ, binary=find_server()) as server,
        Service(short_path / "a", REDIS_URL=server.url, METRICS_EXPIRATION="2") as service,
    ):
        yield clock, service


def test_when_redis_clock_goes_forward_everyone_is_back_with_the_next_push(
    parts: tuple[Clock, Service],
) -> None:
    clock, service = parts
    for name in ("ada", "bob"):
        assert service.push(push_body(name, session={"id": f"session-of-{name}"})).body == "OK"
    assert shown(service) == {"ada", "bob"}
    clock.set(HOUR)
    eventually(lambda: shown(service) == set(), 2)
    assert service.push(push_body("ada", session={"id": "session-of-ada"})).body == "OK"
    assert shown(service) == {"ada"}
    leave = push_body("ada", session={"id": "session-of-ada", "end": {"reason": "left"}})
    assert service.push(leave).body == "OK"
    assert shown(service) == set()
    # They expire as before.
    assert service.push(push_body("eve")).body == "OK"
    assert shown(service) == {"eve"}
    eventually(lambda: shown(service) == set(), 4)


def test_when_redis_clock_goes_back_only_who_has_gone_without_a_word_stays(
    parts: tuple[Clock, Service],
) -> None:
    """Its time to live ends when the clock reaches the old time again."""
    clock, service = parts
    for name in ("ada", "bob", "died"):
        assert service.push(push_body(name, session={"id": f"session-of-{name}"})).body == "OK"
    clock.set(-HOUR)
    time.sleep(0.1)
    for name in ("ada", "bob", "new"):
        assert service.push(push_body(name, session={"id": f"session-of-{name}"})).body == "OK"
    assert shown(service) == {"ada", "bob", "new", "died"}
    leave = push_body("bob", session={"id": "session-of-bob", "end": {"reason": "left"}})
    assert service.push(leave).body == "OK"
    assert shown(service) == {"ada", "new", "died"}
    # Participants that pushed since then expire as usual.
    eventually(lambda: shown(service) == {"died"}, 4)
    # The others can come back as usual, too.
    assert service.push(push_body("died", session={"id": "session-of-died"})).body == "OK"
    eventually(lambda: shown(service) == set(), 4)
