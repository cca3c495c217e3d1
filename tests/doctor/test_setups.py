"""`otel-jcmc doctor` at services as they are run elsewhere: all is well, and one fault is named."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from doctor.conftest import Ask, push_and_scrape
from e2e.parts import serving
from happenings import rated
from harness import Service, eventually, push_body
from hosting import Host
from otlp_sink import OtlpSink
from redis_parts import Certificates, RedisServer

ROOMY = ("--maxmemory", "8gb", "--maxmemory-policy", "noeviction")
MASTER = "mymaster"


@contextmanager
def by_sentinel(folder: Path) -> Iterator[tuple[str, RedisServer, RedisServer]]:
    """Run a master and its one Sentinel; return the URL of both, and them."""
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer(folder / "m", *ROOMY))
        config = f"sentinel monitor {MASTER} 127.0.0.1 {master.port} 1\n"
        sentinel = stack.enter_context(RedisServer(folder / "s", sentinel=config))
        yield f"redis+sentinel://127.0.0.1:{sentinel.port}/{MASTER}/0", master, sentinel


def test_sentinel(short_path: Path, doctor: Ask) -> None:
    with (
        by_sentinel(short_path) as (url, master, _),
        Service(short_path / "a", REDIS_URL=url) as service,
    ):
        push_and_scrape(service)
        told = doctor(service, "--public-url", service.url)
        assert (told.code, told.of("wrong"), told.of("open")) == (0, [], [])
        master.kill()
        eventually(lambda: service.get("/-/ready").status == 503)
        topic, text, _ = doctor(service).wrong()
    assert (topic, text) == ("store", "the service says: Redis does not answer")


def test_a_store_by_tls(short_path: Path, doctor: Ask) -> None:
    good, other = Certificates(short_path / "good"), Certificates(short_path / "other")
    with RedisServer(short_path / "r", *good.options, *ROOMY) as server:
        url = f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={good.ca}"
        with Service(short_path / "a", REDIS_URL=url) as service:
            push_and_scrape(service)
            told = doctor(service, "--public-url", service.url)
            assert (told.code, told.of("wrong"), told.of("open")) == (0, [], [])
            server.stop()
            for name in ("certificate", "key"):
                getattr(other, name).replace(getattr(good, name))
            server.start()
            eventually(lambda: service.get("/-/ready").status == 503)
            topic, text, remedy = doctor(service).wrong()
    assert (topic, text) == ("store", "the service says: Redis does not answer")
    assert remedy.startswith(
        "its certificate is not from a CA that REDIS_URL trusts (ssl_ca_certs)"
    )


def test_a_password_that_is_wrong_is_named_as_that(short_path: Path, doctor: Ask) -> None:
    secret = "not-what-it-was"
    with RedisServer(short_path / "r", "--requirepass", "a", *ROOMY) as server:
        url = f"redis://:a@127.0.0.1:{server.port}"
        with Service(short_path / "a", REDIS_URL=url) as service:
            push_and_scrape(service)
            with server.client(password="a") as client:
                client.config_set("requirepass", secret)
                client.client_kill_filter(_type="normal", skipme=True)
            eventually(lambda: service.get("/-/ready").status == 503)
            topic, text, remedy = doctor(service).wrong()
    assert topic == "store"
    assert remedy.startswith("Redis does not accept the user and password of REDIS_URL")
    assert secret not in text + remedy


class Page(BaseHTTPRequestHandler):
    """A page of a conference, elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<script src=client-file></script>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("lifespan", ["", "1"])
def test_mounted_in_an_application(short_path: Path, doctor: Ask, lifespan: str) -> None:
    """And what its host keeps from it: a CORSMiddleware answers for all paths."""
    with serving(Page) as elsewhere:
        tokens = {"JCMC_PUSH_AUTH": "token", "JCMC_CORS_ALLOWED_ORIGINS": elsewhere}
        with mounted(short_path / "a", LIFESPAN=lifespan) as service:
            push_and_scrape(service)
            told = doctor(service, "--public-url", service.url)
            assert (told.code, told.of("wrong"), told.of("open")) == (0, [], [])
        with mounted(short_path / "b", LIFESPAN=lifespan, **tokens) as service:
            told = doctor(service, "--page", f"{elsewhere}/standup")
    found = [each for each in told.findings if (each["topic"], each["mark"]) == ("page", "wrong")]
    assert [each["text"] for each in found] == [
        "the browser's preflight before a push with a token fails (400)"
    ]
    assert "its CORSMiddleware must allow it too" in found[0]["remedy"]


