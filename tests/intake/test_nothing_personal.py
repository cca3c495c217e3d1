"""
Nothing personal is in logs, errors and our own metrics, nor in Redis if it must not be kept.

Two services have the same bad day; one keeps everything it can, the other hashes or drops it. There
are pushes of every kind, a Redis that is away, full, read-only or damaged, an OTLP receiver that
quotes what it refuses, and a stop in the middle. Then the tests search all that they wrote for
texts that only one person can have.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]  # it ships no hints
import jwt
import msgspec
import pytest
import redis
from harness import CHROME, Service, eventually, request

from otel_jcmc.store.embedded import EmbeddedStore

NAME = "Ada-Lovelace-7c1f"
CONFERENCE = "Therapy-Group-93aa"
CLIENT = "deadbeef-1234-4abc-9def-0123456789ab"
PARTICIPANT = "person42xyz"
SESSION = "session-of-ada-5f5f"
MEETING = "meeting-of-ada-5b5b"
ADDRESSES = ("203.0.113.77", "2001:db8:77:88::99")
CALLER = "198.51.100.23"
SECRET = "the-secret-of-jitsi-and-of-nobody-else"


def token(user: str, **claims: Any) -> str:
    """Return one of Jitsi's tokens, for *user*."""
    about = {"room": CONFERENCE, "exp": time.time() + 86_400, "context": {"user": {"id": user}}}
    return jwt.encode({**about, **claims}, SECRET, "HS256")


USER = "ada@example.org"
TOKEN = token(USER)
OTHERS = (token("bob@example.org"), token(USER, exp=1), token(USER, room="other"), TOKEN[:-2])
KEY = "the-key-of-all-these-hashes"
PERSONAL = (
    *(NAME, CONFERENCE, CLIENT, PARTICIPANT, SESSION, MEETING, *ADDRESSES, CALLER),
    *(USER, TOKEN, *OTHERS, KEY, SECRET),
)
HIDDEN = (
    "conference=hash,client_id=hash,participant_id=hash,session.id=hash,session.meeting_id=drop,"
    "username=hash,src_ip=truncate,dst_ip=drop"
)
KEPT = "username=keep,src_ip=keep,dst_ip=keep"
HEADERS = {
    "authorization": f"Bearer {TOKEN}",
    "x-forwarded-for": CALLER,
    "referer": f"https://meet.example.org/{CONFERENCE}",
    "user-agent": CHROME,
}


def push(**changes: Any) -> dict[str, Any]:
    """Return a push with everything that can be known of Ada."""
    source, peer = ADDRESSES
    return {
        "default_labels": {
            "client_id": CLIENT,
            "participant_id": PARTICIPANT,
            "roomname": CONFERENCE,
        },
        "session": {"id": SESSION, "meeting_id": MEETING},
        "metrics": {
            "connectionquality": {"value": 50, "labels": {"username": NAME}},
            "transport_rtt": [{"value": 41, "labels": {"src_ip": source, "dst_ip": peer}}],
        },
        "token": TOKEN,
        **changes,
    }


def spoiled_pushes() -> Iterator[bytes]:
    """Return pushes of which a part is dropped, or nothing is kept."""
    whole = json.dumps(push())
    yield whole[:-1].encode()
    yield whole.encode()[:200]
    yield whole.encode("utf-16")
    yield whole.replace("Ada", "\xff").encode("latin-1")
    yield whole.replace("Ada", "\\ud800Ada").encode()
    yield whole.replace("50", "1e999").encode()
    yield whole.replace("50", "NaN").encode()
    yield json.dumps([push()] * 3).encode()
    yield json.dumps(whole).encode()
    yield json.dumps(push(padding=[NAME] * 10_000)).encode()
    for key, texts in (
        ("roomname", (f"{CONFERENCE}\0", CONFERENCE * 20, [CONFERENCE])),
        ("client_id", (NAME, f"{CLIENT}\n", {CLIENT: CLIENT})),
        ("participant_id", (f"\0{PARTICIPANT}", PARTICIPANT * 20, [PARTICIPANT])),
    ):
        for text in texts:
            labels = {**push()["default_labels"], key: text}
            yield json.dumps(push(default_labels=labels)).encode()
    for session in (NAME, [SESSION], {"id": NAME + "\0"}, {"end": {"reason": NAME}}, {"seq": NAME}):
        yield json.dumps(push(session=session)).encode()
    labels = {"username": [NAME], "serverregion": NAME * 30}
    path = {"src_ip": NAME, "protocol": NAME, "p2p": [NAME], "networkType": f"{NAME}\0"}
    for metrics in (
        NAME,
        {"connectionquality": {"value": NAME, "labels": labels}},
        {"connectionquality": {"value": 50, "labels": NAME}, "bitrate_upload": NAME},
        {"transport_rtt": [{"value": 1, "labels": path}, NAME, {"value": NAME}] * 4},
        {"transport_rtt": NAME},
    ):
        yield json.dumps(push(metrics=metrics)).encode()


