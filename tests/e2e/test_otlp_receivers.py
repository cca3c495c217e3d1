"""
The same participants by OTLP, over gRPC and HTTP, at receivers of two makers.

One receiver is the sink in this process. The other is rotel, which passes on to the sink what it
understood. Each transport is tried with both namings.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import calls
import pytest
from e2e.parts import running_rotel, until
from happenings import failed_join
from harness import CLIENT_ID, Service, eventually, push_body
from otlp_sink import OtlpSink

pytestmark = pytest.mark.xdist_group("e2e")

# The name of a metric, its attributes in the order of their names, the value.
Found = set[tuple[str, tuple[tuple[str, Any], ...], float]]


def found(*points: tuple[str, dict[str, Any], float]) -> Found:
    """Return *points* in a form that sets can compare."""
    return {(name, tuple(sorted(with_.items())), value) for name, with_, value in points}


SESSION = {"id": "0b8d4a52-join", "seq": 0}
ADA = push_body("ada00001", session=SESSION)
# Only the quality and two transports are known, which look the same without addresses.
BOB = push_body(
    "bob00002",
    session={"id": "77aa10c3-join", "seq": 0},
    metrics={
        "connectionquality": {"value": 0},
        "bandwidth_download": {"value": None},
        "transport_rtt": [
            {"labels": {"protocol": "tcp", "networkType": "cellular"}, "value": 180},
            {"labels": {"protocol": "tcp", "networkType": "cellular"}, "value": 250},
        ],
    },
)
BROWSER = {
    "browser_name": "Chrome",
    "browser_version": "126.0.0.0",
    "os_name": "Windows",
    "os_version": "10",
}
JCMC_ADA = {"client_id": CLIENT_ID, "participant_id": "ada00001", "roomname": "standup"}
JCMC_BOB = {"client_id": CLIENT_ID, "participant_id": "bob00002", "roomname": "standup"}
BOB_RTT = JCMC_BOB | {"protocol": "tcp", "networkType": "cellular"}
ONLY_BOB = found(
    ("jitsi_jcmc_connectionquality", JCMC_BOB | BROWSER, 0),
    ("jitsi_jcmc_transport_rtt", BOB_RTT, 250),
    ("jitsi_jcmc_info", JCMC_BOB | BROWSER | {"sender": "otel_jcmc"}, 1),
    ("jitsi_jcmc_verdict_state", JCMC_BOB, 1),
)
JCMC = ONLY_BOB | found(
    ("jitsi_jcmc_connectionquality", JCMC_ADA | BROWSER | {"serverregion": "eu-west"}, 97.5),
    ("jitsi_jcmc_bandwidth_upload", JCMC_ADA, 2900),
    ("jitsi_jcmc_bandwidth_download", JCMC_ADA, 5100),
    ("jitsi_jcmc_bitrate_audio_upload", JCMC_ADA, 24),
    ("jitsi_jcmc_bitrate_audio_download", JCMC_ADA, 31),
    ("jitsi_jcmc_bitrate_video_upload", JCMC_ADA, 1210),
    ("jitsi_jcmc_bitrate_video_download", JCMC_ADA, 2404),
    ("jitsi_jcmc_bitrate_upload", JCMC_ADA, 1234),
    ("jitsi_jcmc_bitrate_download", JCMC_ADA, 2435),
    ("jitsi_jcmc_packetloss_upload", JCMC_ADA, 0),
    ("jitsi_jcmc_packetloss_download", JCMC_ADA, 1),
    ("jitsi_jcmc_packetloss_total", JCMC_ADA, 1),
    ("jitsi_jcmc_transport_rtt", JCMC_ADA | {"protocol": "udp", "networkType": "wifi"}, 41),
    (
        "jitsi_jcmc_info",
        JCMC_ADA | BROWSER | {"serverregion": "eu-west", "sender": "otel_jcmc"},
        1,
    ),
    ("jitsi_jcmc_verdict_state", JCMC_ADA, 0),
)

OTEL_ADA = {
    "session.id": "0b8d4a52-join",
    "jitsi.conference.name": "standup",
    "jitsi.participant.id": "ada00001",
}
OTEL_BOB = {
    "session.id": "77aa10c3-join",
    "jitsi.conference.name": "standup",
    "jitsi.participant.id": "bob00002",
}
AGENT = {
    "user_agent.name": "Chrome",
    "user_agent.version": "126",
    "user_agent.os.name": "Windows",
    "user_agent.os.version": "10",
}
UP = {"network.io.direction": "transmit"}
DOWN = {"network.io.direction": "receive"}
AUDIO = {"jitsi.media.kind": "audio"}
VIDEO = {"jitsi.media.kind": "video"}
WIFI = {"network.transport": "udp", "network.connection.type": "wifi"}
CELL = {"network.transport": "tcp", "network.connection.type": "cell"}
OURS = {"jitsi.client.sender": "otel_jcmc"}
OTEL = found(
    ("jitsi.client.connection.quality", OTEL_ADA, 97.5),
    ("jitsi.client.bandwidth.estimate", OTEL_ADA | UP, 2_900_000),
    ("jitsi.client.bandwidth.estimate", OTEL_ADA | DOWN, 5_100_000),
    ("jitsi.client.media.bitrate", OTEL_ADA | UP | AUDIO, 24_000),
    ("jitsi.client.media.bitrate", OTEL_ADA | DOWN | AUDIO, 31_000),
    ("jitsi.client.media.bitrate", OTEL_ADA | UP | VIDEO, 1_210_000),
    ("jitsi.client.media.bitrate", OTEL_ADA | DOWN | VIDEO, 2_404_000),
    ("jitsi.client.bitrate", OTEL_ADA | UP, 1_234_000),
    ("jitsi.client.bitrate", OTEL_ADA | DOWN, 2_435_000),
    ("jitsi.client.packet_loss.ratio", OTEL_ADA | UP, 0),
    ("jitsi.client.packet_loss.ratio", OTEL_ADA | DOWN, 0.01),
    ("jitsi.client.packet_loss.overall.ratio", OTEL_ADA, 0.01),
    ("jitsi.client.transport.round_trip_time", OTEL_ADA | WIFI, 0.041),
    ("jitsi.client.info", OTEL_ADA | AGENT | OURS | {"jitsi.region": "eu-west"}, 1),
    ("jitsi.client.verdict.state", OTEL_ADA, 0),
    ("jitsi.client.connection.quality", OTEL_BOB, 0),
    ("jitsi.client.transport.round_trip_time", OTEL_BOB | CELL, 0.25),
    ("jitsi.client.info", OTEL_BOB | AGENT | OURS, 1),
    ("jitsi.client.verdict.state", OTEL_BOB, 1),
)
# Bob's round trip is over half of the threshold for bad.
VERDICT = ("jitsi_jcmc_verdict", "jitsi.client.verdict")
WHY = {("bob00002", "path")}
OTEL_UNITS = {
    "jitsi.client.connection.quality": "{score}",
    "jitsi.client.bandwidth.estimate": "bit/s",
    "jitsi.client.media.bitrate": "bit/s",
    "jitsi.client.bitrate": "bit/s",
    "jitsi.client.packet_loss.ratio": "1",
    "jitsi.client.packet_loss.overall.ratio": "1",
    "jitsi.client.transport.round_trip_time": "s",
    "jitsi.client.info": "",
    "jitsi.client.verdict": "",
    "jitsi.client.verdict.state": "{state}",
}


@contextmanager
def exporting(folder: Path, protocol: str, naming: str, **endpoint: str) -> Iterator[Service]:
    """Run a service that exports its participants, Ada and Bob, to *endpoint*."""
    with Service(
        folder,
        JCMC_NAMING=naming,
        METRICS_EXPIRATION="300",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_METRIC_EXPORT_INTERVAL="300",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        JCMC_SERIES="participants",
        **endpoint,
    ) as service:
        assert service.push(ADA).body == "OK"
        assert service.push(BOB).body == "OK"
        yield service


@pytest.fixture(scope="module")
def by_grpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, OtlpSink]]:
    """Return a service with the original's names, and the sink to which it exports by gRPC."""
    with (
        OtlpSink() as sink,
        exporting(
            tmp_path_factory.mktemp("g"),
            "grpc",
            "jcmc",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.grpc_endpoint,
        ) as service,
    ):
        yield service, sink