@contextmanager
def mounted(folder: Path, **environ: str) -> Iterator[Service]:
    """Run a host, and return what is mounted in it as if it were a service."""
    folder.mkdir()
    with Host(folder, **environ) as host:
        service = Service(folder, JCMC_EMBEDDED_DIR=str(folder / "r"), **environ)
        service.environ["JCMC_PORT"] = "3000"
        service.url = f"{host.url}/jitsi-metrics"
        yield service


def test_several_processes(short_path: Path, doctor: Ask) -> None:
    with Service(short_path, JCMC_WORKERS="2", JCMC_LIMIT_BODY_BYTES="1500") as service:
        push = push_body()
        del push["metrics"]["transport_rtt"]
        assert service.push(push).status == 200
        assert service.get("/metrics").status == 200
        eventually(lambda: service.get("/-/doctor").json()["times"]["pushed_at"])
        eventually(lambda: service.get("/-/doctor").json()["seconds"])
        for _ in range(6):
            assert service.push({**push, "more": "x" * 1500}).status == 413
        # Each tells the one that reads twice a second.
        eventually(
            lambda: (
                service.get("/-/doctor").json()["pushes"].get("refused") == {"body_too_large": 6}
            )
        )
        topic, text, _ = doctor(service).wrong()
    assert topic == "pushes"
    assert text.startswith("6 refused in the last ")


def by_otlp(sink: OtlpSink, protocol: str) -> dict[str, str]:
    """Return the settings of a service that sends all that there is to *sink*."""
    endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
    return {
        "OTEL_METRICS_EXPORTER": "prometheus,otlp",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "400",
        "JCMC_HISTORY_INTERVAL": "1",
        "JCMC_SESSION_GRACE": "1",
    }


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_all_signals_by_otlp(short_path: Path, doctor: Ask, protocol: str) -> None:
    """And events that are not taken any more, by a receiver of their own."""
    with OtlpSink() as sink, OtlpSink() as other:
        settings = by_otlp(sink, protocol)
        of_logs = other.grpc_endpoint if protocol == "grpc" else f"{other.http_endpoint}/v1/logs"
        settings["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"] = of_logs
        with Service(short_path, **settings) as service:
            push_and_scrape(service)
            left = {"id": "a-session-of-a-page", "seq": 2, "end": {"reason": "left"}}
            assert service.push(push_body(session=left)).status == 200
            assert service.push(rated("bob", 4, "")).status == 200

            def times() -> dict[str, float]:
                told: dict[str, float] = service.get("/-/doctor").json()["times"]
                return told

            for each in ("exported_at", "spans_at", "events_at"):
                eventually(lambda each=each: times()[each], 30)  # type: ignore[misc]
            assert service.own("otel_jcmc_last_events_timestamp_seconds") == times()["events_at"]
            told = doctor(service, "--public-url", service.url)
            assert (told.code, told.of("wrong")) == (0, [])
            # What a service with an embedded store and a Collector is always told.
            assert {topic for topic, _ in told.of("open")} == {"settings"}
            texts = [text.partition(" ")[0] for topic, text in told.of("well") if topic == "logs"]
            assert texts == ["the"]
            other.refuse, other.refuse_with = True, (404, *other.refuse_with[1:])
            assert service.push(rated("bob", 2, "")).status == 200
            eventually(lambda: service.get("/-/doctor").json()["words"].get("events"), 30)
            topic, text, remedy = doctor(service).wrong()
    assert topic == "logs"
    assert text.startswith("1 events wait: the receiver does not take events: ")
    assert remedy


def test_who_sends_by_otlp_need_not_be_scraped(short_path: Path, doctor: Ask) -> None:
    with (
        OtlpSink() as sink,
        Service(
            short_path,
            OTEL_METRICS_EXPORTER="prometheus,otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
            OTEL_METRIC_EXPORT_INTERVAL="500",
            OTEL_EXPORTER_OTLP_TIMEOUT="400",
        ) as service,
    ):
        assert service.push(push_body()).status == 200
        eventually(lambda: service.get("/-/doctor").json()["times"]["exported_at"])
        told = doctor(service)
    assert told.of("wrong") == []
    assert ("scrape", "none since the service started") in told.of("open")
