"""Collected gauges on their way to an OTLP receiver: parts, names, values, headers, TLS."""

import subprocess
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import grpc  # type: ignore[import-untyped]  # it ships no hints
import pytest
from harness import CLIENT_ID
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from otlp_sink import OtlpSink
from people import person, snapshot_of
from sink_requests import Point

from otel_jcmc.catalogue.reasons import ExporterCannotStart
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics import snapshot
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.own import make_resource
from otel_jcmc.metrics.provider import Collected, GaugeProvider
from otel_jcmc.otlp.metrics import FAILED, OK, MetricDelivery, OwnMetricExporter, halves
from otel_jcmc.otlp.points import requests
from otel_jcmc.otlp.sender import Outcome, Sender, Sent, Signal
from otel_jcmc.store.participant import Participant

GRPC_LIMIT = 4 * 1024 * 1024
RESOURCE = Resource({"service.name": "meet"})

# One participant with every value: ids of the catalogue, written out.
EVERYTHING: dict[int, Any] = {
    1: 97.5,
    2: 2900,
    3: 5100,
    4: 24,
    5: 31,
    6: 1210,
    7: 2404,
    8: 1234,
    9: 2435,
    10: 0,
    11: 1,
    12: 0.5,
    13: [[41, {80: "10.0.0.7", 81: "198.51.100.4", 82: "udp", 83: "ethernet"}]],
    69: "eu-west",
    70: "Ada",
    71: "Chrome",
    72: "126.0.0.0",
    73: "Windows",
    74: "10",
}


def participant(
    name: str = "ada", conference: str = "Grüße ☕", fields: dict[int, Any] | None = None
) -> Participant:
    identity = {64: conference, 65: CLIENT_ID, 66: name}
    return person(identity | (fields or EVERYTHING), "session-1")


def collect(participants: list[Participant], naming: Naming = Naming.JCMC) -> list[Collected]:
    """Return the gauges' observations of *participants*."""
    provider = GaugeProvider()
    declare(provider.get_meter("test"), naming)
    with snapshot.bound(snapshot_of(*participants)):
        return provider.collect()


def wide(number: int, letter: str) -> Participant:
    """Return a participant with the longest possible texts."""
    texts = dict.fromkeys((69, 70, 71, 72, 73, 74), letter * 256)
    path = {80: "ffff:" * 7 + "ffff", 81: "ffff:" * 7 + "ffff", 82: "udp", 83: letter * 256}
    rtts = [[n, path | {83: f"{n}{letter * 255}"}] for n in range(8)]
    room = f"{number:05d}" + letter * 251
    return participant(letter * 128, room, EVERYTHING | texts | {13: rtts})


# What arrives.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return a self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = str(folder / "certificate.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-out", paths[0]),
            *("-keyout", paths[1], "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return paths


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as receiver:
        yield receiver


def push(
    sink: OtlpSink,
    protocol: str,
    gauges: list[Collected],
    resource: Resource = RESOURCE,
    monkeypatch: pytest.MonkeyPatch | None = None,
) -> list[Outcome]:
    """Export *gauges* by *protocol* with the environment's settings; return the outcomes."""
    endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
    with monkeypatch.context() if monkeypatch else pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        sender = Sender(Signal.METRICS, protocol, 5)
    try:
        return [
            sender.send(message).answer
            for message in requests(gauges, resource, 1_700_000_000_123_456_789)
        ]
    finally:
        sender.shut_down()


BOTH = pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])


