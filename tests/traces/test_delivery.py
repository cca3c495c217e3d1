"""Finished sessions from the push to the receiver: service, exporter, a real sink."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imported
import pytest
from calls import body, by_participant, environ, exporter_of, leave
from harness import CLIENT_ID, Service, eventually, push_body
from otlp_sink import OtlpSink

from otel_jcmc.store.embedded import EmbeddedStore

# One call, which each of the tests below examines.


@pytest.fixture(scope="module", params=["http/protobuf", "grpc"])
def call(
    request: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OtlpSink, Service]]:
    """Return the sink after a call of four: a leave, a failure, an expiry, one without an id."""
    folder = tmp_path_factory.mktemp("t", numbered=True)
    by_grpc = {
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
        "JCMC_NAMING": "otel",
        "OTEL_SERVICE_NAME": "meet",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "JCMC_BAD_QUALITY": "50",
        "JCMC_PRIVACY": "os_version=drop,serverregion=hash",
    }
    with OtlpSink() as sink:
        settings = environ(sink)
        if request.param == "grpc":
            settings |= by_grpc | {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": sink.grpc_endpoint}
        with Service(folder, **settings) as service:
            for quality, loss_up in ((97.5, 0), (20, 30), (20, 30), (90, 0)):
                assert service.push(body("ada", quality, loss_up)).body == "OK"
                time.sleep(0.15)
            assert service.push(body("eve")).body == "OK"
            assert service.push(body("bob", session={"id": "session-of-bob"})).body == "OK"
            page = push_body("old-page")
            assert service.push(page).body == "OK"
            assert service.push(leave("ada")).body == "OK"
            assert service.push(leave("eve", "failed")).body == "OK"
            eventually(lambda: sink.spans("jitsi.conference"))
            yield sink, service


Call = tuple[OtlpSink, Service]


def test_each_session_of_a_call_is_a_span_under_that_of_its_conference(call: Call) -> None:
    sink, _ = call
    (root,) = sink.spans("jitsi.conference")
    sessions = by_participant(sink)
    assert sessions.keys() == {"ada", "eve", "bob", "old-page"}
    assert {span.trace_id for span in sessions.values()} == {root.trace_id}
    assert {span.parent_id for span in sessions.values()} == {root.span_id}
    assert root.parent_id == ""
    assert root.start_ms == min(span.start_ms for span in sessions.values())
    assert root.end_ms == max(span.end_ms for span in sessions.values())
    assert root.attributes["jitsi.conference.name"] == "standup"
    assert root.attributes["jitsi.meeting.id"] == "meeting-9"
    assert root.attributes["jitsi.conference.sessions.count"] == 4
    assert root.attributes["jitsi.conference.sessions.most"] == 4
    assert root.attributes["jitsi.conference.quality.worst"] == 20


def test_a_session_says_how_it_ended(call: Call) -> None:
    sessions = by_participant(call[0])
    reasons = {name: span.attributes["jitsi.session.end.reason"] for name, span in sessions.items()}
    assert reasons == {"ada": "left", "eve": "failed", "bob": "expired", "old-page": "expired"}
    # The expired one was last there at his last push, a second before.
    assert sessions["bob"].end_ms - sessions["bob"].start_ms < 100
    assert sessions["ada"].end_ms - sessions["ada"].start_ms >= 450


def test_a_session_says_who_it_was_and_how_it_was(call: Call) -> None:
    ada = by_participant(call[0])["ada"].attributes
    told = {
        "session.id": "session-of-ada",
        "user_agent.name": "Chrome",
        "user_agent.version": "126",
        "user_agent.os.name": "Windows",
        "network.transport": "udp",
        "network.connection.type": "wifi",
        "jitsi.session.leg": 1,
        "jitsi.session.quality.worst": 20,
        "jitsi.session.packet_loss.worst": 0.3,
        "jitsi.session.round_trip_time.average": 0.041,
    }
    assert {name: ada[name] for name in told} == told
    assert 0 < ada["jitsi.session.quality.bad_share"] < 1
    # The upload loss, which also makes the call bad.
    assert 0 < ada["jitsi.session.packet_loss.bad_share"] < 1
    # No names or addresses that nobody asked for, and nothing that lasts in the browser.
    assert not {"Ada", "10.0.0.7", "198.51.100.4", CLIENT_ID} & {str(each) for each in ada.values()}


def test_a_bad_call_is_an_error_that_says_why_and_where(call: Call) -> None:
    sink, _ = call
    sessions = by_participant(sink)
    ada = sessions["ada"]
    assert ada.message.status.code == 2
    assert ada.message.status.message.startswith("bad for ")
    assert ada.message.status.message.endswith(" % of the time, cause: uplink")
    assert ada.attributes["jitsi.verdict.state"] == "bad"
    # The first push stands for a second, each other one for 0.15 s or more.
    assert 0.1 < ada.attributes["jitsi.verdict.share.bad"] < 1
    assert ada.attributes["jitsi.verdict.bad.region"] == ada.attributes["jitsi.region"]
    assert ada.attributes["jitsi.verdict.bad.networks"] == ["wifi"]
    assert sessions["bob"].attributes["jitsi.verdict.state"] == "good"
    told = {name: span.message.status.message for name, span in sessions.items()}
    assert (told["bob"], told["eve"]) == ("", "failed")
    (root,) = sink.spans("jitsi.conference")
    assert root.attributes["jitsi.conference.sessions.known"] == 4
    assert root.attributes["jitsi.conference.sessions.bad"] == 1
    assert (root.attributes["jitsi.verdict.state"], root.attributes["jitsi.verdict.cause"]) == (
        "bad",
        "uplink",
    )
    assert root.message.status.code == 0


def test_what_privacy_drops_or_hashes_is_so_in_spans(call: Call) -> None:
    sink, _ = call
    ada = by_participant(sink)["ada"].attributes
    if sink.trace_requests[0].transport == "grpc":
        assert "user_agent.os.version" not in ada
        assert len(ada["jitsi.region"]) == 16
    else:
        assert (ada["user_agent.os.version"], ada["jitsi.region"]) == ("10", "eu-west")


def test_a_session_says_what_happened(call: Call) -> None:
    ada = by_participant(call[0])["ada"]
    assert [(name, told) for _, name, told in ada.events] == [
        ("jitsi.session.verdict.bad", {"jitsi.verdict.cause": "uplink"}),
        ("jitsi.session.verdict.good", {}),
    ]
    assert ada.start_ms < ada.events[0][0] < ada.events[1][0] <= ada.end_ms


def test_a_session_without_an_id_has_the_one_of_its_series(call: Call) -> None:
    """As in the otel naming: a UUID of version 5."""
    page = by_participant(call[0])["old-page"]
    assert page.attributes["session.id"][14] == "5"


def test_spans_have_the_services_resource(call: Call) -> None:
    for request in call[0].trace_requests:
        resource = request.resource()
        assert resource["service.name"] == ("meet" if request.transport == "grpc" else "otel_jcmc")
        assert "service.instance.id" not in resource


def test_resource_and_scope_say_which_conventions_their_names_are_of(call: Call) -> None:
    for request in call[0].trace_requests:
        for of in request.message.resource_spans:
            told = {of.schema_url, *(scope.schema_url for scope in of.scope_spans)}
            assert told == {"https://opentelemetry.io/schemas/1.44.0"}


def test_spans_are_counted(call: Call) -> None:
    _, service = call
    sent = 'otel_jcmc_spans_total{outcome="sent"}'
    assert eventually(lambda: service.own(sent) == 5.0 or None)
    assert service.own("otel_jcmc_spans_waiting") == 0


def test_with_neither_there_is_no_exporter(service: Service) -> None:
    assert exporter_of(service) is None


def test_metrics_and_spans_go_each_its_own_way(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    """Settings for metrics alone do not redirect the spans."""
    with OtlpSink() as metrics, OtlpSink() as traces:
        settings = environ(
            traces,
            REDIS_URL=redis_server.url,
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_METRIC_EXPORT_INTERVAL="300",
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=metrics.grpc_endpoint,
            OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="grpc",
        )
        with Service(short_path / "a", **settings) as service:
            where = f"{traces.http_endpoint}/v1/traces"
            assert f"  traces      http/protobuf to {where}" in service.banner
            stays = {"id": "session-of-ada", "interval_ms": 20_000}
            service.push(body("ada", session=stays))
            eventually(lambda: metrics.points("jitsi"))
            service.push(leave("ada"))
            eventually(lambda: traces.spans("jitsi.session"))
            eventually(lambda: ("otel_jcmc.spans", {"outcome": "sent"}, 2) in metrics.points())
        assert traces.requests == []
        assert metrics.trace_requests == []


@pytest.mark.parametrize("word", ["jaeger", "console", "otlp,none"])
def test_another_exporter_is_refused_in_one_line(short_path: Path, word: str) -> None:
    service = Service(short_path, OTEL_TRACES_EXPORTER=word)
    ran = imported.run("check", folder=short_path, environ=service.environ)
    assert ran.returncode == 1
    assert ran.stderr == "otel-jcmc: OTEL_TRACES_EXPORTER: Input should be 'none' or 'otlp'\n"
