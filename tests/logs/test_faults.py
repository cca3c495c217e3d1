"""Kills, a missing receiver, several processes: no event is lost; repeated ones are equal."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from calls import environ, exporter_of
from happenings import failed_join, pushed, rated
from harness import Service, eventually, request
from hosting import Host
from otlp_sink import OtlpSink
from redis_parts import RedisServer
from workers import kill_and_await, named

from otel_jcmc.store.embedded import EmbeddedStore

BEGAN, ENDED = "jitsi.session.outage.began", "jitsi.session.outage.ended"
WAITING = "otel_jcmc_events_waiting"


def sending(sink: OtlpSink, redis_url: str, **more: str) -> dict[str, str]:
    """Return the settings of a service on *redis_url* that sends spans and events; long lives."""
    return environ(sink, REDIS_URL=redis_url, OTEL_LOGS_EXPORTER="otlp", **more) | {
        "METRICS_EXPIRATION": "60"
    }


def whose(sink: OtlpSink, name: str = "") -> list[str]:
    return [str(each.attributes["jitsi.participant.id"]) for each in sink.events(name)]


def test_who_is_killed_between_the_answer_and_the_removal_has_it_sent_again_the_same(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with (
        OtlpSink() as sink,
        Service(short_path / "a", **sending(sink, redis_server.url)) as service,
    ):
        killed: list[int] = []

        def kill(_raw: bytes) -> bool:
            """Take the first request, and kill its sender before the answer."""
            if not killed and (exporter := exporter_of(service)):
                killed.append(exporter.pid)
                exporter.kill()
                exporter.wait()
            return False

        sink.refuse_logs_with = kill
        service.push(failed_join("eve"))
        eventually(lambda: len(sink.events()) == 2, 40)
        first, second = sink.events()
        assert first.message.SerializeToString() == second.message.SerializeToString()
        eventually(lambda: service.own(WAITING) == 0)
        assert len(sink.events()) == 2
        assert {*sink.log_requests[0].resources()[0].items()} == {
            *sink.log_requests[1].resources()[0].items()
        }


def test_a_receiver_that_is_away_for_a_while_gets_everything(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    sink = OtlpSink()
    with Service(short_path / "a", **sending(sink, redis_server.url)) as service:
        for number in range(40):
            service.push(failed_join(f"p{number}"))
        eventually(lambda: service.own(WAITING) == 40.0)
        with sink:
            eventually(lambda: service.own(WAITING) == 0.0, 40)
            assert sorted(whose(sink)) == sorted(f"p{number}" for number in range(40))
    said = [line for line in service.said() if "logs: the receiver" in line]
    assert ["does not take" in line for line in said] == [True, False]


def test_what_a_killed_service_had_in_redis_is_sent_by_the_next_one(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    sink = OtlpSink()
    settings = sending(sink, redis_server.url)
    with Service(short_path / "a", **settings) as service:
        service.push(pushed("ada", 9000))
        eventually(lambda: service.own(WAITING) == 1.0)
        service.stop(signal.SIGKILL)
    with sink, Service(short_path / "b", **settings) as service:
        # Any process can tell the end, because the begin is in Redis.
        eventually(lambda: sink.events(BEGAN), 25)
        service.push(pushed("ada"))
        time.sleep(1.5)
        service.push(pushed("ada"))
        (ended,) = eventually(lambda: sink.events(ENDED))
        (began,) = sink.events(BEGAN)
        assert ended.attributes["jitsi.session.outage.duration"] == 9
        instances = [
            request_.resources()[0]["service.instance.id"] for request_ in sink.log_requests
        ]
        # Each event names the process that noticed it, whichever sends it.
        assert len(set(instances)) == 2
        assert (began.trace_id, began.span_id) == (ended.trace_id, ended.span_id)


def test_a_stop_hands_over_what_was_noticed(redis_server: EmbeddedStore, short_path: Path) -> None:
    sink = OtlpSink()
    settings = sending(sink, redis_server.url)
    with Service(short_path / "a", **settings) as service:
        # Its second has just begun.
        time.sleep(1)
        service.push(failed_join("eve"))
    with sink, Service(short_path / "b", **settings):
        eventually(lambda: whose(sink) == ["eve"], 25)


def test_workers_that_take_pushes_in_turns_tell_everything_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Each push has its own connection, so the kernel chooses the worker."""
    folder = tmp_path_factory.mktemp("w", numbered=True)
    people = [f"p{number}" for number in range(12)]
    with OtlpSink() as sink, RedisServer(folder / "r") as server:
        settings = sending(sink, server.url, JCMC_WORKERS="2", TMPDIR=str(folder))
        with Service(folder / "s", **settings) as service:
            for out_ms in (0, 9000, 12_000, 0):
                for name in people:
                    assert service.push(pushed(name, out_ms)).status == 200
                # Each worker learns who is in an outage.
                time.sleep(2.2)
            for _ in range(3):
                for name in people:
                    service.push(pushed(name))
            for _ in range(3):
                for name in people:
                    service.push(rated(name, 5))
            eventually(lambda: len(sink.events()) >= 3 * len(people), 20)
            sent = 'otel_jcmc_events_total{outcome="sent"}'
            eventually(lambda: service.own(sent) == 3 * len(people))
    for name in (BEGAN, ENDED, "jitsi.session.feedback.given"):
        assert sorted(whose(sink, name)) == sorted(people)
    durations = [each.attributes["jitsi.session.outage.duration"] for each in sink.events(ENDED)]
    assert durations == [12] * len(people)
    # The service is one, whichever of its processes noticed it.
    assert len({each.resources()[0]["service.instance.id"] for each in sink.log_requests}) == 1


