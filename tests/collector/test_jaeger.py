"""
Conferences as traces in a real Jaeger: found by the usual searches, with their tree and times.

The service sends by gRPC and by HTTP, directly or through the Collector with its shipped file. The
tests use Jaeger's own API, as its page does.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import calls
import pytest
from clock import Clock
from collector.built import Collector, Jaeger, running_jaeger
from harness import Service, eventually
from redis_parts import RedisServer

from otel_jcmc.store.embedded import find_server

pytestmark = pytest.mark.xdist_group("jaeger")

HOURS = 5
US = 1_000_000
# The interval that each push announces; a participant that is late by twice that has expired.
STEP_SECONDS = 80


def settings(endpoint: str, protocol: str = "grpc", **more: str) -> dict[str, str]:
    """Return the settings with which a service sends spans there."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "JCMC_SESSION_GRACE": "1",
        "METRICS_EXPIRATION": "1",
        "JCMC_HISTORY_INTERVAL": "1",
        **more,
    }


def tags(**asked: str) -> str:
    """Return a search for tags; `_` stands for a dot."""
    return json.dumps({name.replace("_", "."): text for name, text in asked.items()})


def told(span: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a span in Jaeger."""
    return {each["key"]: each["value"] for each in span["tags"]}


def spans(traces: list[dict[str, Any]], name: str = "jitsi.session") -> list[dict[str, Any]]:
    """Return the spans of that name in *traces*."""
    return [each for trace in traces for each in trace["spans"] if each["operationName"] == name]


def people(traces: list[dict[str, Any]]) -> set[str]:
    """Return the participants whose sessions are in *traces*."""
    return {str(told(each)["jitsi.participant.id"]) for each in spans(traces)}


@pytest.fixture(scope="module")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    with running_jaeger(tmp_path_factory.mktemp("j")) as running:
        yield running


@pytest.fixture(scope="module", params=["grpc", "http/protobuf", "collector"])
def found(
    jaeger: Jaeger, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Jaeger, str]]:
    """
    Return a Jaeger with two conferences, and the name of the service that sent them.

    In `standup`, Ada's call is good; Bob's uplink is bad and his call fails; Cleo vanishes and
    comes back after the grace. In `calm`, Dora's call is good, on another bridge in another region.
    """
    folder = tmp_path_factory.mktemp("s", numbered=True)
    name = f"meet-by-{str(request.param).partition('/')[0]}"
    collector = None
    protocol, endpoint = request.param, jaeger.http_endpoint
    if request.param == "grpc":
        endpoint = jaeger.grpc_endpoint
    if request.param == "collector":
        place = jaeger.grpc_endpoint.removeprefix("http://")
        collector = Collector(folder / "c", tempo=place).start()
        protocol, endpoint = "grpc", collector.grpc_endpoint
    try:
        with Service(
            folder / "a", OTEL_SERVICE_NAME=name, **settings(endpoint, protocol)
        ) as service:
            hold(service)
            # All have become spans: of the three participants in one trace, Cleo has two.
            eventually(lambda: len(spans(jaeger.traces(name))) == 5, 60)
            eventually(lambda: len(spans(jaeger.traces(name), "jitsi.conference")) == 2, 60)
            yield jaeger, name
    finally:
        if collector is not None:
            collector.stop()


def hold(service: Service) -> None:
    """Run both conferences, and return when all participants have gone."""

    def push(who: str, room: str = "standup", region: str = "eu-west", loss_up: int = 0) -> None:
        pushed = calls.body(who, loss_up=loss_up, conference=room)
        pushed["metrics"]["connectionquality"]["labels"] = {
            "serverregion": region,
            "bridge": f"jvb-{region}",
        }
        assert service.push(pushed).status == 200

    for _ in range(3):
        for who in ("ada", "cleo"):
            push(who)
        push("bob", loss_up=30)
        push("dora", "calm", "us-east")
        time.sleep(0.4)
    assert service.push(calls.leave("bob", "failed")).status == 200
    assert service.push(calls.leave("dora", conference="calm")).status == 200
    # Cleo is silent for longer than her time to live and the grace, while Ada keeps the conference.
    for _ in range(12):
        push("ada")
        time.sleep(0.4)
    for _ in range(3):
        push("ada")
        push("cleo")
        time.sleep(0.4)
    for who in ("ada", "cleo"):
        assert service.push(calls.leave(who)).status == 200


def test_a_trace_is_found_by_service_conference_bad_and_region(found: tuple[Jaeger, str]) -> None:
    jaeger, name = found
    assert name in jaeger.ask("services")

    def ask(**asked: str) -> set[str]:
        return people(jaeger.traces(name, tags=tags(**asked)))

    standup, calm = {"ada", "bob", "cleo"}, {"dora"}
    assert people(jaeger.traces(name)) == standup | calm
    assert ask(jitsi_conference_name="standup") == standup
    assert ask(jitsi_conference_name="calm") == calm
    # Bad or failed sessions are errors, which Jaeger's page marks.
    assert ask(error="true") == standup
    assert ask(jitsi_region="us-east") == calm
    assert ask(jitsi_region="eu-west") == standup
    assert ask(jitsi_verdict_bad_region="eu-west") == standup
    assert ask(jitsi_verdict_bad_region="us-east") == set()
    assert ask(jitsi_verdict_cause="uplink") == standup
    assert ask(jitsi_participant_id="dora") == calm
    assert ask(jitsi_session_end_reason="failed") == standup
    assert ask(jitsi_conference_name="nobody") == set()


def test_a_conference_is_a_tree_and_a_leg_is_linked_to_the_one_before(
    found: tuple[Jaeger, str],
) -> None:
    jaeger, name = found
    (trace,) = jaeger.traces(name, tags=tags(jitsi_conference_name="standup"))
    (root,) = spans([trace], "jitsi.conference")
    assert not root["references"]
    assert told(root)["jitsi.conference.sessions.count"] == 4
    sessions = spans([trace])
    parents = [
        each["spanID"]
        for session in sessions
        for each in session["references"]
        if each["refType"] == "CHILD_OF"
    ]
    assert parents == [root["spanID"]] * 4
    legs = {
        told(each)["jitsi.session.leg"]: each
        for each in sessions
        if told(each)["jitsi.participant.id"] == "cleo"
    }
    assert [
        (each["traceID"], each["spanID"])
        for each in legs[2]["references"]
        if each["refType"] == "FOLLOWS_FROM"
    ] == [(legs[1]["traceID"], legs[1]["spanID"])]
    (bob,) = [each for each in sessions if told(each)["jitsi.participant.id"] == "bob"]
    assert told(bob)["error"] is True
    assert told(bob)["jitsi.session.end.reason"] == "failed"
    names = [
        field["value"] for log in bob["logs"] for field in log["fields"] if field["key"] == "event"
    ]
    assert names == ["jitsi.session.verdict.bad"]
    # All of them are within the conference.
    end = root["startTime"] + root["duration"]
    for each in sessions:
        assert root["startTime"] <= each["startTime"]
        assert each["startTime"] + each["duration"] <= end
    (process,) = trace["processes"].values()
    assert process["serviceName"] == name


def test_the_times_of_a_call_of_hours_are_right(jaeger: Jaeger, short_path: Path) -> None:
    """By Redis's clock, which the test moves: a push each 80 s for five hours."""
    clock = Clock(short_path / "c")
    clock.set(-HOURS * 3600)
    began = time.time() - HOURS * 3600
    with (
        RedisServer(short_path / "r", environ=clock.environ, binary=find_server()) as server,
        Service(
            short_path / "a",
            REDIS_URL=server.url,
            OTEL_SERVICE_NAME="meet-for-hours",
            **settings(jaeger.grpc_endpoint, METRICS_EXPIRATION="300"),
        ) as service,
    ):
        for seconds in range(-HOURS * 3600, 1, STEP_SECONDS):
            clock.set(seconds)
            assert service.push(calls.body("ada")).status == 200
        assert service.push(calls.leave("ada")).status == 200
        ended = time.time()
        eventually(lambda: spans(jaeger.traces("meet-for-hours"), "jitsi.conference"), 60)
        at = int((began - 60) * US)
        window = {"start": at, "end": at + 120 * US}
        assert people(jaeger.traces("meet-for-hours", **window)) == {"ada"}
        (trace,) = jaeger.traces("meet-for-hours", **window)
        later = {"start": int((ended - 3600) * US), "end": int((ended + 60) * US)}
        late = jaeger.traces("meet-for-hours", **later)
    (session,) = spans([trace])
    assert session["startTime"] / US == pytest.approx(began, abs=30)
    assert (session["startTime"] + session["duration"]) / US == pytest.approx(ended, abs=30)
    # As the docs say: Jaeger searches by the begin of a span.
    assert late == []