@BOTH
def test_everything_arrives_in_the_jcmc_naming(sink: OtlpSink, protocol: str) -> None:
    assert push(sink, protocol, collect([participant()])) == [Outcome.TAKEN]
    who = {"client_id": CLIENT_ID, "participant_id": "ada", "roomname": "Grüße ☕"}
    described = {
        "serverregion": "eu-west",
        "username": "Ada",
        "browser_name": "Chrome",
        "browser_version": "126.0.0.0",
        "os_name": "Windows",
        "os_version": "10",
    }
    path = {
        "src_ip": "10.0.0.7",
        "dst_ip": "198.51.100.4",
        "protocol": "udp",
        "networkType": "ethernet",
    }
    assert sink.points() == [
        Point("jitsi_jcmc_connectionquality", who | described, 97.5),
        Point("jitsi_jcmc_bandwidth_upload", who, 2900),
        Point("jitsi_jcmc_bandwidth_download", who, 5100),
        Point("jitsi_jcmc_bitrate_audio_upload", who, 24),
        Point("jitsi_jcmc_bitrate_audio_download", who, 31),
        Point("jitsi_jcmc_bitrate_video_upload", who, 1210),
        Point("jitsi_jcmc_bitrate_video_download", who, 2404),
        Point("jitsi_jcmc_bitrate_upload", who, 1234),
        Point("jitsi_jcmc_bitrate_download", who, 2435),
        Point("jitsi_jcmc_packetloss_upload", who, 0),
        Point("jitsi_jcmc_packetloss_download", who, 1),
        Point("jitsi_jcmc_packetloss_total", who, 0.5),
        Point("jitsi_jcmc_transport_rtt", who | path, 41),
        Point("jitsi_jcmc_info", who | {k: v for k, v in described.items() if k != "username"}, 1),
    ]
    # A Collector would add the unit to names that dashboards use without it.
    assert {metric.unit for metric in sink.metrics().values()} == {""}


@BOTH
def test_everything_arrives_in_the_otel_naming(sink: OtlpSink, protocol: str) -> None:
    gauges = collect([participant()], Naming.OTEL)
    assert push(sink, protocol, gauges) == [Outcome.TAKEN]
    who = {
        "jitsi.conference.name": "Grüße ☕",
        "jitsi.participant.id": "ada",
        "session.id": "session-1",
    }
    up, down = ({"network.io.direction": word} for word in ("transmit", "receive"))
    audio, video = ({"jitsi.media.kind": word} for word in ("audio", "video"))
    path = {
        "network.local.address": "10.0.0.7",
        "network.peer.address": "198.51.100.4",
        "network.transport": "udp",
        "network.connection.type": "wired",
    }
    described = {
        "jitsi.region": "eu-west",
        "user_agent.name": "Chrome",
        "user_agent.version": "126",
        "user_agent.os.name": "Windows",
        "user_agent.os.version": "10",
    }
    name = "jitsi.client"
    expected = [
        Point(f"{name}.connection.quality", who, 97.5),
        Point(f"{name}.bandwidth.estimate", who | up, 2_900_000),
        Point(f"{name}.bandwidth.estimate", who | down, 5_100_000),
        Point(f"{name}.media.bitrate", who | up | audio, 24_000),
        Point(f"{name}.media.bitrate", who | down | audio, 31_000),
        Point(f"{name}.media.bitrate", who | up | video, 1_210_000),
        Point(f"{name}.media.bitrate", who | down | video, 2_404_000),
        Point(f"{name}.bitrate", who | up, 1_234_000),
        Point(f"{name}.bitrate", who | down, 2_435_000),
        Point(f"{name}.packet_loss.ratio", who | up, 0),
        Point(f"{name}.packet_loss.ratio", who | down, 0.01),
        Point(f"{name}.packet_loss.overall.ratio", who, 0.005),
        Point(f"{name}.transport.round_trip_time", who | path, 0.041),
        Point(f"{name}.info", who | described, 1),
    ]
    found = sink.points()
    assert len(found) == len(expected)
    for point in expected:
        assert point in found
    assert {name: metric.unit for name, metric in sink.metrics().items()} == {
        "jitsi.client.connection.quality": "{score}",
        "jitsi.client.bandwidth.estimate": "bit/s",
        "jitsi.client.media.bitrate": "bit/s",
        "jitsi.client.bitrate": "bit/s",
        "jitsi.client.packet_loss.ratio": "1",
        "jitsi.client.packet_loss.overall.ratio": "1",
        "jitsi.client.transport.round_trip_time": "s",
        "jitsi.client.info": "",
    }


