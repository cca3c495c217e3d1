"""The service with OTLP, to a real receiver: what arrives, who sends it, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import psutil
import pytest
import redis
from harness import CLIENT_ID, Service, eventually, push_body
from otlp_sink import OtlpSink
from people import apart, with_head
from series_names import OURS
from sink_requests import Point, Request

from otel_jcmc.otlp.told import TIMES
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.participant import to_write
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

INTERVAL_MS = "200"
OWN, JITSI = "otel_jcmc", "jitsi_"
WHATS = ("participants", "our own metrics")


def environ(sink: OtlpSink, **more: str) -> dict[str, str]:
    """Return the settings with which a service often exports to *sink* by HTTP."""
    return {
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": INTERVAL_MS,
        # Other tests are about series of several participants.
        "JCMC_SERIES": "participants",
        **more,
    }


def processes_of(service: Service) -> list[psutil.Process]:
    """Return the processes that *service* started."""
    return psutil.Process(service.pid).children(recursive=True)


def exporter_of(service: Service) -> psutil.Process | None:
    """Return the exporter's process of *service*, if it is there."""
    for each in processes_of(service):
        with suppress(psutil.Error):
            if "export" in each.cmdline():
                return each
    return None


def are_gone(processes: list[psutil.Process]) -> bool:
    return all(not each.is_running() or each.status() == psutil.STATUS_ZOMBIE for each in processes)


def next_pushes(sink: OtlpSink, count: int = 2, prefix: str = JITSI) -> list[Request]:
    """Wait for *count* more requests of *prefix*; only the first may have begun before."""
    before = len(sink.requests_of(prefix))
    return eventually(
        lambda: found if len(found := sink.requests_of(prefix)[before:]) >= count else []
    )


def who(pushed: Request) -> dict[str, float]:
    """Return the participants of one request, with their connection quality."""
    points = pushed.points("jitsi_jcmc_connectionquality")
    found = {str(point.attributes["participant_id"]): point.value for point in points}
    assert len(found) == len(points)
    return found


def body(participant: str, quality: float = 97.5, **changes: Any) -> dict[str, Any]:
    """Return a push that lasts for a minute."""
    changes.setdefault("session", {"id": f"session-of-{participant}", "interval_ms": 20_000})
    made = push_body(participant, **changes)
    made["metrics"]["connectionquality"]["value"] = quality
    return made


class Parts:
    """A receiver, a Redis, and a service between them."""

    def __init__(self, folder: Path) -> None:
        self.sink = OtlpSink()
        self.redis = EmbeddedStore(folder / "r")
        self.service = Service(
            folder / "a",
            **environ(
                self.sink,
                REDIS_URL=self.redis.url,
                METRICS_EXPIRATION="1",
                OTEL_SERVICE_NAME="meet",
                OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
                OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc",
            ),
        )

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        with ExitStack() as starting:
            starting.enter_context(self.sink)
            self.redis.start()
            starting.callback(self.redis.stop)
            starting.enter_context(self.service)
            self._stack = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with Parts(tmp_path_factory.mktemp("x")) as parts:
        yield parts


@pytest.fixture
def parts(shared: Parts) -> Parts:
    """Return the parts, with one participant that stays."""
    if shared.service.process is None or shared.service.process.poll() is not None:
        shared.service.start()
    assert shared.service.push(body("anchor")).body == "OK"
    eventually(lambda: "anchor" in who(next_pushes(shared.sink)[-1]))
    return shared


together = pytest.mark.xdist_group("exporter")


@together
def test_a_participant_arrives_by_http(parts: Parts) -> None:
    parts.service.push(body("ada", 42))
    points = next_pushes(parts.sink)[-1].points(JITSI)
    identity = {"client_id": CLIENT_ID, "participant_id": "ada", "roomname": "standup"}
    assert Point("jitsi_jcmc_bandwidth_upload", identity, 2900) in points
    rtt = {"protocol": "udp", "networkType": "wifi"}
    assert Point("jitsi_jcmc_transport_rtt", identity | rtt, 41) in points
    described = {
        "browser_name": "Chrome",
        "browser_version": "126.0.0.0",
        "os_name": "Windows",
        "os_version": "10",
        "serverregion": "eu-west",
    }
    assert Point("jitsi_jcmc_connectionquality", identity | described, 42) in points
    told = [point for point in points if point.attributes == identity and point.name not in OURS]
    assert len(told) == 11