def test_a_killed_worker_loses_a_second_at_most(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("w", numbered=True)
    with OtlpSink() as sink, RedisServer(folder / "r") as server:
        settings = sending(sink, server.url, JCMC_WORKERS="2", TMPDIR=str(folder))
        with Service(folder / "s", **settings) as service:
            for number in range(8):
                service.push(failed_join(f"p{number}"))
            time.sleep(1.5)
            kill_and_await(service, "worker 1")
            assert "worker 1" in named(service)
            eventually(lambda: len(sink.events()) == 8)
    assert len(set(whose(sink))) == 8


def test_in_somebodys_application_it_is_the_same(short_path: Path) -> None:
    with OtlpSink() as sink:
        settings: dict[str, Any] = environ(sink, OTEL_LOGS_EXPORTER="otlp")
        with Host(short_path, **settings) as host:
            url = f"{host.url}/jitsi-metrics/metrics/push"
            eventually(lambda: request(url, pushed("ada", 9000)).status == 200)
            eventually(lambda: whose(sink, BEGAN) == ["ada"], 25)
            request(url, pushed("ada"))
            eventually(lambda: whose(sink, ENDED) == ["ada"])


def test_of_two_services_one_sends_and_the_other_takes_over(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with OtlpSink() as sink:
        settings = sending(sink, redis_server.url)
        services = []
        try:
            for name in ("a", "b"):
                headers = {"OTEL_EXPORTER_OTLP_LOGS_HEADERS": f"x-replica={name}"}
                services.append(Service(short_path / name, **settings, **headers).start())
                if name == "a":
                    eventually(lambda: "logs: this replica sends" in services[0].log.read_text())
            services[1].push(failed_join("eve"))
            eventually(lambda: whose(sink) == ["eve"])
            assert {each.headers["x-replica"] for each in sink.log_requests} == {"a"}
            services[0].stop(signal.SIGKILL)
            services[1].push(failed_join("bob"))
            eventually(lambda: whose(sink) == ["eve", "bob"], 25)
            assert sink.log_requests[-1].headers["x-replica"] == "b"
        finally:
            for service in services:
                service.stop()


def test_one_event_that_is_never_taken_goes_and_the_others_are_taken(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with (
        OtlpSink() as sink,
        Service(short_path / "a", **sending(sink, redis_server.url)) as service,
    ):
        sink.refuse_with = (400, sink.refuse_with[1], "no")
        sink.refuse_logs_with = lambda raw: b"mallory" in raw
        for name in ("ada", "mallory", "bob"):
            service.push(failed_join(name))
        eventually(lambda: sorted(whose(sink)) == ["ada", "bob"])
        eventually(lambda: service.own('otel_jcmc_events_total{outcome="rejected"}') == 1)
        assert service.own(WAITING) == 0


def test_what_stands_out_is_told_by_the_services_own_looks(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    """A completely bad conference, until a look has seen it: ten seconds."""
    with (
        OtlpSink() as sink,
        Service(short_path / "a", **sending(sink, redis_server.url)) as service,
    ):
        for name in ("ada", "bob", "eve", "joe"):
            # Its state lasts until the look.
            session = {"id": f"session-of-{name}", "interval_ms": 20_000}
            body = pushed(name, 9000, conference="bad-room", session=session)
            assert service.push(body).status == 200
        (event,) = eventually(lambda: sink.events("jitsi.standing_out.began"), 40)
    assert event.attributes["jitsi.verdict.scope"] == "conference"
    assert event.attributes["jitsi.standing_out.name"] == "bad-room"
    assert event.attributes["jitsi.standing_out.participants.bad"] == 4
    assert (event.severity, event.trace_id) == ("WARN", "")
