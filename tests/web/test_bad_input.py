"""
Input that no browser sends, to a running service: a clear, short answer, and the service lives on.

After every test the same process must accept a good push, with nothing in its log.
"""

import gzip
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from typing import Any, NamedTuple

import pytest
from exposition import exposed, promtool_complaints, samples, values
from harness import CLIENT_ID, Service, push_body, request
from refusal_lines import without_refusals

pytestmark = pytest.mark.xdist_group("bad-input")

MAX_ANSWER_BYTES = 4096


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return the service that gets all this input."""
    with Service(tmp_path_factory.mktemp("s", numbered=True)) as running:
        yield running


@pytest.fixture(autouse=True)
def lives_on(victim: Service, room: str) -> Iterator[None]:
    pid, log = victim.pid, victim.said()
    yield
    assert victim.push(push_body(conference=f"after-{room}")).body == "OK"
    assert values(victim, f"after-{room}")["bitrate_upload"] == 1234
    assert victim.process is not None
    assert (victim.pid, victim.process.poll()) == (pid, None)
    assert without_refusals(victim.said()) == without_refusals(log)


class Raw(NamedTuple):
    """A raw answer: its status, all of its bytes, and its body."""

    status: int
    size: int
    body: bytes

    @property
    def reason(self) -> str:
        """The only reason in the answer."""
        (error,) = json.loads(self.body)["errors"]
        return str(error["reason"])


def connect(service: Service) -> socket.socket:
    """Return a connection to *service*."""
    host, _, port = service.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=8)


def read_answer(connection: socket.socket) -> Raw:
    """Return the next answer on *connection*."""
    answer = HTTPResponse(connection, method="POST")
    answer.begin()
    body = answer.read()
    head = sum(len(name) + len(text) + 4 for name, text in answer.getheaders())
    return Raw(answer.status, 19 + head + len(body), body)


def tell(service: Service, *parts: bytes) -> Raw:
    """Send *parts* on a new connection, and return the first answer."""
    with connect(service) as connection:
        for part in parts:
            connection.sendall(part)
        return read_answer(connection)


def post(body: bytes, *headers: str, length: str | None = None) -> bytes:
    """Return the bytes of a request to the push path."""
    told = length if length is not None else str(len(body))
    lines = ["POST /metrics/push HTTP/1.1", "Host: x", f"Content-Length: {told}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def whole(**changes: Any) -> str:
    """Return the text of a good push."""
    return json.dumps(push_body(**changes))


def with_value(text: str) -> bytes:
    """Return a push with the value *text* of bandwidth_upload."""
    return whole().replace("2900", text).encode()


# Not a push at all


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b" ", "not_json"),
        (b"hello", "not_json"),
        (b"{", "not_json"),
        (b'{"default_labels": ', "not_json"),
        (b"{'a': 1}", "not_json"),
        (b'{"a": 1,}', "not_json"),
        (b"{} {}", "not_json"),
        (b"\x00", "not_json"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b"7", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"true", "not_an_object"),
        (b"1" * 400, "not_an_object"),
        (b"1e999", "not_an_object"),
        (b"NaN", "not_json"),
        (b"-Infinity", "not_json"),
        (b"[" * 10_000, "not_json"),
        (b"[" * 10_000 + b"]" * 10_000, "not_json"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "not_json"),
        (b"{}", "missing"),
        (whole().encode("utf-16"), "not_json"),
        (whole().encode("utf-16-le"), "not_json"),
        (whole().encode("utf-32"), "not_json"),
        (b"\xef\xbb\xbf" + whole().encode(), "not_json"),
        (gzip.compress(whole().encode(), mtime=0), "not_json"),
        (whole().replace("standup", "stand\\ud800up").encode()[:-1], "not_json"),
        (whole().encode().replace(b"standup", b"stand\xffup"), "not_json"),
        (whole().encode().replace(b"standup", b"stand\xed\xa0\x80up"), "not_json"),
        (whole().encode().replace(b"standup", b"stand\nup"), "not_json"),
        (
            whole(session={"end": {"reason": "left", "x": "?"}}).encode().replace(b"?", b"\xff"),
            "not_json",
        ),
        (b"client_id=1&metrics=2", "not_json"),
        (b"<xml/>", "not_json"),
        (bytes(range(256)) * 8, "not_json"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value,
)
def test_what_is_no_json_object_is_refused(victim: Service, body: bytes, reason: str) -> None:
    answer = tell(victim, post(body))
    assert (answer.status, answer.reason) == (400, reason)
    assert answer.size < MAX_ANSWER_BYTES


def test_a_zipped_body_is_refused_whatever_its_header_says(victim: Service) -> None:
    answer = tell(victim, post(gzip.compress(whole().encode(), mtime=0), "Content-Encoding: gzip"))
    assert (answer.status, answer.reason) == (415, "content_encoding")


# Values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"2900"', "not_a_number"),
        ("true", "not_a_number"),
        ("[[[[]]]]", "not_a_number"),
        ("1e999", "out_of_range"),
        ("-1e999", "out_of_range"),
        ("9" * 400, "out_of_range"),
        ("-" + "9" * 400, "out_of_range"),
        ("9" * 60_000, "out_of_range"),
        ("9" * 60_000 + ".5", "out_of_range"),
        ("18446744073709551616", "out_of_range"),
        ("-9223372036854775809", "out_of_range"),
    ],
    ids=lambda text: text[:12],
)
def test_a_value_that_is_none_costs_its_field(victim: Service, text: str, reason: str) -> None:
    answer = tell(victim, post(with_value(text)))
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "dropped": [{"field": "metrics.bandwidth_upload.value", "reason": reason}],
        "more": 0,
    }


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "0x10", "01", "+1", ".5", "1."])
def test_what_only_looks_like_a_number_is_no_json(victim: Service, text: str) -> None:
    answer = tell(victim, post(with_value(text)))
    assert (answer.status, answer.reason) == (400, "not_json")


@pytest.mark.parametrize(
    "text", ["1e-400", "1E2", "0e0", "2900.000", f"1{'0' * 399}e-396"], ids=lambda text: text[:9]
)
def test_a_strangely_written_number_is_a_number(victim: Service, text: str) -> None:
    answer = tell(victim, post(with_value(text)))
    assert answer.body == b"OK"


# Depth


@pytest.mark.parametrize(
    "place",
    [
        lambda deep: whole().replace("2900", deep),
        lambda deep: whole().replace('"Ada"', deep),
        lambda deep: whole()[:-1] + f', "unknown": {deep}}}',
    ],
    ids=["value", "label", "unknown field"],
)
@pytest.mark.parametrize("pair", ["[]", '{"a":}'])
def test_ten_thousand_levels_are_refused(
    victim: Service, place: Callable[[str], str], pair: str
) -> None:
    opening, closing = pair[:-1], pair[-1]
    body = place(opening * 10_000 + "1" + closing * 10_000)
    answer = tell(victim, post(body.encode()))
    assert (answer.status, answer.reason) == (400, "not_json")


def test_a_hundred_levels_in_an_unknown_field_cost_that_field(victim: Service) -> None:
    body = whole()[:-1] + f', "unknown": {"[" * 100}{"]" * 100}}}'
    answer = tell(victim, post(body.encode()))
    assert json.loads(answer.body)["dropped"] == [{"field": "unknown", "reason": "unknown_field"}]


# Size


def test_ten_megabytes_are_refused_before_they_are_sent(victim: Service) -> None:
    answer = tell(victim, post(b"", length="10000000"))
    assert (answer.status, answer.reason) == (413, "body_too_large")


def test_ten_megabytes_are_refused_without_being_asked_to_continue(victim: Service) -> None:
    answer = tell(victim, post(b"", "Expect: 100-continue", length="10000000"))
    assert (answer.status, answer.reason) == (413, "body_too_large")


def test_chunks_are_refused_as_soon_as_they_are_too_many(victim: Service) -> None:
    """70 kB are sent, without an end: the answer can only come from the bytes so far."""
    head = b"POST /metrics/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1b58\r\n" + b" " * 7000 + b"\r\n"
    answer = tell(victim, head, *[chunk] * 10)
    assert (answer.status, answer.reason) == (413, "body_too_large")


def test_the_connection_of_a_body_too_large_is_closed(victim: Service) -> None:
    with connect(victim) as connection:
        connection.sendall(post(b"", length="10000000"))
        read_answer(connection)
        assert connection.recv(1) == b""


def test_who_sends_ten_megabytes_all_the_same_is_cut_off(victim: Service) -> None:
    with connect(victim) as connection:
        try:
            connection.sendall(post(b"x" * 10_000_000))
        except OSError:
            return
        try:
            assert read_answer(connection).status == 413
        except OSError:
            return


@pytest.mark.parametrize(("size", "status"), [(65_536, 200), (65_537, 413)])
def test_the_limit_is_64_kib(victim: Service, size: int, status: int) -> None:
    assert tell(victim, post(whole().ljust(size).encode())).status == status


@pytest.mark.parametrize(("size", "status"), [(65_536, 200), (65_537, 413)])
def test_the_limit_is_64_kib_in_chunks_too(victim: Service, size: int, status: int) -> None:
    body = whole().ljust(size).encode()
    head = b"POST /metrics/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        40_000,
        body[:40_000],
        size - 40_000,
        body[40_000:],
    )
    assert tell(victim, head + chunks).status == status


# Length and framing


def test_a_body_longer_than_it_says_is_refused(victim: Service) -> None:
    """The bytes are no push, the rest is no request, and the connection is closed."""
    with connect(victim) as connection:
        connection.sendall(post(whole().encode(), length="20"))
        told = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert told.count(b"HTTP/1.1 400 ") == 2
    assert b'"reason":"not_json"' in told
    assert told.endswith(b"Invalid HTTP request received.")


def test_a_body_shorter_than_it_says_is_waited_for_and_forgotten(victim: Service) -> None:
    before = victim.own('otel_jcmc_pushes_total{outcome="accepted",reason=""}')
    with connect(victim) as connection:
        connection.sendall(post(whole().encode(), length="5000"))
    assert victim.own('otel_jcmc_pushes_total{outcome="accepted",reason=""}') == before


@pytest.mark.parametrize(
    "request_",
    [
        post(b"{}", length="-1"),
        post(b"{}", length="two"),
        post(b"{}", length="2 3"),
        post(b"{}", length="0x2"),
        post(b"{}", length="99999999999999999999999"),
        post(b"{}", "Content-Length: 3"),
        post(b"{}", "Transfer-Encoding: chunked"),
        b"POST /metrics/push HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /metrics/push HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
        b"POST /metrics/push HTTP/9.9\r\n\r\n",
        b"POST /metrics/push\r\n\r\n",
        b"POST /metrics/push HTTP/1.1\r\nHost\r\n\r\n",
        b"POST /metrics/push HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        b"POST /metrics/push HTTP/1.1\r\n: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[-28:]),
)
def test_what_is_no_http_is_refused(victim: Service, request_: bytes) -> None:
    answer = tell(victim, request_)
    assert answer.status == 400
    assert answer.size < MAX_ANSWER_BYTES


def test_a_request_without_headers_is_a_push_without_a_body(victim: Service) -> None:
    answer = tell(victim, b"POST /metrics/push HTTP/1.1\r\n\r\n")
    assert (answer.status, answer.reason) == (400, "not_json")


@pytest.mark.parametrize("line", [b"X: " + b"a" * 1000 + b"\r\n", b"a" * 1000])
def test_a_head_without_end_is_hung_up_on(victim: Service, line: bytes) -> None:
    """Many headers, or one header without an end: neither may fill the memory."""
    with connect(victim) as connection:
        connection.sendall(b"POST /metrics/push HTTP/1.1\r\nY: ")
        with pytest.raises(OSError, match=r"(?i)reset|broken pipe"):
            connection.sendall(line * 5_000)
    assert victim.push(push_body()).status == 200


def test_a_head_that_is_long_for_a_browser_is_taken(victim: Service) -> None:
    cookie = f"Cookie: {'c' * 30_000}"
    assert tell(victim, post(whole().encode(), cookie)).body == b"OK"


def test_http_1_0_is_understood(victim: Service) -> None:
    body = whole().encode()
    head = f"POST /metrics/push HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert tell(victim, head + body).body == b"OK"


def test_pushes_sent_without_waiting_are_answered_in_order(victim: Service) -> None:
    good, bad = post(whole().encode()), post(b"[]")
    with connect(victim) as connection:
        connection.sendall(good + bad + good + bad + good)
        received = b""
        while received.count(b"HTTP/1.1 ") < 5 or not received.endswith(b"OK"):
            part = connection.recv(65_536)
            assert part
            received += part
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"200", b"400", b"200", b"400", b"200"]


# Slow clients, and clients that go away


def test_a_sender_that_hangs_up_in_its_body_is_forgotten(victim: Service) -> None:
    body = whole().encode()
    for sent in (0, 1, len(body) - 1):
        with connect(victim) as connection:
            connection.sendall(post(body[:sent], length=str(len(body))))


def test_a_sender_that_hangs_up_before_its_answer_is_forgotten(victim: Service) -> None:
    for _ in range(20):
        with connect(victim) as connection:
            connection.sendall(post(whole().encode()))


def test_slow_senders_hold_up_nobody(victim: Service, room: str) -> None:
    slow = [connect(victim) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(post(b"{", length="1000"))
        started = time.monotonic()
        for _ in range(10):
            assert victim.push(push_body(conference=room)).status == 200
        assert victim.get("/metrics").status == 200
        assert time.monotonic() - started < 5
    finally:
        for connection in slow:
            connection.close()


def test_connections_that_say_nothing_hold_up_nobody(victim: Service, room: str) -> None:
    idle = [connect(victim) for _ in range(50)]
    try:
        assert victim.push(push_body(conference=room)).status == 200
    finally:
        for connection in idle:
            connection.close()


# Text


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udc00\\ud800"])
@pytest.mark.parametrize("field", ["standup", "1a2b3c4d", CLIENT_ID])
def test_text_that_utf_8_cant_carry_refuses_an_identity(
    victim: Service, field: str, text: str
) -> None:
    answer = tell(victim, post(whole().replace(field, text + field[1:]).encode()))
    assert answer.status == 400
    assert answer.reason == ("not_a_guid" if field == CLIENT_ID else "bad_text")


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udc00\\ud800"])
def test_text_that_utf_8_cant_carry_costs_a_label(victim: Service, room: str, text: str) -> None:
    body = whole(conference=room).replace("eu-west", f"eu{text}west")
    answer = tell(victim, post(body.encode()))
    assert answer.status == 200
    assert json.loads(answer.body)["dropped"] == [
        {"field": "metrics.connectionquality.labels.serverregion", "reason": "bad_text"}
    ]
    assert values(victim, room)["connectionquality"] == 97.5


def test_a_surrogate_in_a_key_is_answered(victim: Service) -> None:
    body = whole()[:-1] + ', "\\ud800": 1}'
    answer = tell(victim, post(body.encode()))
    assert json.loads(answer.body)["dropped"] == [{"field": "?", "reason": "unknown_field"}]


NASTY = [
    'quote"s and back\\slashes\\',
    "new\nlines\r\nand\ttabs",
    '"} 1\njitsi_jcmc_bitrate_upload{roomname="forged"} 99\n#',
    "\N{GRINNING FACE} 会議 \N{RIGHT-TO-LEFT OVERRIDE} \u2028 \u0085 \x0b\x0c\x1c",
    "\x01\x02\x1b[31m\x7f",
    "</script><script>alert(1)</script>",
    "%s %d {0} ${jndi:ldap://x}",
    "\ufeff\ufffe\uffff\U0010ffff",
]


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_any_text_comes_out_as_it_went_in(victim: Service, room: str, text: str) -> None:
    name = f"{room}{text}"
    body = push_body(conference=name)
    body["metrics"]["connectionquality"]["labels"]["serverregion"] = text
    assert victim.push(body).body == "OK"
    found = exposed(victim, name)
    assert len(found) == 13
    assert found[0].labels["serverregion"] == text


def test_prometheus_own_tool_reads_all_that_text(victim: Service) -> None:
    for number, text in enumerate(NASTY):
        body = push_body(conference=f"nasty-{number}-{text}")
        body["metrics"]["connectionquality"]["labels"]["serverregion"] = text
        assert victim.push(body).body == "OK"
    complaints = promtool_complaints(victim.get("/metrics").body)
    # promtool reads everything, and dislikes two names that existing dashboards use.
    assert set(complaints.splitlines()) == {
        'jitsi_jcmc_packetloss_total non-counter metrics should not have "_total" suffix',
        "jitsi_jcmc_transport_rtt label names should be written in 'snake_case' not 'camelCase'",
        "exit 3",
    }


def test_nothing_is_forged_by_a_label(victim: Service) -> None:
    victim.push(push_body(conference=NASTY[2]))
    rooms = {each.labels.get("roomname") for each in samples(victim.get("/metrics").body)}
    assert NASTY[2] in rooms
    assert "forged" not in rooms


def test_a_room_name_of_97_kilobytes_is_refused(victim: Service) -> None:
    answer = victim.push(push_body(conference="r" * 97_000))
    assert answer.status == 413
    assert len(answer.body) < 200


def test_a_room_name_of_60_kilobytes_is_refused_without_repeating_it(victim: Service) -> None:
    answer = victim.push(push_body(conference="r" * 60_000))
    assert answer.status == 400
    assert answer.json() == {
        "errors": [{"field": "default_labels.roomname", "reason": "too_long"}],
        "more": 0,
    }


# Many


def nasty_keys(count: int) -> dict[str, int]:
    """Return unknown fields with names that could break whatever repeats them."""
    return {f'{number}"}}\n<é\\\x7f{"x" * 20}': number for number in range(count)}


def test_unknown_fields_by_the_thousand_are_counted_and_not_all_repeated(
    victim: Service, room: str
) -> None:
    body = push_body(conference=room)
    body["metrics"].update(nasty_keys(900))
    answer = tell(victim, post(json.dumps(body).encode()))
    assert answer.status == 200
    assert answer.size < MAX_ANSWER_BYTES
    told = json.loads(answer.body)
    assert len(told["dropped"]) + told["more"] == 900
    assert len(told["dropped"]) == 20
    assert len(exposed(victim, room)) == 13


def test_two_thousand_unknown_fields_and_nothing_else_are_refused_shortly(
    victim: Service,
) -> None:
    body = {**push_body(), "metrics": {f"m{number}": {"value": 1} for number in range(2000)}}
    answer = tell(victim, post(json.dumps(body).encode()))
    assert answer.status == 400
    assert answer.size < MAX_ANSWER_BYTES
    told = json.loads(answer.body)
    assert len(told["errors"]) + told["more"] == 2001


def test_the_longest_answer_is_within_4_kilobytes(victim: Service) -> None:
    long_names = {f"{number:03}" + "n" * 60: "x" for number in range(100)}
    body = push_body()
    body["metrics"]["transport_rtt"] = [{"value": 1, "labels": long_names} for _ in range(8)]
    answer = tell(victim, post(json.dumps(body).encode()))
    assert answer.status == 200
    assert answer.size < MAX_ANSWER_BYTES
    assert json.loads(answer.body)["more"] > 700


def test_ten_thousand_transports_are_eight(victim: Service, room: str) -> None:
    body = push_body(conference=room)
    body["metrics"]["transport_rtt"] = [0] * 10_000
    answer = tell(victim, post(json.dumps(body).encode()))
    told = json.loads(answer.body)
    assert len(told["dropped"]) + told["more"] == 9


# Wrong paths and methods


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics/push", 405),
        ("PUT", "/metrics/push", 405),
        ("DELETE", "/metrics/push", 405),
        ("PATCH", "/metrics/push", 405),
        ("HEAD", "/metrics/push", 405),
        ("POST", "/metrics", 405),
        ("POST", "/", 405),
        ("POST", "/client-file", 405),
        ("POST", "/metrics/push/", 404),
        ("POST", "/metrics/push/push", 404),
        ("POST", "//metrics/push", 404),
        ("POST", "/x/metrics/push", 404),
        ("POST", "/METRICS/PUSH", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%2e%2e/%00", 404),
        ("GET", "/" + "a" * 8000, 404),
        ("GET", "/docs", 404),
        ("BREW", "/metrics/push", 400),
    ],
)
def test_a_wrong_method_or_path_is_said(
    victim: Service, method: str, path: str, status: int
) -> None:
    answer = request(victim.url + path, b"" if method == "POST" else None, method=method)
    assert answer.status == status
    assert len(answer.body) + len(str(answer.headers)) < MAX_ANSWER_BYTES


def test_a_query_does_not_matter(victim: Service, room: str) -> None:
    answer = request(f"{victim.url}/metrics/push?a=%00&b", push_body(conference=room))
    assert answer.body == "OK"


@pytest.mark.parametrize(
    "header",
    [
        "User-Agent: " + "x" * 30_000,
        "User-Agent: \xff\xfe(((((",
        "Origin: null",
        "Origin: " + "o" * 5000,
        "Cookie: " + "c" * 20_000,
        "Content-Type: ;;;=",
        "Accept-Encoding: \xff",
        "X-Forwarded-For: '; DROP TABLE",
    ],
    ids=lambda header: header[:24],
)
def test_strange_headers_do_not_cost_the_push(victim: Service, header: str) -> None:
    body = whole().encode()
    head = f"POST /metrics/push HTTP/1.1\r\nContent-Length: {len(body)}\r\n{header}\r\n\r\n"
    answer = tell(victim, head.encode("latin-1") + body)
    assert answer.body == b"OK"
    assert answer.size < MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Accept", "application/openmetrics-text;version=abc"),
        ("Accept", "text/plain;version=x.y"),
        ("Accept", ";;;=,,,q=q"),
        ("Accept", "x" * 5000),
        ("Accept-Encoding", ";q=0,,gzip;;="),
        ("Forwarded", 'for="[::1'),
    ],
)
def test_strange_headers_do_not_cost_the_scrape(victim: Service, name: str, text: str) -> None:
    answer = tell(victim, f"GET /metrics HTTP/1.1\r\nHost: x\r\n{name}: {text}\r\n\r\n".encode())
    assert answer.status == (403 if name == "Forwarded" else 200)