@together
def test_who_left_is_not_in_the_next_push(parts: Parts) -> None:
    parts.service.push(body("ada"))
    assert who(next_pushes(parts.sink)[-1]).keys() >= {"ada", "anchor"}
    leave = {"id": "session-of-ada", "end": {"reason": "left"}}
    assert parts.service.push(body("ada", session=leave)).body == "OK"
    # The first request may have read Redis before.
    for pushed in next_pushes(parts.sink, 4)[1:]:
        assert "anchor" in who(pushed)
        assert "ada" not in who(pushed)


@together
def test_who_expired_is_not_in_the_next_push(parts: Parts) -> None:
    began = time.monotonic()
    parts.service.push(push_body("brief"))
    assert "brief" in who(next_pushes(parts.sink)[-1])
    time.sleep(max(0.0, began + 1.1 - time.monotonic()))
    for pushed in next_pushes(parts.sink)[1:]:
        assert "anchor" in who(pushed)
        assert "brief" not in who(pushed)


def over(pushed: Request) -> set[str]:
    """Return the participants whose quality one request ends."""
    return {str(told["participant_id"]) for _, told in pushed.over("jitsi_jcmc_connectionquality")}


@together
def test_a_leaver_is_told_as_over_at_the_next_export(parts: Parts) -> None:
    session = {"id": "session-of-eve", "interval_ms": 20_000}
    parts.service.push(body("eve", session=session))
    eventually(lambda: "eve" in who(next_pushes(parts.sink)[-1]))
    before = len(parts.sink.requests_of(JITSI))
    left = session | {"seq": 1, "end": {"reason": "left"}}
    assert parts.service.push(push_body("eve", session=left, metrics={})).body == "OK"
    pushes = eventually(
        lambda: found if len(found := parts.sink.requests_of(JITSI)[before:]) >= 6 else []
    )
    told = [(("eve" in who(each)), ("eve" in over(each))) for each in pushes]
    # The first one may have been on its way.
    assert told[1:5] == [(False, True), (False, True), (False, False), (False, False)] or (
        told[:4] == [(False, True), (False, True), (False, False), (False, False)]
    )
    assert all("anchor" not in over(each) for each in pushes)


@together
def test_a_series_with_other_labels_is_another(parts: Parts) -> None:
    """The old series is ended, so that a receiver does not count the participant twice."""
    parts.service.push(body("fay"))
    eventually(lambda: "fay" in who(next_pushes(parts.sink)[-1]))
    moved = body("fay")
    moved["metrics"]["connectionquality"]["labels"] = {"serverregion": "ap-south"}
    parts.service.push(moved)
    heard = eventually(
        lambda: [each for each in parts.sink.requests_of(JITSI) if "fay" in over(each)]
    )[0]
    assert "fay" in who(heard)
    regions = {
        told.get("serverregion")
        for _, told in heard.over("jitsi_jcmc_connectionquality")
        if told["participant_id"] == "fay"
    }
    assert regions == {"eu-west"}
    # A series with the same labels goes on.
    assert not [
        told for _, told in heard.over("jitsi_jcmc_bitrate") if told["participant_id"] == "fay"
    ]


@together
def test_our_own_metrics_arrive(parts: Parts) -> None:
    (*_, last) = next_pushes(parts.sink, 3, OWN)
    points = {point.name: point for point in last.points(OWN)}
    assert points.keys() >= {
        *("otel_jcmc.pushes", "otel_jcmc.store_up", "otel_jcmc.build_info", "otel_jcmc.exports"),
        *("otel_jcmc.participants", "otel_jcmc.conferences", "otel_jcmc.push_duration"),
        "otel_jcmc.collection_duration",
    }
    assert points["otel_jcmc.store_up"].value == 1
    assert points["otel_jcmc.participants"].value >= 1
    assert Point("otel_jcmc.pushes", {"outcome": "accepted", "reason": ""}, 1) not in last.points()
    exports = [point for point in last.points("otel_jcmc.exports") if point.value > 1]
    assert [point.attributes for point in exports] == [{"exporter": "otlp", "outcome": "ok"}]
    assert points["otel_jcmc.collection_duration"].attributes == {"exporter": "otlp"}


