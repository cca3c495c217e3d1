"""A past conference, and complete searches as lines, from a running service with a past."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from harness import Service
from past import NOON, Past, numbers, running_past

from otel_jcmc.catalogue.attributes import BRIDGE
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Push
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.sessions.totals import Totals, VitalTotal
from otel_jcmc.verdict.journal import Entry

MINUTE = 60_000
UPLINK, DOWNLINK = 7, 2
ENTRY = Entry("bridge", "jvb-3", "eu", NOON + 2 * MINUTE, NOON + 4 * MINUTE, 0.75, (6, 8, 8, 8))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Return a Redis for one module, with a journal in which one bridge stood out."""
    with running_past(tmp_path_factory.mktemp("s", numbered=True), ENTRY) as running:
        yield running


@pytest.fixture(scope="module")
def service(past: Past, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service on this Redis."""
    path = past.client.connection_pool.connection_kwargs["path"]
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, REDIS_URL=f"unix://{path}", JCMC_HISTORY_INTERVAL="60") as running:
        yield running


def minute(n: int, state: int | None = 0, cause: int = 0, bridge: str = "jvb-3") -> Sample:
    """Return the sample of the minute that ends *n* minutes after noon, with equal pushes."""
    at = NOON + n * MINUTE
    stretch = Stretch(600, state, cause, *(("eu", bridge) if state == 2 else ()))
    pushes = [Push(at - ago, state, cause) for ago in range(50_000, -1, -10_000)]
    return Sample(at, numbers(f1=90), stretches=[stretch], pushes=pushes)


def lasting(bad_tenths: int, cause: int) -> Totals:
    """Return the totals of some minutes."""
    vitals = [VitalTotal(900 * 3000, 3000, 0, 300), VitalTotal(0, 3000, 0, 0), VitalTotal()]
    return Totals(vitals, [(3000, 0, 0), (bad_tenths, 2, cause)], [2, None, None], 1)


@pytest.fixture(scope="module")
def sids(past: Past) -> dict[str, str]:
    """Return three sessions of one conference, one with a break, and the ones before."""
    told: dict[str, Any] = {"last_ms": NOON + 6 * MINUTE, "ended_ms": NOON + 6 * MINUTE}
    told |= {"reason": "left", "attributes": {69: "eu"}}
    ann = (*map(minute, (1, 2)), minute(3, 2, DOWNLINK), minute(4, 1, UPLINK), *map(minute, (5, 6)))
    bob = (minute(1), minute(5, 2, DOWNLINK), minute(6, 2, DOWNLINK))
    return {
        "ann": past.session(
            NOON, "board", participant="ann", log=ann, totals=lasting(600, DOWNLINK), **told
        ),
        "bob": past.session(
            NOON + 1, "board", participant="bob", log=bob, totals=lasting(1200, DOWNLINK), **told
        ),
        "before": past.session(
            NOON - 60 * MINUTE,
            "board",
            participant="eve",
            last_ms=NOON - 50 * MINUTE,
            ended_ms=NOON - 50 * MINUTE,
            reason="left",
        ),
    }


def held(service: Service, query: str, name: str = "board") -> dict[str, Any]:
    """Return a past conference."""
    answer = service.get(f"/conferences/{name}?{query}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


# A conference


def test_everyone_is_on_one_axis_with_what_stood_out(
    service: Service, sids: dict[str, str]
) -> None:
    """While the bridge stood out, bad times are the bridge's fault; later, the participant's."""
    told = held(service, "at=2036-03-01T12:03:00Z")
    assert told["from"] == "2036-03-01T12:00:00.000Z"
    assert told["to"] == "2036-03-01T12:06:00.000Z"
    assert (told["goes_on"], told["people_count"]) == (False, 2)
    ann, bob = told["people"]
    assert (ann["id"], ann["participant_id"], ann["region"]) == (sids["ann"], "ann", "eu")
    assert ann["bands"] == [
        [10, 120, "good", None, None],
        [120, 180, "bad", "downlink", "bridge"],
        [180, 240, "fair", "uplink", None],
        [240, 360, "good", None, None],
    ]
    # From his first push on; he was away for three minutes.
    assert bob["bands"] == [
        [10, 60, "good", None, None],
        [250, 360, "bad", "downlink", "participant"],
    ]
    assert ann["verdict"] == {"state": "bad", "cause": "downlink", "scope": "bridge"}
    assert told["stood_out"] == []


def test_what_stood_out_is_told_of_those_whom_it_touched(
    service: Service, past: Past, sids: dict[str, str]
) -> None:
    assert sids
    log = (minute(3),)
    past.session(
        NOON, "bridged", last_ms=NOON + 3 * MINUTE, attributes={BRIDGE.id: "jvb-3"}, log=log
    )
    (entry,) = held(service, "at=2036-03-01T12:03:00Z", "bridged")["stood_out"]
    assert entry == {
        "scope": "bridge",
        "name": "jvb-3",
        "region": "eu",
        "onset": "2036-03-01T12:02:00.000Z",
        "end": "2036-03-01T12:04:00.000Z",
        "share": 0.75,
        "bad": 6,
        "known": 8,
    }


def test_the_instance_is_the_one_then_or_the_last_before(
    service: Service, sids: dict[str, str]
) -> None:
    for at, people in (
        ("2036-03-01 11:05", ["eve"]),
        ("2036-03-01 11:59", ["eve"]),
        ("2036-03-01 12:00", ["ann", "bob"]),
        ("2036-03-01 18:00", ["ann", "bob"]),
        ("2036-03-01 13:05&tz=Europe/Berlin", ["ann", "bob"]),
    ):
        told = held(service, f"at={at.replace(' ', '%20')}")
        assert [each["participant_id"] for each in told["people"]] == people, at
    assert sids


@pytest.mark.parametrize(
    ("path", "status", "line"),
    [
        (
            "board?at=2036-03-01T10:59:00Z",
            404,
            "history has no such conference at that time or before",
        ),
        (
            "boar?at=2036-03-01T12:00:00Z",
            404,
            "history has no such conference at that time or before",
        ),
        ("board?at=soon", 400, "at must be a time: 14:00, yesterday 14:00"),
        ("board?from=now", 400, "unknown parameter: use any of at, tz"),
    ],
)
def test_what_can_not_be_is_one_line(
    service: Service, sids: dict[str, str], path: str, status: int, line: str
) -> None:
    assert sids
    answer = service.get(f"/conferences/{path}")
    assert (answer.status, answer.body.count("\n")) == (status, 1)
    assert answer.body.startswith(line)


# The list


def test_a_list_says_how_it_was_and_how_far_it_reached(
    service: Service, sids: dict[str, str]
) -> None:
    page = service.get("/sessions?conference=BOA&sort=worst").json()["sessions"]
    assert [each["id"] for each in page] == [sids[who] for who in ("bob", "ann", "before")]
    assert [each["verdict"] for each in page] == [
        {"state": "bad", "cause": "downlink", "scope": "participant"},
        {"state": "bad", "cause": "downlink", "scope": "bridge"},
        None,
    ]
    assert page[1]["summary"]["quality"] == {"mean": 90.0, "worst": 30.0, "bad_share": 0.0}
    assert page[1]["summary"]["round_trip"] == {"mean": None, "worst": None, "bad_share": None}
    assert page[1]["seconds"] == {"good": 300.0, "fair": 0.0, "bad": 60.0, "unknown": 0.0}
    assert page[1]["counts"] == {"freezes": 2, "freeze_time": None, "frames_dropped": None}
    assert page[1]["outages"] == 1


def test_one_session_says_the_same(service: Service, sids: dict[str, str]) -> None:
    told = service.get(f"/sessions/{sids['ann']}").json()
    assert told["verdict"] == {"state": "bad", "cause": "downlink", "scope": "bridge"}
    # The state by all pushes; the last ones in the log have another one.
    assert told["summary"]["quality"]["mean"] == 90.0


# A whole search


@pytest.fixture(scope="module")
def many(past: Past) -> list[str]:
    """Return 120 sessions of one conference, newest first."""
    sids = [past.session(NOON + n, "many", participant=f"p{n}") for n in range(120)]
    past.session(NOON - 1, "many", participant="@odd", attributes={69: "=1+1"})
    return sids[::-1]


def test_lines_of_json_have_all_that_is_found(service: Service, many: list[str]) -> None:
    answer = service.get("/sessions?conference=many&format=jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["x-total-count"] == "121"
    told = [json.loads(line) for line in answer.body.splitlines()]
    assert [each["id"] for each in told][:-1] == many
    (one,) = service.get("/sessions?conference=many&limit=1").json()["sessions"]
    assert told[0] == one


def test_csv_has_a_line_for_each_and_no_formula(service: Service, many: list[str]) -> None:
    answer = service.get("/sessions?conference=many&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.body, newline="")))
    assert [row["id"] for row in rows][:-1] == many
    assert (rows[-1]["participant_id"], rows[-1]["region"]) == ("'@odd", "'=1+1")
    assert rows[0]["verdict.state"] == ""


def test_a_limit_ends_lines_too(service: Service, many: list[str]) -> None:
    answer = service.get("/sessions?conference=many&format=jsonl&limit=2")
    assert [json.loads(line)["id"] for line in answer.body.splitlines()] == many[:2]
    assert answer.headers["x-total-count"] == "121"