@BOTH
def test_points_are_gauges_of_one_moment_with_a_description(sink: OtlpSink, protocol: str) -> None:
    push(sink, protocol, collect([participant()]))
    for metric in sink.metrics().values():
        assert metric.WhichOneof("data") == "gauge"
        assert metric.description
        (point,) = metric.gauge.data_points
        assert point.time_unix_nano == 1_700_000_000_123_456_789
        assert point.start_time_unix_nano == 0


@BOTH
def test_a_snapshot_of_many_messages_arrives_whole(sink: OtlpSink, protocol: str) -> None:
    """By gRPC, to a server with a limit of 4 MiB."""
    gauges = collect([wide(number, "🎥") for number in range(150)])
    results = push(sink, protocol, gauges)
    assert len(results) > 2
    assert set(results) == {Outcome.TAKEN}
    points = sink.points()
    assert len(points) == len({(p.name, tuple(p.attributes.items())) for p in points})
    assert len(points) == sum(len(gauge.observations) for gauge in gauges) == 150 * 21
    assert max(request.size for request in sink.requests) < GRPC_LIMIT
    assert sink.resources() == [{"service.name": "meet"}]


@BOTH
def test_the_standard_variables_set_headers_and_compression(
    sink: OtlpSink, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc,x-tenant=meet")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    push(sink, protocol, collect([participant()]))
    assert sink.headers["authorization"] == "Bearer abc"
    assert sink.headers["x-tenant"] == "meet"
    if protocol != "grpc":
        assert sink.headers["content-encoding"] == "gzip"
        assert sink.headers["content-type"] == "application/x-protobuf"
    assert len(sink.points()) == 14


@BOTH
def test_a_resource_arrives(sink: OtlpSink, protocol: str) -> None:
    resource = make_resource("meet", "deployment.environment.name=prod, team=av ,broken", "")
    push(sink, protocol, collect([participant()]), resource)
    (found,) = sink.resources()
    assert found["service.name"] == "meet"
    assert found["deployment.environment.name"] == "prod"
    assert found["team"] == "av"
    assert "service.instance.id" not in found
    assert make_resource("meet", "", "i-1").attributes["service.instance.id"] == "i-1"


@BOTH
def test_tls_with_a_ca_of_ones_own(
    certificate: tuple[str, str], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)  # requests prefers them to what it is told
    with OtlpSink(tls=certificate) as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate[0])
        assert push(sink, protocol, collect([participant()])) == [Outcome.TAKEN]
        assert len(sink.points()) == 14


@BOTH
def test_tls_with_an_unknown_ca_is_refused(
    certificate: tuple[str, str], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OtlpSink(tls=certificate) as sink:
        endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        sender = Sender(Signal.METRICS, protocol, 1)
        (message,) = requests(collect([participant()]), RESOURCE, 1)
        assert sender.send(message).answer is Outcome.AWAY
        assert sink.tries == 0
        sender.shut_down()


def test_a_variable_that_the_exporter_cannot_take_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "zip")
    with pytest.raises(ExporterCannotStart, match=r"^OTEL_EXPORTER_OTLP_\*: .*zip.*$"):
        Sender(Signal.METRICS, "grpc", 1)


def test_an_endpoint_that_is_given_is_the_collectors_and_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with OtlpSink() as sink:
        for protocol, endpoint in (("grpc", sink.grpc_endpoint), ("http", sink.http_endpoint)):
            sender = Sender(Signal.METRICS, protocol, 5, endpoint)
            (message,) = requests(collect([participant()]), RESOURCE, 1)
            assert sender.send(message).answer is Outcome.TAKEN
            sender.shut_down()
        assert len(sink.points()) == 28


