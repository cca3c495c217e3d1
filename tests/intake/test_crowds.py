"""intake/crowds.py: how many live participants an address has."""

from pathlib import Path
from typing import Any

import pytest
from harness import Service, push_body
from redis import Redis

from otel_jcmc.intake import crowds as crowds_module
from otel_jcmc.intake.callers import PRIVATE, Callers
from otel_jcmc.intake.crowds import Crowd, Crowds
from otel_jcmc.intake.limits import Limits


def live(crowd: Crowd, *members: str, until: float = 60.0) -> None:
    """Let *members* be live *until* then."""
    crowd.lives.update({hash(member): until for member in members})


def test_an_address_has_room_until_so_many_are_live() -> None:
    crowds = Crowds(2)
    one = crowds.find("one", 0.0)
    for member in ("ada", "bob"):
        assert crowds.has_room(one, 0.0)
        live(one, member)
    assert not crowds.has_room(one, 1.0)
    assert crowds.find("one", 1.0) is one
    assert crowds.has_room(crowds.find("two", 1.0), 1.0)


def test_who_pushes_again_is_counted_once_and_who_leaves_makes_room() -> None:
    limits = Limits(Callers(PRIVATE), address_participants=2)
    one = limits.find("198.51.100.1", [], 0.0)
    for until in (60.0, 70.0, 80.0):
        limits.count_live(one, "ada", until)
    assert limits.admit(one, 1.0)
    limits.count_live(one, "bob", 90.0)
    assert not limits.admit(one, 1.0)
    limits.count_live(one, "nobody", 0.0)
    assert not limits.admit(one, 1.0)
    limits.count_live(one, "ada", 0.0)
    assert limits.admit(one, 1.0)


def test_who_has_expired_makes_room() -> None:
    crowds = Crowds(2)
    one = crowds.find("one", 0.0)
    live(one, "ada", until=90.0)
    live(one, "eve", until=60.0)
    assert not crowds.has_room(one, 59.0)
    # Checked once a second: a flood must not cause a count of all participants each time.
    assert not crowds.has_room(one, 59.9)
    assert crowds.has_room(one, 61.0)


def test_nothing_stays_behind_of_who_is_gone() -> None:
    crowds = Crowds(2)
    live(crowds.find("one", 0.0), "ada", until=60.0)
    crowds.find("two", 0.0)
    crowds.tidy(59.0)
    assert list(crowds._crowds) == ["one"]
    crowds.tidy(61.0)
    assert crowds._crowds == {}


def test_an_address_with_a_push_on_its_way_stays_known() -> None:
    limits = Limits(Callers(PRIVATE), address_participants=2)
    one = limits.find("198.51.100.1", [], 1000.0)
    limits.admit(one, 1000.0)
    limits.crowds.tidy(1009.0)
    assert limits.find("198.51.100.1", [], 1009.0) is one
    limits.crowds.tidy(1011.0)
    assert limits.find("198.51.100.1", [], 1011.0) is not one


def test_ever_new_addresses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowds_module, "_MANY", 100)
    limits = Limits(Callers(PRIVATE), address_participants=2)
    for number in range(10_000):
        now = 1000.0 + number
        limits.admit(limits.find(f"198.51.{number >> 8}.{number & 255}", [], now), now)
    assert len(limits.crowds._crowds) <= 100


def test_one_address_has_so_many_participants_and_another_still_comes(short_path: Path) -> None:
    limits = {"JCMC_LIMIT_ADDRESS_PARTICIPANTS": "3", "JCMC_TRUSTED_PROXIES": "127.0.0.1"}
    with Service(short_path, **limits) as service:

        def come(name: str, address: str) -> tuple[int, str]:
            answer = service.push(push_body(name), headers={"x-forwarded-for": address})
            return answer.status, answer.body

        assert [come(f"p{number}", "198.51.100.1") for number in range(3)] == [(200, "OK")] * 3
        status, body = come("one-more", "198.51.100.1")
        assert status == 429
        assert "address_limit" in body
        assert come("p0", "198.51.100.1") == (200, "OK")
        assert come("other", "198.51.100.2")[0] == 200
        left = push_body("p1") | {"session": {"end": {"reason": "left"}}}
        assert service.push(left, headers={"x-forwarded-for": "198.51.100.1"}).status == 200
        assert come("one-more", "198.51.100.1") == (200, "OK")
        assert service.own('otel_jcmc_participants_suppressed_total{reason="address_limit"}') == 1


def test_a_newcomer_does_not_choose_a_long_life(short_path: Path) -> None:
    long = {"session": {"id": "s-1", "interval_ms": 100_000}}
    with Service(short_path, METRICS_EXPIRATION="100", JCMC_JMMC_PATH="none") as service:
        redis: Any = Redis(unix_socket_path=str(short_path / "store" / "socket"))
        assert service.push(push_body("ada") | long).status == 200
        [key] = redis.keys("*:participant:*")
        assert redis.pttl(key) <= 100_000
        assert service.push(push_body("ada") | long).status == 200
        assert 100_000 < redis.pttl(key) <= 300_000


def test_one_address_takes_no_more_than_its_seats_in_a_conference() -> None:
    crowds = Crowds(100, seats=2)
    one, two = (crowds.find(name, 0.0) for name in ("one", "two"))
    standup, other = "a" * 12, "b" * 12
    for name in ("1", "2"):
        assert crowds.has_seat(one, standup + name, 0.0)
        crowds.seat(one, standup + name)
        live(one, standup + name)
    assert not crowds.has_seat(one, standup + "3", 1.0)
    assert crowds.has_seat(one, standup + "1", 1.0)
    assert crowds.has_seat(one, other + "3", 1.0)
    assert crowds.has_seat(two, standup + "3", 1.0)
    live(one, standup + "1", until=0.5)
    assert crowds.has_seat(one, standup + "3", 1.0)
    crowds.tidy(61.0)
    assert one.seated == {}


def test_a_participant_that_comes_back_takes_one_seat() -> None:
    crowds = Crowds(100, seats=2)
    one = crowds.find("one", 0.0)
    ada, bob = "0" * 12 + "ada", "0" * 12 + "bob"
    live(one, ada, "another", "and another")
    for _ in range(3):
        assert crowds.has_seat(one, ada, 0.0)
        crowds.seat(one, ada)
    assert crowds.has_seat(one, bob, 0.0)


def test_made_up_participants_of_one_address_keep_nobody_out_of_a_room(short_path: Path) -> None:
    limits = {"JCMC_LIMIT_CONFERENCE_PARTICIPANTS": "4", "JCMC_TRUSTED_PROXIES": "127.0.0.1"}
    with Service(short_path, **limits) as service:

        def come(name: str, address: str) -> tuple[int, str]:
            answer = service.push(push_body(name), headers={"x-forwarded-for": address})
            return answer.status, answer.body

        assert [come(f"p{number}", "198.51.100.1")[0] for number in range(3)] == [200, 200, 429]
        assert "address_limit" in come("p3", "198.51.100.1")[1]
        assert [come(f"q{number}", "198.51.100.2")[0] for number in range(2)] == [200, 200]
        assert come("p0", "198.51.100.1")[0] == 200