def jmmc_push(m: Any, **changes: Any) -> bytes:
    """Return a push of a client of the other wire format."""
    return json.dumps(
        {"uid": CLIENT, "conf": CONFERENCE, "m": m, "token": TOKEN, **changes}
    ).encode()


# They describe an address as a number.
NUMBER = int(IPv4Address(ADDRESSES[0]))
OPENING = {"br": NAME, "os": NAME, "pid": f"{PARTICIPANT}-too", "t": {"lip": NUMBER, "ip": NUMBER}}
SPOILED_JMMC = (
    *(jmmc_push(OPENING, uid=NAME), jmmc_push({**OPENING, "pid": [PARTICIPANT]})),
    *(jmmc_push({"cq": 50}, conf=f"{CONFERENCE}\0"), jmmc_push({"cq": NAME}), jmmc_push(NAME)),
    *(jmmc_push({"cq": 50, "t": {"sr": [NAME], "ip": ADDRESSES[0]}, "cdc": {"a": NAME * 20}}),),
    *(jmmc_push({"cq": 50, "pid": NAME}), jmmc_push({"t": {"lip": NUMBER, "rip": NUMBER}})),
)


def raw_requests() -> Iterator[bytes]:
    """Return requests that are not quite HTTP, or not quite a push."""
    body = json.dumps(push()).encode()
    head = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\n"
    yield f"{NAME} {CONFERENCE} {TOKEN}\r\n\r\n".encode()
    yield f"GET /{CONFERENCE}?{NAME} HTTP/1.1\r\n{head}\r\n".encode()
    yield f"DELETE /metrics/push?{NAME} HTTP/1.1\r\n{head}\r\n".encode()
    yield f"POST /metrics/push?token={TOKEN} HTTP/1.1\r\n{head}Content-Length: x{NAME}\r\n".encode()
    yield (
        f"POST /metrics/push HTTP/1.1\r\n{head}Content-Length: 9{len(body)}\r\n\r\n".encode() + body
    )
    yield f"POST /metrics/push HTTP/1.1\r\n{head}{NAME}: {'y' * 70_000}\r\n\r\n".encode()
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n{NAME}\r\n"
    yield f"POST /metrics/push HTTP/1.1\r\n{chunked}".encode() + body


