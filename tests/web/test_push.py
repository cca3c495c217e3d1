"""
The endpoints of the service: which requests it accepts, its answers, and its counts.

On a running service, except where a sender must be slower or ruder than a socket permits.
"""

import asyncio
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from exposition import exposed, scraped, values
from harness import Answer, Service, eventually, push_body, request

from otel_jcmc.config.settings import Settings
from otel_jcmc.service.app import create_app
from otel_jcmc.version import __version__

pytestmark = pytest.mark.xdist_group("receiver")

ORIGIN = "https://meet.example.org"
PREFLIGHT = {
    "origin": ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service for pages of two origins, which nobody may scrape."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(
        folder,
        JCMC_CORS_ALLOWED_ORIGINS=f"{ORIGIN}, https://other.example.org",
        OTEL_METRICS_EXPORTER="none",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def storeless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service without a Redis."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, REDIS_URL=f"unix://{folder}/nobody") as running:
        yield running


# Paths


def test_the_front_door_says_that_the_service_is_up(shared_service: Service) -> None:
    answer = shared_service.get("/")
    assert (answer.status, answer.body) == (
        200,
        f"JCMC IS UP\notel_jcmc {__version__} is up.\n",
    )
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("path", "body"), [("/-/healthy", "healthy\n"), ("/-/ready", "ready\n")])
def test_a_service_with_its_store_is_healthy_and_ready(
    shared_service: Service, path: str, body: str
) -> None:
    answer = shared_service.get(path)
    assert (answer.status, answer.body) == (200, body)


def test_the_api_is_described_the_push_included(shared_service: Service) -> None:
    described = shared_service.get("/openapi.json").json()
    assert described["info"] == {"title": "otel_jcmc", "version": __version__}
    assert {"/", "/client-file", "/metrics", "/metrics/push"} <= set(described["paths"])
    assert {"200", "400", "413", "503"} <= set(
        described["paths"]["/metrics/push"]["post"]["responses"]
    )


@pytest.mark.parametrize("path", ["/nothing", "/metrics/push/", "/docs", "/redoc"])
def test_there_is_nothing_else(shared_service: Service, path: str) -> None:
    assert shared_service.get(path).status == 404


def test_another_method_on_the_push_path_hears_which_there_are(shared_service: Service) -> None:
    answer = shared_service.get("/metrics/push")
    assert (answer.status, answer.body) == (405, "")
    assert answer.headers["allow"] == "POST, OPTIONS"


def test_no_answer_tells_what_serves_it(shared_service: Service) -> None:
    assert shared_service.get("/").headers["server"] is None
    assert shared_service.push(push_body()).headers["server"] is None


def test_nobody_may_scrape_when_prometheus_is_no_exporter(listed: Service) -> None:
    answer = listed.get("/metrics")
    assert (answer.status, answer.body) == (
        404,
        "OTEL_METRICS_EXPORTER does not name prometheus\n",
    )


def test_one_connection_serves_push_after_push(shared_service: Service, room: str) -> None:
    """Also for refused pushes and preflights: a new connection costs as much as several pushes."""
    with closing(HTTPConnection(shared_service.url.removeprefix("http://"))) as connection:
        connection.connect()
        first = connection.sock
        for method, body in (("POST", json.dumps(push_body(conference=room))), ("OPTIONS", "")):
            for sent in (body, "no push"):
                connection.request(method, "/metrics/push", sent)
                connection.getresponse().read()
                assert connection.sock is first


# Pages of other origins


def test_a_preflight_for_a_push_is_answered(shared_service: Service) -> None:
    """As browsers send it before a push with Content-Type: application/json."""
    answer = shared_service.get("/metrics/push", method="OPTIONS", headers=PREFLIGHT)
    assert (answer.status, answer.body) == (204, "")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["access-control-allow-credentials"] is None


def test_a_preflight_from_a_listed_origin_is_allowed_what_it_asks_for(listed: Service) -> None:
    answer = listed.get("/metrics/push", method="OPTIONS", headers=PREFLIGHT)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] is None
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["vary"] == "origin"