@pytest.fixture(scope="module")
def by_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtlpSink]:
    """Return the sink to which a service with OpenTelemetry's names exports by HTTP."""
    with (
        OtlpSink() as sink,
        exporting(
            tmp_path_factory.mktemp("h"),
            "http/protobuf",
            "otel",
            # The endpoint for metrics is used unchanged.
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{sink.http_endpoint}/v1/metrics",
        ),
    ):
        yield sink


def participants(sink: OtlpSink) -> Found:
    """Return all points of participants in *sink*, except those that `verdicts` returns."""
    return found(*(point for point in sink.points("jitsi") if point.name not in VERDICT))


def verdicts(sink: OtlpSink) -> set[tuple[Any, Any]]:
    """
    Return the participants in *sink* whose call is not good, with the cause.

    The scope becomes known with the next look, every ten seconds; the series changes then.
    """
    points = [point.attributes for point in sink.points("jitsi") if point.name in VERDICT]
    scopes = {each.get("scope", each.get("jitsi.verdict.scope")) for each in points}
    assert scopes <= {"unknown", "participant"}
    return {
        (
            each.get("participant_id", each.get("jitsi.participant.id")),
            each.get("cause", each.get("jitsi.verdict.cause")),
        )
        for each in points
    }


def test_participants_arrive_by_grpc(by_grpc: tuple[Service, OtlpSink]) -> None:
    _, sink = by_grpc
    assert until(JCMC, lambda: participants(sink)) == JCMC
    assert verdicts(sink) == WHY
    assert {request.transport for request in sink.requests} == {"grpc"}


def test_participants_arrive_by_http(by_http: OtlpSink) -> None:
    assert until(OTEL, lambda: participants(by_http)) == OTEL
    assert verdicts(by_http) == WHY
    assert {request.transport for request in by_http.requests} == {"http"}


