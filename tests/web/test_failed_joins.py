"""Failed joins at a running service: what is kept, counted and refused."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Answer, Service, push_body

ASIA = {"connectionquality": {"value": None, "labels": {"serverregion": "ap-south"}}}
ICE = {"reason": "failed", "cause": "conference.iceFailed", "join_ms": 4200}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with history that admits all callers."""
    with Service(tmp_path_factory.mktemp("s", numbered=True)) as running:
        yield running


def end(
    service: Service,
    conference: str,
    end: dict[str, Any],
    session: str = "",
    client: str = "",
    **changes: Any,
) -> Answer:
    """Push the end of a session without any push before."""
    body = push_body(
        conference=conference,
        session={"id": session or str(uuid.uuid4()), "seq": 0, "stats_age_ms": 4200, "end": end},
        **{"metrics": ASIA, **changes},
    )
    body["default_labels"]["client_id"] = client or str(uuid.uuid4())
    return service.push(body)


def listed(service: Service, conference: str) -> list[dict[str, Any]]:
    """Return the sessions of *conference* in the list."""
    found: list[dict[str, Any]] = service.get(f"/sessions?conference={conference}").json()[
        "sessions"
    ]
    return found


def joins(service: Service, region: str = "ap-south") -> tuple[float, float]:
    """Return the numbers of joins and of failures in *region*."""
    joined, failed = (
        service.own(f'otel_jcmc_joins_total{{outcome="{each}",region="{region}"}}')
        for each in ("joined", "failed")
    )
    return joined or 0, failed or 0


def test_a_join_that_failed_is_a_session_with_a_cause(service: Service) -> None:
    answer = end(service, "never", ICE)
    assert (answer.status, answer.body) == (200, "OK")
    [session] = listed(service, "never")
    assert session["end_reason"] == "failed"
    assert session["end_cause"] == "ice_failed"
    assert session["duration_seconds"] == 4.2
    assert session["last_push"] == session["ended"]
    assert session["region"] == "ap-south"
    assert session["samples_count"] == 0
    shown = service.get(f"/sessions/{session['id']}").json()
    assert (shown["end_cause"], shown["samples"]) == ("ice_failed", [])


def test_nobody_is_live_after_a_join_that_failed(service: Service) -> None:
    end(service, "nobody-live", ICE)
    assert 'roomname="nobody-live"' not in service.get("/metrics").body


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ("conference.focusDisconnected", "focus_disconnected"),
        ("connection.droppedError", "connection_dropped"),
        ("Ada's own words", "other"),
        ("", "other"),
    ],
)
def test_a_cause_is_one_of_a_closed_list(service: Service, told: str, cause: str) -> None:
    conference = f"closed-{cause}-{len(told)}"
    end(service, conference, {**ICE, "cause": told})
    assert [each["end_cause"] for each in listed(service, conference)] == [cause]
    assert "Ada" not in service.get("/metrics").body


def test_how_long_it_tried_need_not_be_known(service: Service) -> None:
    answer = end(service, "no-time", {"reason": "failed", "join_ms": None})
    assert answer.body == "OK"
    [session] = listed(service, "no-time")
    assert (session["duration_seconds"], session["end_cause"]) == (0, None)


def test_an_end_that_is_no_failed_join_begins_nothing(service: Service) -> None:
    """Browsers with an earlier version send such ends."""
    end(service, "no-join", {"reason": "failed"})
    end(service, "no-join", {"reason": "left", "join_ms": 20})
    assert listed(service, "no-join") == []


def test_a_session_that_had_begun_ends_with_its_cause_and_fails_no_join(service: Service) -> None:
    session, client = str(uuid.uuid4()), str(uuid.uuid4())
    body = push_body(conference="began", session={"id": session, "seq": 0}, metrics=ASIA)
    body["default_labels"]["client_id"] = client
    service.push(body)
    before = joins(service)
    end(service, "began", {"reason": "failed", "cause": "conference.focusLeft"}, session, client)
    [known] = listed(service, "began")
    assert (known["end_reason"], known["end_cause"]) == ("failed", "focus_left")
    assert joins(service) == before


