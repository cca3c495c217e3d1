"""sessions/shares.py: an address that fills history loses only its own sessions."""

import logging
import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from harness import Service, eventually, push_body
from recording import Clock

from otel_jcmc.sessions.quota import Bounds
from otel_jcmc.sessions.recorder import CHANGE_SECONDS
from otel_jcmc.sessions.shares import Shares

DAY = 86_400.0
MIB = 1 << 20
BOUNDS = Bounds(1000, 64 * MIB)


def shares_of(clock: Clock, fullness: float = 0.6, bounds: Bounds = BOUNDS) -> Shares:
    return Shares(bounds, DAY, lambda: fullness, clock)


def fill(shares: Shares, address: str, sessions: int, size: int = 100) -> int:
    """Begin so many sessions while there is room; return the number of those that had room."""
    for number in range(sessions):
        if not shares.has_room(address):
            return number
        shares.add(address, size, is_begun=True)
    return sessions


def test_an_address_has_a_quarter_of_the_sessions_at_once_and_in_each_day() -> None:
    clock = Clock()
    shares = shares_of(clock)
    assert fill(shares, "one", 1000) in (250, 251)
    assert fill(shares, "two", 100) == 100
    clock.now += DAY / 2
    assert fill(shares, "one", 1000) in (125, 126)
    clock.now += 2 * DAY
    assert fill(shares, "one", 1000) in (250, 251)


def test_an_address_has_a_quarter_of_the_bytes() -> None:
    shares = shares_of(Clock(), bounds=Bounds(0, 4 * MIB))
    assert shares.has_room("one")
    shares.add("one", MIB + 1, is_begun=False)
    assert not shares.has_room("one")
    # A session uses keys of its own, whatever it holds.
    assert 400 < fill(shares, "two", 1000, size=0) < 600


def test_while_history_is_half_empty_anybody_may_fill_it() -> None:
    assert fill(shares_of(Clock(), fullness=0.49), "one", 1000) == 1000


def test_whose_address_is_not_known_is_not_counted() -> None:
    assert fill(shares_of(Clock()), "", 1000) == 1000


def test_addresses_that_have_hardly_anything_are_forgotten() -> None:
    clock = Clock()
    shares = shares_of(clock)
    for number in range(5000):
        shares.add(f"address {number}", 300, is_begun=True)
        clock.now += DAY / 250
    assert len(shares._dry_at) < 2000


def test_a_greedy_address_is_told_of_once_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    shares = shares_of(clock)
    fill(shares, "192.0.2.1", 1000)
    fill(shares, "192.0.2.1", 1000)
    shares.log_ended()
    assert len(caplog.messages) == 1
    assert "quarter" in caplog.messages[0]
    assert "192.0.2.1" not in caplog.text
    clock.now += 61
    shares.log_ended()
    shares.log_ended()
    assert len(caplog.messages) == 2


def sessions_in(service: Service, conference: str) -> set[str]:
    found = service.get(f"/sessions?conference={conference}").json()["sessions"]
    return {each["session_id"] for each in found}


def test_one_address_does_not_turn_the_history_of_others_over(short_path: Path) -> None:
    """It begins and ends three times as many sessions as history has room for."""
    options = {
        "JCMC_TRUSTED_PROXIES": "127.0.0.1",
        "JCMC_HISTORY_SESSIONS": "400",
        "JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND": "0",
    }
    with Service(short_path, **options) as service:

        def push(body: dict[str, Any], address: str) -> int:
            return service.push(body, headers={"x-forwarded-for": address}).status

        def stay(name: str, conference: str, address: str) -> None:
            session: dict[str, Any] = {"id": f"session-{name}"}
            assert push(push_body(name, conference, session=session), address) == 200
            session["end"] = {"reason": "left"}
            assert push(push_body(name, conference, session=session), address) == 200

        def refused() -> float:
            return service.own('otel_jcmc_history_samples_total{outcome="refused"}') or 0

        honest = {f"session-honest{number}" for number in range(20)}
        for number in range(20):
            stay(f"honest{number}", "honest", f"198.51.100.{number}")
        eventually(lambda: sessions_in(service, "honest") == honest)
        # A fifth of the room in a second, before it is stopped: a process learns once a second how
        # full history is.
        is_held = False
        for number in range(1200):
            stay(f"greedy{number}", f"c{number}", "192.0.2.1")
            if number % 8 == 7 and not is_held:
                time.sleep(0.1)
                is_held = refused() > 0
        assert is_held
        eventually(lambda: refused() > 400)
        assert sessions_in(service, "honest") == honest
        assert service.own('otel_jcmc_history_sessions_evicted_total{reason="number"}') == 0
        assert "one address has filled a quarter of it" in service.log.read_text()


def test_a_participant_begins_another_session_only_now_and_then(short_path: Path) -> None:
    with Service(short_path, JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND="1") as service:
        numbers = count()

        def push(session: str) -> tuple[int, str]:
            body = push_body("ada", session={"id": f"session-{session}", "seq": next(numbers)})
            answer = service.push(body)
            return answer.status, answer.body

        assert push("a")[0] == 200
        status, body = push("b")
        assert status == 429
        assert "participant_rate" in body
        assert push("a")[0] == 200
        wait = int(
            service.push(push_body("ada", session={"id": "session-c"})).headers["retry-after"]
        )
        assert 1 <= wait <= CHANGE_SECONDS