@together
def test_the_resource_is_the_service_and_for_our_own_metrics_its_instance(parts: Parts) -> None:
    """A participant's series must not change if another replica exports it."""
    theirs = next_pushes(parts.sink)[-1].resource()
    ours = next_pushes(parts.sink, prefix=OWN)[-1].resource()
    for resource in (theirs, ours):
        assert resource["service.name"] == "meet"
        assert resource["deployment.environment.name"] == "test"
    assert "service.instance.id" not in theirs
    assert len(ours["service.instance.id"]) == 36
    assert all(pushed.points(OWN) == [] for pushed in parts.sink.requests if pushed.points(JITSI))


@together
def test_all_say_which_conventions_their_names_are_of(parts: Parts) -> None:
    parts.service.push(body("ada"))
    eventually(lambda: parts.sink.requests_of("otel_jcmc") and parts.sink.requests_of(JITSI))
    for request in list(parts.sink.requests):
        for of in request.message.resource_metrics:
            told = {of.schema_url, *(scope.schema_url for scope in of.scope_metrics)}
            assert told == {"https://opentelemetry.io/schemas/1.44.0"}


@together
def test_headers_arrive_with_both(parts: Parts) -> None:
    for prefix in (JITSI, OWN):
        assert next_pushes(parts.sink, prefix=prefix)[-1].headers["authorization"] == "Bearer abc"


@together
def test_without_prometheus_there_is_no_scrape(parts: Parts) -> None:
    assert parts.service.get("/metrics").status == 404


@together
def test_a_killed_exporter_is_started_again(parts: Parts) -> None:
    exporter = exporter_of(parts.service)
    assert exporter is not None
    exporter.kill()
    assert parts.service.push(body("anchor")).body == "OK"
    # A killed process may remain visible for a moment.
    eventually(lambda: exporter_of(parts.service) not in (None, exporter))
    assert "anchor" in who(next_pushes(parts.sink)[-1])
    assert "the exporter ended (-9)" in parts.service.log.read_text()


@together
def test_without_redis_nobody_is_pushed_and_store_up_is_0(parts: Parts) -> None:
    """No value is better than an old one, for the participants and for their number."""
    assert parts.redis.pid is not None
    os.kill(parts.redis.pid, signal.SIGKILL)
    try:
        eventually(lambda: not parts.redis.is_running)
        eventually(
            lambda: (
                Point("otel_jcmc.store_up", {}, 0)
                in next_pushes(parts.sink, prefix=OWN)[-1].points()
            )
        )
        pushed = len(parts.sink.requests_of(JITSI))
        (*_, last) = next_pushes(parts.sink, 3, OWN)
        names = {point.name for point in last.points()}
        assert not names & {"otel_jcmc.participants", "otel_jcmc.conferences"}
        assert len(parts.sink.requests_of(JITSI)) == pushed
        # No participant remains with its last value.
        gone = [each for each in parts.sink.requests if "anchor" in over(each)]
        assert len(gone) == TIMES
    finally:
        parts.redis.restart()
    assert parts.service.push(body("ada", 7)).body == "OK"
    assert who(next_pushes(parts.sink)[-1]) == {"ada": 7}


@together
def test_the_exporter_ends_with_the_service(parts: Parts) -> None:
    for how, expected in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 0)):
        processes = eventually(lambda: processes_of(parts.service))
        began = time.monotonic()
        assert parts.service.stop(how) == expected
        assert time.monotonic() - began < 5
        eventually(partial(are_gone, processes), 5 if how is signal.SIGKILL else 0)
        if how is signal.SIGTERM:
            # The last export has the counts until the end.
            assert parts.sink.requests_of(OWN)[-1].at > began
        else:
            parts.service.start()


def test_by_grpc_and_by_scrape_at_once(redis_server: EmbeddedStore, short_path: Path) -> None:
    with OtlpSink() as sink:
        settings = environ(
            sink,
            OTEL_METRICS_EXPORTER="prometheus,otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.grpc_endpoint,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=meet",
            JCMC_NAMING="otel",
            REDIS_URL=redis_server.url,
        )
        with Service(short_path / "a", **settings) as service:
            service.push(body("ada", 42))
            pushed = next_pushes(sink, prefix="jitsi.client")[-1]
            own = next_pushes(sink, prefix=OWN)[-1]
            scraped = service.series("jitsi_client_connection_quality")
            quality = next(iter(pushed.points("jitsi.client.connection.quality")))
            processes = processes_of(service)
            began = time.monotonic()
            assert service.stop(signal.SIGINT) == 0
            assert time.monotonic() - began < 5
            assert are_gone(processes)
    assert quality.value == 42
    labels = {name.replace(".", "_"): text for name, text in quality.attributes.items()}
    ((series, value),) = scraped.items()
    assert value == 42
    assert all(f'{name}="{text}"' in series for name, text in labels.items())
    assert {pushed.transport, own.transport} == {"grpc"}
    assert pushed.headers["x-tenant"] == own.headers["x-tenant"] == "meet"