def test_a_preflight_from_another_origin_is_allowed_nothing(listed: Service) -> None:
    headers = {**PREFLIGHT, "origin": "https://evil.example.org"}
    answer = listed.get("/metrics/push", method="OPTIONS", headers=headers)
    told = {name.lower() for name in answer.headers}
    assert not {name for name in told if name.startswith("access-control-")}
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(
    ("body", "status"), [(push_body(), 200), ("no push", 400), (" " * 70_000, 413)]
)
def test_a_page_of_another_origin_may_read_every_answer_to_its_push(
    shared_service: Service, body: Any, status: int
) -> None:
    answer = shared_service.push(body, headers={"origin": ORIGIN})
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_page_of_a_listed_origin_may_read_the_answer_to_its_push(listed: Service) -> None:
    answer = listed.push(push_body(), headers={"origin": ORIGIN})
    assert answer.body == "OK"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] is None
    assert answer.headers["vary"] == "origin"


def test_a_push_from_an_unlisted_origin_is_stored_and_its_answer_not_readable(
    listed: Service,
) -> None:
    answer = listed.push(push_body(), headers={"origin": "https://evil.example.org"})
    assert answer.body == "OK"
    assert answer.headers["access-control-allow-origin"] is None


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/-/healthy", "/-/ready", "/openapi.json", "/nothing"]
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_nothing_else_is_for_pages_of_other_origins(
    shared_service: Service, path: str, method: str
) -> None:
    answer = shared_service.get(path, method=method, headers=PREFLIGHT)
    told = {name.lower() for name in answer.headers}
    assert not {name for name in told if name.startswith("access-control-")}


# Without a store


def test_a_push_without_a_store_is_503_and_says_when_to_come_back(storeless: Service) -> None:
    answer = storeless.push(push_body(), headers={"origin": ORIGIN})
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json() == {
        "errors": [{"field": "", "reason": "store_unavailable"}],
        "more": 0,
    }


def test_a_wrong_push_is_the_senders_fault_with_or_without_a_store(storeless: Service) -> None:
    assert storeless.push("no push").status == 400


def test_a_scrape_without_a_store_still_answers_and_shows_nobody(storeless: Service) -> None:
    storeless.push(push_body())
    found = {sample.name: sample.value for sample in scraped(storeless)}
    assert found["otel_jcmc_store_up"] == 0
    assert "otel_jcmc_participants" not in found
    assert not [name for name in found if name.startswith("jitsi_")]


def test_a_failed_push_is_counted_as_ours(storeless: Service) -> None:
    failed = 'otel_jcmc_pushes_total{outcome="failed",reason="store_unavailable"}'
    before = storeless.own(failed) or 0
    storeless.push(push_body())
    assert storeless.own(failed) == before + 1


def test_a_scrape_without_a_store_is_counted_as_failed(storeless: Service) -> None:
    storeless.get("/metrics")
    found = storeless.own('otel_jcmc_exports_total{exporter="prometheus",outcome="failed"}')
    assert found is not None
    assert found >= 1


def test_a_service_without_its_store_is_healthy_and_not_ready(storeless: Service) -> None:
    assert storeless.get("/-/healthy").status == 200
    answer = storeless.get("/-/ready")
    assert (answer.status, answer.body) == (503, "not ready: Redis does not answer\n")


def test_the_address_of_the_store_is_not_in_the_log_of_its_absence(storeless: Service) -> None:
    storeless.push(push_body())
    assert "Traceback" not in storeless.log.read_text()
    assert len(storeless.said()) == 1


# Compressed bodies