def test_joins_are_counted_by_region_and_failures_by_cause(service: Service) -> None:
    region = {"connectionquality": {"value": 90, "labels": {"serverregion": "sa-east"}}}
    for number in range(3):
        session = {"id": str(uuid.uuid4()), "seq": 0}
        service.push(push_body(f"p{number}", "counted", session=session, metrics=region))
        # A participant that goes on has not joined again.
        session["seq"] = 1
        service.push(push_body(f"p{number}", "counted", session=session, metrics=region))
    end(service, "counted", ICE, metrics=region)
    assert joins(service, "sa-east") == (3, 1)
    name = 'otel_jcmc_joins_failed_total{cause="ice_failed",region="sa-east"}'
    assert service.own(name) == 1


def test_a_failed_join_that_is_told_twice_counts_once(service: Service) -> None:
    session, client = str(uuid.uuid4()), str(uuid.uuid4())
    before = joins(service)[1]
    answers = [end(service, "twice", ICE, session, client).status for _ in range(2)]
    assert answers == [200, 200]
    assert joins(service)[1] == before + 1
    assert len(listed(service, "twice")) == 1


def test_what_is_bad_of_a_failure_costs_only_itself(service: Service) -> None:
    bad = end(service, "bad", {"reason": "failed", "cause": 5, "join_ms": 10})
    assert bad.json()["dropped"] == [{"field": "session.end.cause", "reason": "not_text"}]
    assert [each["end_cause"] for each in listed(service, "bad")] == ["other"]
    long = end(service, "long", {"reason": "failed", "cause": "x" * 129, "join_ms": -3})
    assert long.json()["dropped"] == [
        {"field": "session.end.cause", "reason": "too_long"},
        {"field": "session.end.join_ms", "reason": "out_of_range"},
    ]
    assert listed(service, "long") == []


def test_without_history_failures_are_counted_all_the_same(tmp_path: Path) -> None:
    with Service(tmp_path, JCMC_HISTORY_HOURS="0") as bare:
        session, client = str(uuid.uuid4()), str(uuid.uuid4())
        for _ in range(2):
            assert end(bare, "off", ICE, session, client).status == 200
        assert joins(bare) == (0, 1)


def test_an_address_fails_as_often_as_it_may_bring_newcomers(tmp_path: Path) -> None:
    """The limit is one in a minute, so that the clock of the test's machine does not matter."""
    limit = "0.016"
    with Service(
        tmp_path,
        JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND=limit,
        JCMC_TRUSTED_PROXIES="127.0.0.1/32",
    ) as limited:

        def fail() -> Answer:
            session = {"id": str(uuid.uuid4()), "seq": 0, "end": ICE}
            body = push_body(conference="flood", session=session, metrics=ASIA)
            body["default_labels"]["client_id"] = str(uuid.uuid4())
            return limited.push(body, headers={"x-forwarded-for": "203.0.113.9"})

        answers = [fail() for _ in range(3)]
        assert [each.status for each in answers] == [200, 429, 429]
        assert answers[1].json()["errors"][0]["reason"] == "newcomer_rate"
        assert joins(limited) == (0, 1)
        assert len(listed(limited, "flood")) == 1


def test_a_participant_fails_once_in_ten_seconds(tmp_path: Path) -> None:
    """Each failure is a session, and one participant's sessions begin no more often."""
    with Service(tmp_path, JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND="100") as limited:
        client = str(uuid.uuid4())
        answers = [end(limited, "again", ICE, client=client) for _ in range(3)]
        assert [each.status for each in answers] == [200, 429, 429]
        assert answers[1].json()["errors"][0]["reason"] == "participant_rate"
        assert 1 <= int(answers[1].headers["retry-after"]) <= 10
        assert len(listed(limited, "again")) == 1