class Pushing:
    """A client that pushes all the time; a context manager."""

    def __init__(self, service: Service) -> None:
        self.statuses: list[int] = []
        self._service = service
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stopped.wait(0.05):
            self.statuses.append(self._service.push(body("ada")).status)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


def at_once(run: Callable[[str], None], *names: str) -> None:
    """Run the same for each of *names*, all at the same time."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(run, names))


def test_a_receiver_that_comes_and_goes_costs_no_push(short_path: Path) -> None:
    def come_and_go(protocol: str) -> None:
        sink = OtlpSink()
        settings = environ(
            sink,
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc" if protocol == "grpc" else "http/protobuf",
            OTEL_EXPORTER_OTLP_ENDPOINT=getattr(sink, f"{protocol}_endpoint"),
            OTEL_EXPORTER_OTLP_TIMEOUT="1000",
        )
        with Service(short_path / protocol, **settings) as service:

            def said(what: str) -> list[str]:
                """Return for each log line whether the receiver accepts *what*."""
                verb = re.compile(rf"otlp: the receiver (takes|does not take) {what}")
                return verb.findall(service.log.read_text())

            def wait_until_missed() -> None:
                missing = ["does not take"] * 2
                eventually(lambda: [(said(what) or [""])[-1] for what in WHATS] == missing)

            with Pushing(service) as pushing:
                wait_until_missed()
                with sink:
                    assert "ada" in who(next_pushes(sink)[-1])
                    next_pushes(sink, prefix=OWN)
                    sink.refuse = True
                    wait_until_missed()
                    sink.refuse = False
                    assert "ada" in who(next_pushes(sink)[-1])
                    next_pushes(sink, prefix=OWN)
                wait_until_missed()
            processes = processes_of(service)
            began = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - began < 5
            assert are_gone(processes)
        assert set(pushing.statuses) == {200}
        assert len(pushing.statuses) > 20
        # Away, back, refusing, back, away: each is logged once, however often it was tried.
        for what in WHATS:
            assert len(said(what)) >= 5
            assert all(one != other for one, other in pairwise(said(what)))
        log = [line for line in service.said() if " store: " not in line]
        assert len(log) == sum(len(said(what)) for what in WHATS) + 1, "\n".join(log)
        # The SDK's HTTP exporter tells the cause only if it has time for a second try.
        assert protocol == "http" or "Connection refused" in "".join(log[:3])

    at_once(come_and_go, "grpc", "http")


def test_a_receiver_that_hangs_costs_no_push_and_no_time_at_the_end(short_path: Path) -> None:
    def hang(how: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as hanging:
            settings = environ(OtlpSink()) | {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hanging.getsockname()[1]}"
            }
            with Service(short_path / how, **settings) as service:
                with Pushing(service) as pushing:
                    exporter = eventually(partial(exporter_of, service))
                    assert exporter is not None
                    eventually(partial(exporter.net_connections, "tcp"))
                processes = processes_of(service)
                began = time.monotonic()
                service.stop(signal.Signals[how])
                assert time.monotonic() - began < 6
                eventually(partial(are_gone, processes), 5)
                assert set(pushing.statuses) == {200}

    at_once(hang, "SIGTERM", "SIGKILL")


# Several replicas.


def of(sink: OtlpSink, replica: str, prefix: str = JITSI) -> list[Request]:
    """Return the requests of *replica*."""
    return [each for each in sink.requests_of(prefix) if each.headers["x-replica"] == replica]


def test_one_of_two_services_pushes_and_another_takes_over(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with OtlpSink() as sink:
        services = {
            name: Service(
                short_path / name,
                **environ(
                    sink,
                    REDIS_URL=redis_server.url,
                    METRICS_EXPIRATION="60",
                    OTEL_METRIC_EXPORT_INTERVAL="400",
                    OTEL_EXPORTER_OTLP_HEADERS=f"x-replica={name}",
                ),
            )
            for name in ("a", "b")
        }
        with ThreadPoolExecutor() as pool:
            list(pool.map(Service.start, services.values()))
        try:
            for number in range(4):
                service = services["a" if number % 2 else "b"]
                assert service.push(body(f"p{number}", number)).body == "OK"
            everyone = {"p0": 0.0, "p1": 1.0, "p2": 2.0, "p3": 3.0}
            pushed = next_pushes(sink, 6)[1:]
            # Each participant once in an interval, from one of the two; own metrics from both.
            assert all(who(each) == everyone for each in pushed)
            (first,) = {each.headers["x-replica"] for each in pushed}
            assert all(later.at - each.at > 0.2 for each, later in pairwise(pushed))
            second = "b" if first == "a" else "a"
            eventually(lambda: of(sink, second, OWN))
            assert not of(sink, second)

            # Both at once, as when a machine dies; the exporter alone would give up the lease.
            exporter = exporter_of(services[first])
            assert exporter is not None
            exporter.suspend()
            services[first].stop(signal.SIGKILL)
            exporter.kill()
            with redis.Redis.from_url(redis_server.url) as client:
                left = client.pttl("jcmc:otlp:lease")
                assert isinstance(left, int)
                assert 0 < left <= 7_000
                assert not of(sink, second)
                # The rest of its seven seconds passes.
                client.pexpire("jcmc:otlp:lease", 1)
            assert who(eventually(lambda: of(sink, second), 8)[0]) == everyone
        finally:
            for service in services.values():
                service.stop()


def test_replicas_push_by_shares_and_one_takes_over_from_who_dies(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    rooms = [f"room-{number}" for number in range(24)]

    def pushed(sink: OtlpSink, replica: str, since: float) -> set[str]:
        found = [
            point
            for each in of(sink, replica)
            if each.at > since
            for point in each.points("jitsi_jcmc_connectionquality")
        ]
        return {str(point.attributes["roomname"]) for point in found}

    def levels(sink: OtlpSink, since: float) -> set[str]:
        return {
            str(each.headers["x-replica"])
            for each in sink.requests_of("jitsi_jcmc_fleet_participants")
            if each.at > since
        }

    with OtlpSink() as sink, redis.Redis.from_url(redis_server.url) as client, ExitStack() as stack:
        services = {}
        for name in ("a", "b"):
            services[name] = stack.enter_context(
                Service(
                    short_path / name,
                    **environ(
                        sink,
                        REDIS_URL=redis_server.url,
                        METRICS_EXPIRATION="120",
                        OTEL_METRIC_EXPORT_INTERVAL="400",
                        OTEL_EXPORTER_OTLP_HEADERS=f"x-replica={name}",
                        JCMC_PARTITIONS="16",
                        JCMC_EXPORT_SHARES="4",
                        JCMC_SERIES="participants,fleet",
                    ),
                )
            )
        for room in rooms:
            assert services["a"].push(body("ada", conference=room)).body == "OK"

        def are_even() -> bool:
            held = client.hgetall("jcmc:{otlp}:4:shares").values()
            return sorted(map([*held].count, {*held})) == [2, 2]

        eventually(are_even, 15)
        # Requests with the old shares have arrived.
        time.sleep(1.5)
        since = time.monotonic()
        eventually(lambda: pushed(sink, "a", since) | pushed(sink, "b", since) == {*rooms}, 10)
        of_a, of_b = pushed(sink, "a", since), pushed(sink, "b", since)
        assert of_a
        assert of_b
        assert not of_a & of_b
        eventually(lambda: levels(sink, since))
        (first,) = levels(sink, since)
        second = "b" if first == "a" else "a"
        # The counts are about all, although only some participants are exported.
        counted = sink.requests_of("jitsi_jcmc_fleet_participants")[-1]
        states = counted.points("jitsi_jcmc_fleet_participants_state")
        assert sum(point.value for point in states) == len(rooms)

        exporter = exporter_of(services[first])
        assert exporter is not None
        exporter.suspend()
        services[first].stop(signal.SIGKILL)
        exporter.kill()
        holder = client.hget("jcmc:{otlp}:4:shares", "0")
        assert holder is not None
        # The rest of its seven seconds passes.
        client.zrem("jcmc:{otlp}:4:replicas", holder)
        since = time.monotonic()
        eventually(lambda: pushed(sink, second, since) == {*rooms}, 10)
        eventually(lambda: levels(sink, since) == {second}, 10)
        # Whichever replica exports them: no participant has left.
        for what in ("jitsi_jcmc_connectionquality", "jitsi_jcmc_fleet_participants"):
            assert [each.over(what) for each in sink.requests if each.over(what)] == []


def wait_for_more(sink: OtlpSink, replica: str, count: int) -> int:
    """Wait for *count* more exports of *replica*; return their total number."""
    wanted = len(of(sink, replica)) + count
    return eventually(lambda: n if (n := len(of(sink, replica))) >= wanted else 0, every=0.01)


def plant(client: redis.Redis, participant: str) -> None:
    """Write a participant into Redis."""
    identity = {64: "standup", 65: CLIENT_ID, 66: participant, 1: 97.5}
    write = to_write(Report("standup", CLIENT_ID, participant, Session(), *apart(identity)), 60_000)
    base = f"jcmc:{{{int(write.member[0], 16) % 4:02d}}}:"
    value = with_head(write.payload)
    client.set(f"{base}participant:{write.member}", value, px=60_000)
    client.zadd(f"{base}live", {write.member: time.time() * 1e6 + 60e6})


# A replica with a lease of less than a second, to see it change hands.
QUICK = """
import sys
from otel_jcmc.store import lease
lease.LEASE_MS, lease.RENEW_SECONDS = 800, 0.2
from otel_jcmc.command.arguments import main
sys.argv = ["otel-jcmc", "export"]
main()
"""


def test_a_replica_that_slept_through_its_lease_does_not_push_on(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    replicas = {}
    with OtlpSink() as sink, redis.Redis.from_url(redis_server.url) as client:
        plain = Service(short_path, REDIS_URL=redis_server.url).environ
        try:
            for name in ("a", "b"):
                settings = environ(
                    sink,
                    JCMC_INSTANCE_ID=name,
                    OTEL_METRIC_EXPORT_INTERVAL="200",
                    OTEL_EXPORTER_OTLP_HEADERS=f"x-replica={name}",
                )
                replicas[name] = subprocess.Popen(
                    [sys.executable, "-c", QUICK],
                    env=plain | settings,
                    cwd=short_path,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            plant(client, "ada")
            eventually(lambda: sink.requests)
            first = sink.headers["x-replica"]
            second = "b" if first == "a" else "a"
            for asleep, awake in ((first, second), (second, first)):
                # Right after an export, so that none is on its way.
                before = wait_for_more(sink, asleep, 1)
                replicas[asleep].send_signal(signal.SIGSTOP)
                wait_for_more(sink, awake, 2)
                replicas[asleep].send_signal(signal.SIGCONT)
                wait_for_more(sink, awake, 3)
                assert len(of(sink, asleep)) == before
            # A regular end leaves the lease to the other, and the parent knows of both.
            told, _ = replicas[first].communicate(timeout=10)
            assert b"\n{}\n" in told
            assert b'"participants": 1' in told
            wait_for_more(sink, second, 1)
        finally:
            for replica in replicas.values():
                replica.send_signal(signal.SIGCONT)
                if replica.returncode is None:
                    replica.communicate(timeout=10)
    assert [replica.returncode for replica in replicas.values()] == [0, 0]


def export(folder: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
    """Start `otel-jcmc export` with *environ*."""
    return subprocess.Popen(
        [sys.executable, "-m", "otel_jcmc", "export"],
        env=environ,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_export_that_cannot_be_is_told_in_one_line(short_path: Path) -> None:
    redis_url = {"REDIS_URL": f"unix://{short_path}/nobody"}
    protocol = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    cases = {
        "REDIS_URL": {},
        "OTEL_EXPORTER_OTLP_TIMEOUT: ": redis_url | {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
        "OTEL_EXPORTER_OTLP_*: ": redis_url | protocol | {"OTEL_EXPORTER_OTLP_COMPRESSION": "zip"},
    }
    plain = Service(short_path).environ
    running = {words: export(short_path, plain | more) for words, more in cases.items()}
    for words, process in running.items():
        # Its input stays open until it has ended, because an exporter stops when its parent is
        # gone.
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(timeout=30) == 1
        process.communicate()
        (line,) = said.splitlines()
        assert line.startswith("otel-jcmc: ")
        assert words in line
