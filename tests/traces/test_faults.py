"""Kills, a missing receiver, two services on one Redis: each session is sent exactly once."""

import itertools
import random
import signal
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

from calls import body, by_participant, environ, exporter_of, leave
from harness import Service, eventually
from otlp_sink import OtlpSink
from redis_parts import RedisServer
from sink_requests import SinkSpan

from otel_jcmc.store.embedded import EmbeddedStore


class Crowd:
    """
    Participants that come and go at random, at whichever service answers.

    Attributes:
        acknowledged: participants with an acknowledged push.
    """

    def __init__(self, services: list[Service], seed: int) -> None:
        self.acknowledged: set[str] = set()
        self._services = services
        self._chance = random.Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _push(self, pushed: dict[str, Any]) -> bool:
        with suppress(Exception):
            answer = self._chance.choice(self._services).push(pushed, timeout=2)
            return answer.status == 200
        return False

    def _run(self) -> None:
        for number in itertools.count():
            if self._stopped.wait(0.01):
                return
            name, room = f"p{number}", f"room-{number % 3}"
            if self._push(body(name, conference=room)):
                self.acknowledged.add(name)
            if self._chance.random() < 0.5:
                self._push(leave(name, conference=room))

    def __enter__(self) -> "Crowd":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


def legs(client: Any) -> dict[str, str]:
    """Return every leg in Redis: its sid and its session."""
    return {
        key.decode().rpartition(":")[2]: client.hget(key, "session").decode()
        for key in client.scan_iter("jcmc:*:session:*", count=1000)
    }


def told_by(spans: list[SinkSpan]) -> dict[str, set[bytes]]:
    """Return the spans of each leg; equal repetitions count once."""
    found = defaultdict(set)
    for span in spans:
        found[str(span.attributes["jitsi.session.key"])].add(span.message.SerializeToString())
    return found


def test_kills_at_any_moment_lose_no_session_and_send_none_twice_under_other_ids(
    short_path: Path,
) -> None:
    """Two services on one Redis, killed and started again while participants come and go."""
    chance = random.Random(19)
    with (
        OtlpSink() as sink,
        RedisServer(short_path / "r", "--appendonly", "yes", "--appendfsync", "always") as server,
    ):
        settings = environ(sink, REDIS_URL=server.url)
        services = [Service(short_path / name, **settings) for name in ("a", "b")]
        try:
            for service in services:
                service.start()
            with Crowd(services, 7) as crowd:
                for round_ in range(9):
                    time.sleep(chance.uniform(0.2, 0.9))
                    victim = services[round_ % 2]
                    if round_ in (2, 5):
                        victim.stop(signal.SIGKILL)
                        victim.start()
                    elif round_ == 4:
                        server.kill()
                        server.start()
                    elif exporter := exporter_of(victim):
                        exporter.kill()
                    sink.refuse = round_ in (1, 3, 7)
            sink.refuse = False
            with server.client() as client:
                known = legs(client)
                eventually(lambda: told_by(sink.spans("jitsi.session")).keys() >= known.keys(), 45)
                rooms = eventually(
                    lambda: (
                        found
                        if not any(client.zcard(f"jcmc:{{0{each}}}:emptied") for each in range(4))
                        and len(found := sink.spans("jitsi.conference")) >= 3
                        else []
                    )
                )
        finally:
            for service in services:
                service.stop()
    told = told_by(sink.spans("jitsi.session"))
    assert told.keys() == known.keys()
    assert {len(each) for each in told.values()} == {1}
    assert {f"session-of-{name}" for name in crowd.acknowledged} <= {*known.values()}
    assert len(crowd.acknowledged) > 100
    # All spans of a trace, and each root once.
    of_rooms: dict[str, set[bytes]] = defaultdict(set)
    for span in rooms:
        of_rooms[span.span_id].add(span.message.SerializeToString())
    assert {len(each) for each in of_rooms.values()} == {1}
    parents = {span.parent_id for span in sink.spans("jitsi.session")}
    assert parents == of_rooms.keys()
    # The owner is known, although processes were killed with the log.
    assert all("jitsi.conference.name" in span.attributes for span in sink.spans())


def test_a_receiver_that_is_away_for_a_while_gets_everything(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    sink = OtlpSink()
    settings = environ(sink, REDIS_URL=redis_server.url)
    waiting = "otel_jcmc_spans_waiting"
    with Service(short_path / "a", **settings) as service:
        for number in range(40):
            service.push(body(f"p{number}"))
            service.push(leave(f"p{number}"))
        # All of them, and their conference.
        eventually(lambda: service.own(waiting) == 41.0)
        with sink:
            eventually(lambda: service.own(waiting) == 0.0, 40)
            assert len(by_participant(sink)) == 40
            assert len(sink.spans("jitsi.conference")) == 1
    said = [line for line in service.said() if "traces: the receiver" in line]
    assert ["does not take" in line for line in said] == [True, False]


def test_of_two_services_one_sends_and_the_other_takes_over(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with OtlpSink() as sink:
        settings = environ(sink, REDIS_URL=redis_server.url)
        services = []
        try:
            for name in ("a", "b"):
                headers = {"OTEL_EXPORTER_OTLP_HEADERS": f"x-replica={name}"}
                services.append(Service(short_path / name, **settings, **headers).start())
                if name == "a":
                    eventually(lambda: "this replica sends" in services[0].log.read_text())
            services[1].push(body("ada"))
            services[1].push(leave("ada"))
            eventually(lambda: sink.spans("jitsi.session"))
            assert {each.headers["x-replica"] for each in sink.trace_requests} == {"a"}
            services[1].push(body("bob"))
            services[0].stop(signal.SIGKILL)
            services[1].push(leave("bob"))
            eventually(lambda: "bob" in by_participant(sink), 25)
            assert sink.trace_requests[-1].headers["x-replica"] == "b"
        finally:
            for service in services:
                service.stop()