@pytest.mark.parametrize(
    ("protocol", "naming", "expected"),
    [("grpc", "otel", OTEL), ("http/protobuf", "jcmc", JCMC)],
)
def test_a_receiver_of_other_make_understands_them(
    protocol: str, naming: str, expected: Found, short_path: Path
) -> None:
    with OtlpSink() as sink, running_rotel(short_path, sink.http_endpoint) as rotel:
        endpoint = rotel.grpc_endpoint if protocol == "grpc" else rotel.http_endpoint
        with exporting(
            short_path / "service", protocol, naming, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint
        ):
            assert until(expected, lambda: participants(sink)) == expected
            assert verdicts(sink) == WHY


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_receiver_of_other_make_understands_a_conference_as_a_trace(
    protocol: str, short_path: Path
) -> None:
    with OtlpSink() as sink, running_rotel(short_path, sink.http_endpoint) as rotel:
        settings = calls.environ(
            sink,
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
            OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=rotel.grpc_endpoint
            if protocol == "grpc"
            else f"{rotel.http_endpoint}/v1/traces",
        )
        with Service(short_path / "service", **settings) as service:
            for quality, loss_up in ((10, 30), (80, 0)):
                service.push(calls.body("ada", quality, loss_up))
            service.push(calls.leave("ada", "failed"))
            (root,) = eventually(lambda: sink.spans("jitsi.conference"), 30)
            (span,) = sink.spans("jitsi.session")
    assert (span.trace_id, span.parent_id) == (root.trace_id, root.span_id)
    assert span.attributes["jitsi.session.quality.worst"] == 10
    assert [name for _, name, _ in span.events] == [
        "jitsi.session.verdict.bad",
        "jitsi.session.verdict.good",
    ]
    # The other maker's receiver keeps lists, too.
    assert span.attributes["jitsi.verdict.bad.regions"] == ["eu-west"]
    assert span.message.status.code == 2
    assert sink.trace_requests[0].resource()["service.name"] == "otel_jcmc"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_receiver_of_other_make_understands_events(protocol: str, short_path: Path) -> None:
    with OtlpSink() as sink, running_rotel(short_path, sink.http_endpoint) as rotel:
        settings = calls.environ(
            sink,
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=rotel.grpc_endpoint
            if protocol == "grpc"
            else f"{rotel.http_endpoint}/v1/logs",
        )
        with Service(short_path / "service", **settings) as service:
            service.push(failed_join("eve"))
            (event,) = eventually(sink.events, 30)
            (span,) = eventually(lambda: sink.spans("jitsi.session"), 30)
    assert (event.trace_id, event.span_id) == (span.trace_id, span.span_id)
    assert (event.name, event.severity) == ("jitsi.session.join.failed", "ERROR")
    assert event.message.body.string_value == "A join failed"
    assert event.attributes["jitsi.session.end.cause"] == "ice_failed"
    (resource,) = sink.log_requests[0].resources()
    assert resource["service.name"] == "otel_jcmc"


def test_units_and_resource_come_along(by_http: OtlpSink) -> None:
    eventually(lambda: by_http.points("jitsi") and by_http.points("otel_jcmc"))
    metrics = by_http.metrics()
    gauges = {name: metric for name, metric in metrics.items() if name.startswith("jitsi")}
    assert {name: metric.unit for name, metric in gauges.items()} == OTEL_UNITS
    assert {metric.WhichOneof("data") for metric in gauges.values()} == {"gauge"}
    # A participant's resource has no instance, because another replica may send the same series.
    mine, own = sorted(by_http.resources(), key=len)
    assert mine["service.name"] == own["service.name"] == "otel_jcmc"
    assert mine["deployment.environment.name"] == own["deployment.environment.name"] == "test"
    assert set(own) - set(mine) == {"service.instance.id"}


def test_our_own_metrics_come_along(by_http: OtlpSink) -> None:
    eventually(lambda: ("otel_jcmc.participants", {}, 2) in by_http.points())
    accepted = {"outcome": "accepted", "reason": ""}
    assert ("otel_jcmc.pushes", accepted, 2) in by_http.points()


def test_who_has_left_is_not_pushed_again(by_grpc: tuple[Service, OtlpSink]) -> None:
    service, sink = by_grpc
    eventually(lambda: participants(sink) >= ONLY_BOB)
    left = {"session": SESSION | {"seq": 1, "end": {"reason": "left"}}, "metrics": {}}
    assert service.push(ADA | left).body == "OK"
    seen = len(sink.requests_of("jitsi"))
    # The first request may already have been on its way.
    eventually(lambda: len(sink.requests_of("jitsi")) >= seen + 2)
    last = sink.requests_of("jitsi")[-1].points("jitsi")
    assert found(*(point for point in last if point.name not in VERDICT)) == ONLY_BOB
    (verdict,) = (point for point in last if point.name in VERDICT)
    assert (verdict.attributes["participant_id"], verdict.attributes["cause"]) == (
        "bob00002",
        "path",
    )
