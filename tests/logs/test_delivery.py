"""Events from the push to the receiver: the service, its exporter, a real sink."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calls import by_participant, environ, exporter_of, leave
from happenings import failed_join, pushed, rated
from harness import CLIENT_ID, Service, eventually, push_body
from otlp_sink import OtlpSink
from sink_requests import SinkEvent

from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.wire.push import TEST_CLIENT

# One call, which each of the tests below examines.


@pytest.fixture(scope="module", params=["http/protobuf", "grpc"])
def call(
    request: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OtlpSink, Service]]:
    """Return the sink after a call with an outage, a failed join and a rating."""
    folder = tmp_path_factory.mktemp("t", numbered=True)
    by_grpc = {
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc",
        "OTEL_SERVICE_NAME": "meet",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "JCMC_PRIVACY": "os_version=drop,serverregion=hash",
    }
    with OtlpSink() as sink:
        settings = environ(sink, OTEL_LOGS_EXPORTER="otlp", METRICS_EXPIRATION="30")
        if request.param == "grpc":
            settings |= by_grpc | {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": sink.grpc_endpoint}
        else:
            settings["JCMC_COLLECT_FEEDBACK"] = "true"
        with Service(folder, **settings) as service:
            for body in (
                pushed("ada"),
                pushed("ada", 12_000),
                pushed("ada", 14_000),
                pushed("ada"),
                pushed("ada"),
                failed_join("eve"),
                failed_join("eve"),
                rated("bob", 4, "fine, mostly"),
                rated("bob", 4, "fine, mostly"),
                rated("bob", 2, "no, bad"),
            ):
                assert service.push(body).status == 200
            eventually(lambda: len(sink.events()) >= 5)
            # Spans come after the events, so all events have come.
            for name in ("ada", "bob"):
                service.push(leave(name))
            eventually(lambda: len(sink.spans("jitsi.session")) == 3)
            yield sink, service


Call = tuple[OtlpSink, Service]


def one(sink: OtlpSink, name: str) -> SinkEvent:
    (found,) = sink.events(f"jitsi.session.{name}")
    return found


def test_each_thing_is_told_once(call: Call) -> None:
    assert sorted(each.name for each in call[0].events()) == [
        "jitsi.session.feedback.given",
        "jitsi.session.feedback.given",
        "jitsi.session.join.failed",
        "jitsi.session.outage.began",
        "jitsi.session.outage.ended",
    ]
    assert len({each.uid for each in call[0].events()}) == 5


def test_an_outage_says_when_it_began_and_how_long_it_was(call: Call) -> None:
    began, ended = one(call[0], "outage.began"), one(call[0], "outage.ended")
    assert (began.severity, ended.severity) == ("WARN", "INFO")
    # The first push in the outage gives its begin, 12 s ago; the last one gives its length, 14 s.
    assert began.observed_ms - began.at_ms == 12_000
    assert began.attributes["jitsi.session.outage.duration"] == 12
    assert ended.attributes["jitsi.session.outage.duration"] == 14
    assert began.observed_ms < ended.at_ms == ended.observed_ms


def test_a_join_that_failed_says_why(call: Call) -> None:
    failed = one(call[0], "join.failed")
    assert failed.severity == "ERROR"
    assert failed.attributes["jitsi.session.end.cause"] == "ice_failed"
    assert failed.attributes["jitsi.participant.id"] == "eve"


def test_a_rating_has_stars_and_the_text_where_it_is_collected(call: Call) -> None:
    found = call[0].events("jitsi.session.feedback.given")
    told = [each.attributes for each in found]
    assert [each["jitsi.session.feedback.rating"] for each in told] == [4, 2]
    texts = [each.get("jitsi.session.feedback.text") for each in told]
    is_collected = call[0].log_requests[0].transport == "http"
    assert texts == (["fine, mostly", "no, bad"] if is_collected else [None, None])


def test_an_event_is_of_the_span_of_its_session(call: Call) -> None:
    sink, _ = call
    spans = by_participant(sink)
    for event in sink.events():
        span = spans[event.attributes["jitsi.participant.id"]]
        assert (event.trace_id, event.span_id) == (span.trace_id, span.span_id)
        assert event.message.flags == 1
        for name in ("session.id", "jitsi.session.key", "jitsi.conference.name", "jitsi.region"):
            assert event.attributes[name] == span.attributes[name]


def test_an_event_says_who_it_was_as_a_span_does_and_no_more(call: Call) -> None:
    sink, _ = call
    ada = one(sink, "outage.began").attributes
    told = {
        "session.id": "session-of-ada",
        "user_agent.name": "Chrome",
        "user_agent.version": "126",
        "user_agent.os.name": "Windows",
        "network.transport": "udp",
        "network.connection.type": "wifi",
    }
    assert {name: ada[name] for name in told} == told
    for event in sink.events():
        said = {str(each) for each in event.attributes.values()}
        assert not {"Ada", "10.0.0.7", "198.51.100.4", CLIENT_ID} & said


def test_what_privacy_drops_or_hashes_is_so_in_events(call: Call) -> None:
    ada = one(call[0], "outage.began").attributes
    if call[0].log_requests[0].transport == "grpc":
        assert "user_agent.os.version" not in ada
        assert len(ada["jitsi.region"]) == 16
    else:
        assert (ada["user_agent.os.version"], ada["jitsi.region"]) == ("10", "eu-west")


def test_a_body_is_a_few_words_that_name_nobody(call: Call) -> None:
    bodies = {each.name: each.message.body.string_value for each in call[0].events()}
    assert bodies == {
        "jitsi.session.feedback.given": "A call was rated",
        "jitsi.session.join.failed": "A join failed",
        "jitsi.session.outage.began": "An outage began",
        "jitsi.session.outage.ended": "An outage ended",
    }


def test_the_resource_is_the_service_that_noticed_it(call: Call) -> None:
    sink, service = call
    page = service.get("/metrics/service").body
    for request in sink.log_requests:
        (resource,) = request.resources()
        assert resource["service.name"] == ("meet" if request.transport == "grpc" else "otel_jcmc")
        assert f'service_instance_id="{resource["service.instance.id"]}"' in page
        if request.transport == "grpc":
            assert resource["deployment.environment.name"] == "test"


def test_resource_and_scope_say_which_conventions_their_names_are_of(call: Call) -> None:
    for request in call[0].log_requests:
        for of in request.message.resource_logs:
            told = {of.schema_url, *(scope.schema_url for scope in of.scope_logs)}
            assert told == {"https://opentelemetry.io/schemas/1.44.0"}
            assert [scope.scope.name for scope in of.scope_logs] == ["otel_jcmc"]


def test_events_are_counted(call: Call) -> None:
    _, service = call
    assert eventually(lambda: service.own('otel_jcmc_events_total{outcome="sent"}') == 5.0 or None)
    assert service.own('otel_jcmc_events_total{outcome="dropped"}') == 0
    assert service.own("otel_jcmc_events_waiting") == 0


def test_logs_alone_are_sent_with_nothing_kept_and_without_trace(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    """Without an export of participants, too; the events can still be erased."""
    with OtlpSink() as sink:
        settings = {
            "REDIS_URL": redis_server.url,
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
            "JCMC_HISTORY_HOURS": "0",
        }
        with Service(short_path / "a", **settings) as service:
            where = f"{sink.http_endpoint}/v1/logs"
            assert f"  logs        http/protobuf to {where}" in service.banner
            service.push(pushed("ada", 5000))
            (event,) = eventually(sink.events)
            assert (event.trace_id, event.span_id) == ("", "")
            assert event.attributes["session.id"] == "session-of-ada"
            assert "jitsi.session.key" not in event.attributes
            assert service.get("/sessions").status == 404
            answer = service.get(f"/sessions?client_id={CLIENT_ID}", method="DELETE")
            assert answer.status == 200
        assert sink.requests == []
        assert sink.trace_requests == []


def test_without_it_nothing_is_noticed(redis_server: EmbeddedStore, short_path: Path) -> None:
    import redis

    with Service(short_path / "a", REDIS_URL=redis_server.url) as service:
        service.push(pushed("ada", 5000))
        service.push(pushed("ada"))
        assert exporter_of(service) is None
    with redis.Redis.from_url(redis_server.url) as client:
        assert [*client.scan_iter("*events*"), *client.scan_iter("*outages*")] == []


@pytest.mark.parametrize("word", ["console", "otlp,none"])
def test_another_exporter_is_refused_in_one_line(short_path: Path, word: str) -> None:
    service = Service(short_path, OTEL_LOGS_EXPORTER=word)
    ran = subprocess.run(
        [*service.command, "check"],
        cwd=short_path,
        env=service.environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert ran.stderr == "otel-jcmc: OTEL_LOGS_EXPORTER: Input should be 'none' or 'otlp'\n"


def test_a_test_push_is_no_event(short_path: Path) -> None:
    """`otel-jcmc doctor` sends such a push, whatever it says."""
    with OtlpSink() as sink:
        settings = environ(sink, OTEL_LOGS_EXPORTER="otlp", METRICS_EXPIRATION="30")
        with Service(short_path, **settings) as service:
            for client in (TEST_CLIENT, CLIENT_ID):
                told = push_body(f"of-{client[:4]}")
                told["default_labels"]["client_id"] = client
                told["metrics"]["rating"] = {"value": 2}
                assert service.push(told).status == 200
            (event,) = eventually(sink.events, 30)
            assert event.attributes["jitsi.participant.id"] == f"of-{CLIENT_ID[:4]}"