def test_a_receivers_absence_is_logged_once_per_change(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    ok, failed = Sent(Outcome.TAKEN), Sent(Outcome.AWAY, "HTTP 404")
    answers = [failed, failed, failed, ok, ok, failed, failed]
    told = iter(answers)
    delivery = MetricDelivery(lambda _request: next(told), "participants")
    messages = list(requests(collect([participant()]), RESOURCE, 1))
    outcomes = [delivery.export(messages, monotonic() + 60) for _ in answers]
    assert outcomes == [FAILED, FAILED, FAILED, OK, OK, FAILED, FAILED]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


# What a receiver does not accept as it is.


def delivery_to(sink: OtlpSink, protocol: str) -> MetricDelivery:
    endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
    return MetricDelivery(Sender(Signal.METRICS, protocol, 5, endpoint).send, "participants", 5)


def people(count: int) -> list[Collected]:
    return collect([participant(f"p{number}") for number in range(count)])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_no_delivery(
    sink: OtlpSink, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    sink.refuse, sink.refuse_with = True, (status, grpc.StatusCode.OK, "")
    delivery = delivery_to(sink, "http/protobuf")
    messages = list(requests(people(1), RESOURCE, 1))
    assert delivery.export(messages, monotonic() + 60) == FAILED
    (line,) = caplog.messages
    assert line == f"otlp: the receiver does not take participants: HTTP {status}"
    assert sink.requests == []


@BOTH
def test_everybody_arrives_at_a_receiver_that_takes_small_requests_alone(
    sink: OtlpSink, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """nginx accepts 1 MB by default; a size that was too large is not tried again."""
    most = 20_000
    sink.refuse_with = (413, grpc.StatusCode.RESOURCE_EXHAUSTED, "secret room")
    sink.refuse_metrics_with = lambda raw: len(raw) > most
    delivery = delivery_to(sink, protocol)
    gauges = people(100)
    assert delivery.export(requests(gauges, RESOURCE, 1), monotonic() + 60) == OK
    points = sink.points()
    assert len(points) == len({(p.name, tuple(p.attributes.items())) for p in points}) == 1400
    assert max(request.size for request in sink.requests) <= most
    assert sink.resources() == [{"service.name": "meet"}]
    refused = sink.tries - len(sink.requests)
    assert refused > 1
    warned = [line for line in caplog.messages if "takes no request of" in line]
    assert delivery.most_bytes
    assert len(warned) == 1
    assert f"more than {delivery.most_bytes} bytes" in warned[0]
    assert not [line for line in caplog.messages if "secret" in line]
    caplog.clear()
    sink.requests.clear()
    tries = sink.tries
    assert delivery.export(requests(gauges, RESOURCE, 2), monotonic() + 60) == OK
    assert len(sink.points()) == 1400
    assert sink.tries - tries == len(sink.requests)
    assert caplog.messages == []


@BOTH
def test_a_receiver_that_takes_no_request_at_all_ends_the_export(
    sink: OtlpSink, protocol: str
) -> None:
    sink.refuse_with = (413, grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    sink.refuse_metrics_with = lambda _raw: True
    delivery = delivery_to(sink, protocol)
    assert delivery.export(requests(people(4), RESOURCE, 1), monotonic() + 60) == FAILED
    # 52 points: down to one of them, and no further.
    assert sink.tries == 6


@BOTH
def test_our_own_metrics_go_the_same_way(sink: OtlpSink, protocol: str) -> None:
    sink.refuse_with = (413, grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    sink.refuse_metrics_with = lambda raw: len(raw) > 400
    endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
    sender = Sender(Signal.METRICS, protocol, 5, endpoint)
    reader = PeriodicExportingMetricReader(OwnMetricExporter(sender, "our own metrics"), 60_000)
    provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("test")
    for number in range(9):
        meter.create_counter(f"counted{number}").add(number)
    meter.create_histogram("taken").record(0.5)
    assert provider.force_flush()
    names = {point.name for point in sink.points()}
    assert names >= {*(f"counted{number}" for number in range(9))}
    assert "taken" in {metric.name for request in sink.requests for metric in request.metrics()}
    provider.shutdown()


@BOTH
def test_a_receiver_that_is_away_for_a_moment_is_tried_again(sink: OtlpSink, protocol: str) -> None:
    turns = iter([True, False])
    sink.refuse_metrics_with = lambda _raw: next(turns)
    delivery = delivery_to(sink, protocol)
    assert delivery.export(requests(people(1), RESOURCE, 1), monotonic() + 60) == OK
    assert sink.tries == 2


@BOTH
def test_one_who_may_not_send_is_not_tried_again_before_the_next_collection(
    sink: OtlpSink, protocol: str
) -> None:
    sink.refuse, sink.refuse_with = True, (403, grpc.StatusCode.PERMISSION_DENIED, "")
    delivery = delivery_to(sink, protocol)
    assert delivery.export(requests(people(1), RESOURCE, 1), monotonic() + 60) == FAILED
    assert sink.tries == 1


def test_halves_have_all_points_once_and_whose_they_are() -> None:
    (request,) = requests(people(3), RESOURCE, 1)
    first, second = halves(request)
    found = [
        point.SerializeToString()
        for half in (first, second)
        for metric in half.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.gauge.data_points
    ]
    whole = [
        point.SerializeToString()
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        for point in metric.gauge.data_points
    ]
    assert sorted(found) == sorted(whole)
    assert first.resource_metrics[0].resource == second.resource_metrics[0].resource


@BOTH
def test_a_receiver_that_refused_everything_gets_whole_requests_when_it_is_back(
    sink: OtlpSink, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No size was accepted, so none is remembered: a proxy's bad minute must not last for ever."""
    sink.refuse_with = (413, grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    sink.refuse_metrics_with = lambda _raw: True
    delivery = delivery_to(sink, protocol)
    assert delivery.export(requests(people(100), RESOURCE, 1), monotonic() + 60) == FAILED
    assert delivery.most_bytes is None
    assert len(caplog.messages) == 1
    sink.refuse_metrics_with = lambda _raw: False
    assert delivery.export(requests(people(100), RESOURCE, 2), monotonic() + 60) == OK
    assert len(sink.requests) == 1


@BOTH
def test_a_size_that_is_too_large_is_logged_once(
    sink: OtlpSink, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    sink.refuse_with = (413, grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    sink.refuse_metrics_with = lambda raw: len(raw) > 5_000
    delivery = delivery_to(sink, protocol)
    assert delivery.export(requests(people(100), RESOURCE, 1), monotonic() + 60) == OK
    assert len([line for line in caplog.messages if "takes no request of" in line]) == 1


def test_an_end_does_not_wait_for_a_receiver_that_is_away() -> None:
    away = Sent(Outcome.AWAY, "HTTP 503", after_seconds=50, is_passing=True)
    tried = threading.Event()

    def send(_request: object) -> Sent:
        tried.set()
        return away

    delivery = MetricDelivery(send, "participants", 60)
    messages = list(requests(people(1), RESOURCE, 1))
    outcomes: list[str] = []
    exporting = threading.Thread(
        target=lambda: outcomes.append(delivery.export(messages, monotonic() + 60))
    )
    exporting.start()
    assert tried.wait(5)
    delivery.stop()
    exporting.join(5)
    assert outcomes == [FAILED]


def test_what_failed_has_failed_whatever_is_said_of_it() -> None:
    delivery = MetricDelivery(lambda _request: Sent(Outcome.REFUSED), "participants")
    messages = list(requests(people(1), RESOURCE, 1))
    assert delivery.export(messages, monotonic() + 60) == FAILED
