"""
Demands of receivers, on a real Collector: client certificates, a proxy, compression, small limits.

tests/otlp tests with the sink what a Collector cannot do: redirects, odd answers, partial success.
"""

import json
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import calls
import pytest
from collector.built import Collector
from harness import Service, eventually
from otlp_sink import OtlpSink
from redis_parts import Certificates

from otel_jcmc.catalogue.attributes import PARTICIPANT

pytestmark = pytest.mark.xdist_group("receivers")

PROTOCOLS = ["grpc", "http/protobuf"]


def merged(**config: Any) -> str:
    """Return the settings that the Collector merges over its file."""
    return f"yaml:{json.dumps(config)}"


def both(grpc: dict[str, Any], http: dict[str, Any] | None = None) -> str:
    """Return the settings for both receivers."""
    protocols = {"grpc": grpc, "http": grpc if http is None else http}
    return merged(receivers={"otlp": {"protocols": protocols}})


def place(behind: OtlpSink) -> str:
    """Return the address at which a Collector reaches *behind*."""
    return urlsplit(behind.grpc_endpoint).netloc


def sessions(behind: OtlpSink) -> set[str]:
    """Return the participants whose sessions came through the Collector."""
    return {str(span.attributes[PARTICIPANT.otel_name]) for span in behind.spans("jitsi.session")}


def serving(folder: Path, collector: Collector, protocol: str, **more: str) -> Service:
    """Return a service that sends metrics and spans to *collector*."""
    endpoint = collector.grpc_endpoint if protocol == "grpc" else collector.http_endpoint
    if "OTEL_EXPORTER_OTLP_CERTIFICATE" in more:
        endpoint = endpoint.replace("http:", "https:")
    return Service(
        folder,
        OTEL_METRICS_EXPORTER="prometheus,otlp",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        OTEL_METRIC_EXPORT_INTERVAL="300",
        JCMC_SESSION_GRACE="1",
        METRICS_EXPIRATION="120",
        JCMC_HISTORY_INTERVAL="1",
        # They would win (docs/operations.md), and some machines have them.
        REQUESTS_CA_BUNDLE="",
        CURL_CA_BUNDLE="",
        **more,
    )


def is_shown(collector: Collector, participant: str) -> bool:
    """Say whether *participant* is on the Collector's page."""
    return any(f'participant_id="{participant}"' in each for each in collector.series())


def failures(service: Service) -> float:
    """Return the number of failed exports."""
    return service.own('otel_jcmc_exports_total{exporter="otlp",outcome="failed"}') or 0


def holds_a_call(service: Service) -> None:
    """Let Ada come and stay, and Bob come and go."""
    assert service.push(calls.body("ada")).status == 200
    assert service.push(calls.body("bob")).status == 200
    assert service.push(calls.leave("bob")).status == 200


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_that_asks_for_a_certificate_gets_it(protocol: str, short_path: Path) -> None:
    ours, theirs = Certificates(short_path / "ours"), Certificates(short_path / "theirs")
    tls = {
        "cert_file": str(theirs.certificate),
        "key_file": str(theirs.key),
        "client_ca_file": str(ours.ca),
    }
    with (
        OtlpSink() as behind,
        Collector(short_path / "c", both({"tls": tls}), tempo=place(behind)) as collector,
    ):
        trusted = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(theirs.ca)}
        shown = {
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(ours.certificate),
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(ours.key),
        }
        with serving(short_path / "a", collector, protocol, **trusted) as service:
            holds_a_call(service)
            eventually(lambda: failures(service) >= 2, 30)
            assert not is_shown(collector, "ada")
        with serving(short_path / "b", collector, protocol, **trusted, **shown) as service:
            holds_a_call(service)
            eventually(lambda: is_shown(collector, "ada"), 30)
            eventually(lambda: "bob" in sessions(behind), 30)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_compressed_arrives(protocol: str, short_path: Path) -> None:
    with (
        OtlpSink() as behind,
        Collector(short_path / "c", tempo=place(behind)) as collector,
        serving(
            short_path / "a", collector, protocol, OTEL_EXPORTER_OTLP_COMPRESSION="gzip"
        ) as service,
    ):
        holds_a_call(service)
        eventually(lambda: is_shown(collector, "ada"), 30)
        eventually(lambda: "bob" in sessions(behind), 30)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_arrive_at_a_collector_that_takes_small_requests_alone(
    protocol: str, short_path: Path
) -> None:
    """With such long names, one takes 6 kB; for gRPC a Collector's smallest limit is 1 MiB."""
    many = 250 if protocol == "grpc" else 60
    small = both({"max_recv_msg_size_mib": 1}, {"max_request_body_size": 200_000})
    with (
        Collector(short_path / "c", small) as collector,
        serving(short_path / "a", collector, protocol) as service,
    ):
        for number in range(many):
            assert service.push(calls.body(f"p{number}", conference="x" * 200)).status == 200
        quality = [f'participant_id="p{number}"' for number in range(many)]

        def are_shown() -> bool:
            shown = "\n".join(
                each for each in collector.series() if each.startswith("jitsi_jcmc_connectionq")
            )
            return all(each in shown for each in quality)

        eventually(are_shown, 30)
        eventually(lambda: any("takes no request of more than" in each for each in service.said()))


class ProxyThatTunnels:
    """An HTTP proxy that only does CONNECT; a context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with suppress(OSError), near:
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(4096)
            method, where, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            assert method == "CONNECT"
            self.asked.append(where)
            host, _, port = where.rpartition(":")
            with socket.create_connection((host, int(port))) as far:
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
                back.start()
                self._pump(near, far)

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while received := one.recv(65_536):
                other.sendall(received)
            other.shutdown(socket.SHUT_WR)

    def __enter__(self) -> "ProxyThatTunnels":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_proxy_in_between_is_asked_where_the_environment_names_one(
    protocol: str, short_path: Path
) -> None:
    theirs = Certificates(short_path / "theirs")
    tls = {"cert_file": str(theirs.certificate), "key_file": str(theirs.key)}
    with (
        ProxyThatTunnels() as proxy,
        OtlpSink() as behind,
        Collector(short_path / "c", both({"tls": tls}), tempo=place(behind)) as collector,
        serving(
            short_path / "a",
            collector,
            protocol,
            OTEL_EXPORTER_OTLP_CERTIFICATE=str(theirs.ca),
            HTTPS_PROXY=proxy.url,
            https_proxy=proxy.url,
            NO_PROXY="",
            no_proxy="",
        ) as service,
    ):
        holds_a_call(service)
        eventually(lambda: is_shown(collector, "ada"), 30)
        eventually(lambda: "bob" in sessions(behind), 30)
        endpoint = collector.grpc_endpoint if protocol == "grpc" else collector.http_endpoint
        assert set(proxy.asked) == {urlsplit(endpoint).netloc}