@pytest.mark.parametrize("path", ["/metrics/push", "/jmmc/push"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, Deflate", "x-gzip"])
def test_a_compressed_body_is_told_to_be_one(
    shared_service: Service, path: str, encoding: str
) -> None:
    series = 'otel_jcmc_pushes_total{outcome="refused",reason="content_encoding"}'
    before = shared_service.own(series) or 0
    body = gzip.compress(json.dumps(push_body()).encode())
    url = shared_service.url + path
    answer = request(url, body, headers={"content-encoding": encoding})
    assert answer.status == 415
    assert answer.json()["errors"] == [{"field": "", "reason": "content_encoding"}]
    assert answer.headers["accept-encoding"] == "identity"
    assert shared_service.own(series) == before + 1


def test_what_is_not_compressed_is_told_what_else_is_wrong(shared_service: Service) -> None:
    url = f"{shared_service.url}/metrics/push"
    for headers in ({}, {"content-encoding": "identity"}, {"content-encoding": ""}):
        answer = request(url, b"no push", headers=headers)
        assert (answer.status, answer.json()["errors"][0]["reason"]) == (400, "not_json")
    # The body is JSON although its header says gzip.
    answer = request(url, push_body(), headers={"content-encoding": "gzip"})
    assert (answer.status, answer.body) == (200, "OK")
    answer = request(url, b"[]", headers={"content-encoding": "gzip"})
    assert answer.json()["errors"][0]["reason"] == "not_an_object"


# Limits


def test_newcomers_beyond_the_limit_wait_and_who_is_there_goes_on(short_path: Path) -> None:
    with Service(short_path, JCMC_LIMIT_PARTICIPANTS="16") as service:
        answers = [
            service.push(push_body(participant=f"{number:08x}", conference=f"room-{number}"))
            for number in range(40)
        ]
        assert [answer.status for answer in answers] == [200] * 16 + [503] * 24
        assert answers[16].headers["retry-after"] == "5"
        assert answers[16].json()["errors"] == [{"field": "", "reason": "participant_limit"}]
        assert service.push(push_body("00000000", "room-0")).body == "OK"
        suppressed = 'otel_jcmc_participants_suppressed_total{reason="participant_limit"}'
        assert service.own(suppressed) == 24
        reason = 'otel_jcmc_pushes_total{outcome="refused",reason="participant_limit"}'
        assert service.own(reason) == 24
        assert service.own("otel_jcmc_participants") == 16
        log = service.log.read_text()
        assert log.count("JCMC_LIMIT_PARTICIPANTS are live") == 1


def test_a_conference_that_is_full_refuses_newcomers_and_no_other_does(short_path: Path) -> None:
    with Service(short_path, JCMC_LIMIT_CONFERENCE_PARTICIPANTS="3") as service:
        statuses = [service.push(push_body(f"p{number}", "big")).status for number in range(5)]
        assert statuses == [200, 200, 200, 503, 503]
        assert service.push(push_body("p9", "small")).status == 200
        late = service.push(push_body("p3", "big"))
        assert late.json()["errors"] == [{"field": "", "reason": "conference_limit"}]
        assert late.headers["retry-after"] == "5"
        assert service.push(push_body("p0", "big")).body == "OK"
        suppressed = 'otel_jcmc_participants_suppressed_total{reason="conference_limit"}'
        assert service.own(suppressed) == 3


def test_a_participant_that_pushes_too_often_waits_and_others_go_on(short_path: Path) -> None:
    with Service(short_path, JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND="1") as service:
        answers = [service.push(push_body("hasty")) for _ in range(30)]
        assert [answer.status for answer in answers[:10]] == [200] * 10
        late = answers[-1]
        assert late.status == 429
        assert late.json()["errors"] == [{"field": "", "reason": "participant_rate"}]
        assert late.headers["retry-after"] == "1"
        assert service.push(push_body("calm")).body == "OK"
        refused = 'otel_jcmc_pushes_total{outcome="refused",reason="participant_rate"}'
        assert service.own(refused) == sum(answer.status == 429 for answer in answers)
        assert service.log.read_text().count("JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND") == 1
        eventually(lambda: service.push(push_body("hasty")).status == 200)


def told_from(service: Service, address: str, participant: str) -> Answer:
    """Return the answer to a push that a proxy on this machine passes on from *address*."""
    return service.push(push_body(participant), headers={"x-forwarded-for": address})


def test_an_address_that_pushes_too_often_waits_and_others_go_on(short_path: Path) -> None:
    with Service(short_path, JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND="0.5") as service:
        answers = [told_from(service, "198.51.100.7", f"p{number}") for number in range(10)]
        assert [answer.status for answer in answers[:5]] == [200] * 5
        assert answers[-1].status == 429
        assert answers[-1].json()["errors"] == [{"field": "", "reason": "address_rate"}]
        assert int(answers[-1].headers["retry-after"]) in (1, 2)
        assert told_from(service, "198.51.100.8", "q").status == 200
        # These have no address.
        assert {service.push(push_body(f"r{number}")).status for number in range(10)} == {200}
        assert "198.51.100" not in service.log.read_text()
        assert service.log.read_text().count("JCMC_TRUSTED_PROXIES") == 1


def test_an_address_with_too_many_newcomers_keeps_those_who_are_there(short_path: Path) -> None:
    with Service(short_path, JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND="0.3") as service:
        address = "2001:db8::7"
        statuses = [told_from(service, address, f"p{number}").status for number in range(8)]
        assert statuses[:3] == [200] * 3
        late = told_from(service, "2001:db8::ffff", "p9")
        assert late.status == 429
        assert late.json()["errors"] == [{"field": "", "reason": "newcomer_rate"}]
        assert 1 <= int(late.headers["retry-after"]) <= 4
        assert {told_from(service, address, f"p{number}").status for number in range(3)} == {200}
        assert told_from(service, "2001:db8:0:1::7", "q").status == 200
        suppressed = 'otel_jcmc_participants_suppressed_total{reason="newcomer_rate"}'
        assert service.own(suppressed) == statuses.count(429) + 1


def test_no_limit_is_one_that_can_be_switched_off(short_path: Path) -> None:
    off = {
        "JCMC_LIMIT_PARTICIPANTS": "0",
        "JCMC_LIMIT_CONFERENCE_PARTICIPANTS": "0",
        "JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND": "0",
        "JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND": "0",
        "JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND": "0",
    }
    with Service(short_path, **off) as service:
        assert {told_from(service, "198.51.100.7", "hasty").status for _ in range(40)} == {200}
        assert "limits:" not in service.log.read_text()


# Counts


@pytest.mark.parametrize(
    ("body", "series"),
    [
        (push_body(), 'otel_jcmc_pushes_total{outcome="accepted",reason=""}'),
        ("no push", 'otel_jcmc_pushes_total{outcome="refused",reason="not_json"}'),
        ("[]", 'otel_jcmc_pushes_total{outcome="refused",reason="not_an_object"}'),
        (" " * 70_000, 'otel_jcmc_pushes_total{outcome="refused",reason="body_too_large"}'),
        (
            push_body(metrics={}),
            'otel_jcmc_pushes_total{outcome="refused",reason="nothing_kept"}',
        ),
    ],
)
def test_every_push_is_counted_once(shared_service: Service, body: Any, series: str) -> None:
    def pushes() -> dict[str, float]:
        return shared_service.series("otel_jcmc_pushes_total")

    before = pushes()
    shared_service.push(body)
    assert pushes() == {**before, series: before.get(series, 0) + 1}


def test_a_push_that_was_overtaken_is_accepted_and_says_why(
    shared_service: Service, room: str
) -> None:
    series = 'otel_jcmc_pushes_total{outcome="accepted",reason="superseded"}'
    before = shared_service.own(series) or 0
    for seq in (1, 0):
        shared_service.push(push_body(conference=room, session={"id": "12345678", "seq": seq}))
    assert shared_service.own(series) == before + 1


def test_dropped_fields_are_counted_by_reason_all_of_them(
    shared_service: Service, room: str
) -> None:
    series = 'otel_jcmc_fields_dropped_total{reason="unknown_field"}'
    before = shared_service.own(series) or 0
    body = push_body(conference=room)
    body["metrics"].update({f"unknown_{number}": 1 for number in range(30)})
    assert shared_service.push(body).json()["more"] == 10
    assert shared_service.own(series) == before + 30


def test_participants_and_conferences_of_the_last_collection_are_told(short_path: Path) -> None:
    with Service(short_path) as service:
        for participant, conference in (("a", "x"), ("b", "x"), ("c", "y")):
            service.push(push_body(participant, conference))
        assert service.own("otel_jcmc_participants") == 3
        assert service.own("otel_jcmc_conferences") == 2
        gone = push_body("c", "y", session={"end": {"reason": "left"}})
        service.push(gone)
        assert service.own("otel_jcmc_participants") == 2
        assert service.own("otel_jcmc_conferences") == 1


def test_only_the_number_of_batches_is_timed(shared_service: Service) -> None:
    count = "otel_jcmc_push_duration_seconds_count"
    before = shared_service.own(count) or 0
    shared_service.push("no push")
    assert shared_service.own(count) == before
    shared_service.push(push_body())
    assert shared_service.own(count) == before + 1


# Attributes that the service adds, in the store


def test_the_browser_is_read_off_the_header(shared_service: Service, room: str) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
    shared_service.push(push_body(conference=room), headers={"user-agent": agent})
    quality = exposed(shared_service, room)[0].labels
    assert quality == {
        "serverregion": "eu-west",
        "browser_name": "Firefox",
        "browser_version": "127.0",
        "os_name": "Linux",
    }


def test_what_the_page_says_of_its_browser_does_not_count(
    shared_service: Service, room: str
) -> None:
    body = push_body(conference=room)
    body["metrics"]["connectionquality"]["labels"]["browser_name"] = "Forged"
    answer = shared_service.push(body)
    assert answer.json()["dropped"] == [
        {"field": "metrics.connectionquality.labels.browser_name", "reason": "unknown_field"}
    ]
    assert exposed(shared_service, room)[0].labels["browser_name"] == "Chrome"


def test_pushes_at_once_each_get_their_own_answer(shared_service: Service, room: str) -> None:
    bodies = [
        push_body(f"{number:08x}", room) if number % 2 else f"no push {number}"
        for number in range(60)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(shared_service.push, bodies))
    assert [answer.status for answer in answers] == [400, 200] * 30
    assert len(exposed(shared_service, room)) == 30 * 13


# Slow senders, at the application without a server


def ask(door: Any, *messages: dict[str, Any], headers: Any = ()) -> list[dict[str, Any]]:
    """Send *messages* to *door*, then nothing more, and return its answers."""
    sent: list[dict[str, Any]] = []

    async def converse() -> None:
        waiting = list(messages)

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop(0)
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/metrics/push",
            "headers": list(headers),
            "client": ("127.0.0.1", 50_000),
        }
        await door(scope, receive, send)

    asyncio.run(converse())
    return sent


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    """Return a part of a body, as a server passes it on."""
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_that_does_not_arrive_in_time_is_refused() -> None:
    door = create_app(Settings()).push_endpoint
    door._bodies.seconds = 0.05
    start, body = ask(door, part(b"{", more=True))
    assert start["status"] == 400
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["errors"] == [{"field": "", "reason": "body_incomplete"}]


def test_a_body_has_ten_seconds_to_arrive() -> None:
    assert create_app(Settings()).push_endpoint._bodies.seconds == 10.0


def test_who_has_hung_up_is_not_answered() -> None:
    assert (
        ask(
            create_app(Settings()).push_endpoint, part(b"{", more=True), {"type": "http.disconnect"}
        )
        == []
    )


@pytest.mark.parametrize("length", [b"-1", b"two", b"1e9", b"9" * 40])
def test_a_length_that_a_server_let_through_is_refused(length: bytes) -> None:
    start, body = ask(create_app(Settings()).push_endpoint, headers=[(b"content-length", length)])
    assert start["status"] == 413
    assert json.loads(body["body"])["errors"] == [{"field": "", "reason": "body_too_large"}]


def test_a_body_in_pieces_is_one_body() -> None:
    start, body = ask(
        create_app(Settings()).push_endpoint,
        part(b'{"default', more=True),
        part(b'_labels": []}', more=False),
    )
    assert start["status"] == 400
    assert json.loads(body["body"])["errors"] == [
        {"field": "default_labels", "reason": "not_an_object"}
    ]


# The log


def test_nothing_of_a_push_is_logged(short_path: Path) -> None:
    with Service(short_path, JCMC_LOG_LEVEL="DEBUG", COLLECT_USERNAME="true") as service:
        for body in (push_body(), push_body(metrics={}), "no push", push_body(session=7)):
            service.push(body)
        assert values(service, "standup")["bitrate_upload"] == 1234
        for path in ("/", "/client-file", "/nothing"):
            request(service.url + path)
        log = service.log.read_text()
    for secret in ("standup", "Ada", "1a2b3c4d", "3fa85f64", "10.0.0.7", "no push", "127.0.0.1"):
        assert secret not in log