class Quoting:
    """An OTLP receiver that refuses everything and quotes it, by HTTP and gRPC."""

    def __init__(self) -> None:
        """Listen on free ports."""
        quoting = self
        self.refused: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                quoting.refused.append(raw)
                self.send_response(400)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        def export(raw: bytes, context: grpc.ServicerContext) -> bytes:
            quoting.refused.append(raw)
            quoted = raw.decode("ascii", "replace").replace("\ufffd", "?")
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"out of order: {quoted}")
            return b""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        self._grpc = grpc.server(ThreadPoolExecutor(2))
        methods = {"Export": grpc.unary_unary_rpc_method_handler(export)}
        service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
        handler = grpc.method_handlers_generic_handler(service, methods)
        self._grpc.add_generic_rpc_handlers((handler,))
        grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()
        self.endpoints = {
            "grpc": f"http://127.0.0.1:{grpc_port}",
            "http/protobuf": f"http://127.0.0.1:{self._http.server_port}",
        }

    def stop(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(0).wait()


def watch(server: EmbeddedStore, into: list[bytes]) -> None:
    """Collect every command that Redis gets, in a thread, until Redis ends."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server.url.removeprefix("unix://"))
    connection.sendall(b"MONITOR\r\n")
    assert connection.recv(5) == b"+OK\r\n"

    def read() -> None:
        with connection:
            while got := connection.recv(65_536):
                into.append(got)

    threading.Thread(target=read, daemon=True).start()


def damage(client: Any) -> None:
    """Replace stored texts by lists of texts, as if a client had pushed that."""
    for key in client.keys("*participant:*"):
        parts = msgspec.msgpack.decode(client.get(key))
        at = len(parts) - 2
        attributes = msgspec.msgpack.decode(parts[at], type=dict[int, Any])
        parts[at] = msgspec.msgpack.encode({**attributes, 64: [NAME], 70: {NAME: NAME}})
        client.set(key, msgspec.msgpack.encode(parts), px=60_000)
        index, _, member = key.rpartition(b"participant:")
        # Otherwise a reader would use its copy from before.
        client.zincrby(index + b"live", 1, member)


class Day:
    """
    What a service with a policy wrote and answered on a bad day.

    Attributes:
        errors: every answer that is not plain OK, with its head.
        sent_to_redis: every command, also those of the scripts.
    """

    def __init__(self, folder: Path, policy: str, protocol: str, push_auth: str) -> None:
        """Run the whole day."""
        self.errors: list[str] = []
        monitored: list[bytes] = []
        self._whole = json.dumps(push()).encode()
        self._cookie = ""
        self._server = EmbeddedStore(folder / "r")
        self._server.start()
        self._receiver = Quoting()
        watch(self._server, monitored)
        self._service = Service(
            folder / "a",
            REDIS_URL=self._server.url,
            JCMC_LOG_LEVEL="DEBUG",
            JCMC_PRIVACY=policy,
            JCMC_PRIVACY_KEY=KEY,
            JCMC_PUSH_AUTH=push_auth,
            **{f"JCMC_JWT_{name}": "*" for name in ("ISSUER", "AUDIENCE", "SUBJECT")},
            JCMC_JWT_SECRET=SECRET,
            OTEL_METRICS_EXPORTER="prometheus,otlp",
            OTEL_METRIC_EXPORT_INTERVAL="200",
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_ENDPOINT=self._receiver.endpoints[protocol],
        )
        try:
            with self._service, redis.Redis.from_url(self._server.url) as client:
                self._push_all()
                self._collect(client)
                self._refuse_writes(client)
                self.own = "".join(self._service.series("otel_jcmc_"))
                self._go_away()
                self.said = self._end()
        finally:
            self._server.stop()
            self._receiver.stop()
        self.checked = self._check()
        self.log = self._service.log.read_text()
        self.sent_to_redis = b"".join(monitored)
        self.exported = b"".join(self._receiver.refused)

    def _ask(self, body: bytes, *statuses: int, token: str = TOKEN) -> None:
        """Push *body*; the answer must have one of *statuses*, if there are any."""
        authorization = {"authorization": f"Bearer {token}"}
        answer = self._service.push(body, headers=HEADERS | authorization)
        assert not statuses or answer.status in statuses, answer
        if answer.body != "OK":
            self.errors.append(f"{answer.body} {answer.headers}")

    def _push_all(self) -> None:
        """Push good and bad bodies."""
        for body in spoiled_pushes():
            self._ask(body)
        for text in raw_requests():
            with socket.create_connection(("127.0.0.1", int(self._service.url[17:]))) as connection:
                connection.settimeout(5)
                connection.sendall(text)
                connection.shutdown(socket.SHUT_WR)
                self.errors.append(connection.recv(65_536).decode("latin-1"))
        self._ask_jmmc(jmmc_push({"cq": 50}))
        self._ask_jmmc(jmmc_push(OPENING), 200)
        for body in SPOILED_JMMC:
            self._ask_jmmc(body)
        self._ask_jmmc(jmmc_push({"cq": 51, "t": {"lip": NUMBER}}), 200)
        self._ask(self._whole, 200)
        for other in OTHERS:
            self._ask(self._whole, token=other)

    def _ask_jmmc(self, body: bytes, *statuses: int) -> None:
        """Push *body* as the other clients do, which have their own word for success."""
        url = f"{self._service.url}/jmmc/push"
        answer = request(url, body, headers=HEADERS | {"cookie": self._cookie})
        assert not statuses or answer.status in statuses, answer
        if answer.status != 200:
            self.errors.append(f"{answer.body} {answer.headers}")
        if cookie := answer.headers["set-cookie"]:
            self._cookie = cookie.partition(";")[0]

    def _collect(self, client: Any) -> None:
        """Scrape and export, also damaged values."""
        refused = request(f"{self._service.url}/metrics", headers=HEADERS)
        self.errors.append(refused.body)
        # Only of participants: our own metrics have the fleet's histograms and the gauges' names.
        eventually(lambda: [each for each in self._receiver.refused if b"203.0.113." in each])
        self.scraped = self._service.get("/metrics").body
        damage(client)
        self._service.get("/metrics")

    def _refuse_writes(self, client: Any) -> None:
        """Let Redis refuse: a foreign key, read-only, no memory, a forbidden script."""
        client.flushall()
        for partition in range(16):
            client.set(f"jcmc:{{{partition:02d}}}:live", "another's")
        self._ask(self._whole, 503)
        client.flushall()
        for refuse, undo in (
            ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
            ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
            ("ACL SETUSER default -evalsha", "ACL SETUSER default +@all"),
        ):
            client.execute_command(*refuse.split())
            self._ask(self._whole, 503)
            self._ask_jmmc(jmmc_push(OPENING), 503)
            self._ask_jmmc(jmmc_push({"cq": 52}))
            client.execute_command(*undo.split())
        self._ask(self._whole, 200)

    def _go_away(self) -> None:
        """Let Redis hang, and then end."""
        assert self._server.pid is not None
        os.kill(self._server.pid, signal.SIGSTOP)
        self._ask(self._whole, 503)
        os.kill(self._server.pid, signal.SIGCONT)
        self._ask(self._whole)
        self._server.stop()
        self._ask(self._whole, 503)
        self._ask_jmmc(jmmc_push({"cq": 53}), 503)

    def _end(self) -> str:
        """Stop the service with pushes in flight, and return the rest of its output."""
        process = self._service.process
        assert process is not None
        assert process.stdout is not None
        with ThreadPoolExecutor() as pool:
            late = [pool.submit(self._service.push, self._whole, headers=HEADERS) for _ in range(8)]
            time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            for each in late:
                if each.exception() is None:
                    self.errors.append(each.result().body)
        return process.stdout.read()

    def _check(self) -> str:
        """Return the output of `otel-jcmc check` in the same environment."""
        ran = subprocess.run(
            [sys.executable, "-m", "otel_jcmc", "check"],
            env=self._service.environ,
            cwd=self._service.folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> tuple[Day, Day]:
    """Return the day of the service that keeps everything, and of the one that hides all it can."""
    folders = [tmp_path_factory.mktemp("s", numbered=True) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        return tuple(  # type: ignore[return-value]  # it has two
            pool.map(Day, folders, (KEPT, HIDDEN), ("grpc", "http/protobuf"), ("none", "jwt"))
        )


def found_in(text: str | bytes, personal: tuple[str, ...] = PERSONAL) -> list[str]:
    """Return the *personal* texts in *text*, in any case."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    return [each for each in personal if each.lower() in text.lower()]


def test_the_day_was_as_bad_as_it_should_be(days: tuple[Day, Day]) -> None:
    """Otherwise the other tests would search nothing."""
    for day in days:
        for said in (
            "store: Redis answers",
            "snapshot: left out what could not be read",
            "store: Redis refuses writes: WRONGTYPE",
            "store: Redis refuses writes: You can't write against a read only",
            "store: Redis refuses writes: command not allowed when used memory",
            "store: Redis refuses writes: User default has no permissions",
            "store: Redis does not answer",
            "otlp: the receiver does not take participants",
        ):
            assert said in day.log
        for reason in (
            "not_json",
            "not_a_guid",
            "bad_text",
            "too_long",
            "unknown_word",
            "too_many",
        ):
            assert any(reason in each for each in day.errors), reason
        for reason in ("body_too_large", "store_unavailable", "store_full", "not_an_address"):
            assert any(reason in each for each in day.errors), reason
        assert b"EVALSHA" in day.sent_to_redis
    _, hidden = days
    for reason in ("token_expired", "token_invalid", "conference_not_allowed", "participant_taken"):
        assert any(reason in each for each in hidden.errors), reason
    # The same search finds what is kept.
    kept, _ = days
    stored = (NAME, CONFERENCE, CLIENT, PARTICIPANT, SESSION, MEETING, *ADDRESSES)
    assert found_in(kept.sent_to_redis) == list(stored)
    seen = (NAME, CONFERENCE, CLIENT, PARTICIPANT, *ADDRESSES)
    assert found_in(kept.scraped) == found_in(kept.exported) == list(seen)


def test_nothing_personal_is_logged(days: tuple[Day, Day]) -> None:
    for day in days:
        assert found_in(day.log + day.said) == []
        assert "Traceback" not in day.log


def test_nothing_personal_is_answered(days: tuple[Day, Day]) -> None:
    """An answer names fields; only the sender knows their values."""
    for day in days:
        assert len(day.errors) > 40
        for error in day.errors:
            assert found_in(error) == [], error


def test_nothing_personal_is_in_our_own_metrics(days: tuple[Day, Day]) -> None:
    for day in days:
        assert "otel_jcmc_fields_dropped_total" in day.own
        assert found_in(day.own) == []


def test_nothing_personal_is_shown_by_check(days: tuple[Day, Day]) -> None:
    for day in days:
        assert "# privacy: " in day.checked
        assert found_in(day.checked) == []


def test_nothing_that_is_hidden_is_ever_sent_to_redis(days: tuple[Day, Day]) -> None:
    """Every command of the day, also those that the scripts run."""
    _, hidden = days
    lines = hidden.sent_to_redis.splitlines()
    # All except the test's own writes: the service only writes by its script.
    sent = [line for line in lines if b'"SET"' not in line or b" lua]" in line]
    assert any(b"203.0.113.0" in line and b'"EVAL' in line for line in sent)
    assert any(b"203.0.113.0" in line and b'"SET"' in line for line in sent)
    assert found_in(b"\n".join(sent)) == []


def test_nothing_that_is_hidden_is_exported(days: tuple[Day, Day]) -> None:
    _, hidden = days
    assert "203.0.113.0" in hidden.scraped
    assert b"203.0.113.0" in hidden.exported
    assert found_in(hidden.scraped) == found_in(hidden.exported) == []
