"""
A push that is read in one piece is that push, and framing.py reads the same from the same bytes.

The differential test compares the two. Everything that the fast path takes is, for the parser with
all callbacks, exactly one request, with the same lines, body and end.
"""

from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from otel_jcmc.intake.heads import Lines, RawHead
from otel_jcmc.server.framing import NOTHING, PIECE_BYTES, WHOLE_BYTES, Framing, Header, Refused
from otel_jcmc.server.whole import MOST_BYTES, MOST_HEAD_BYTES, WholePushes

BEGIN = b"POST /metrics/push HTTP/1.1\r\n"
PLAIN = BEGIN + b"Host: x\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}'


class Noted(Framing):
    """A connection that notes the events of framing.py."""

    class _Open:
        def is_closing(self) -> bool:
            return False

    def __init__(self) -> None:
        super().__init__()
        self.transport = self._Open()
        self.heads: list[tuple[bytes, bytes, list[Header], bool]] = []
        self.bodies: list[bytes] = []
        self.ends = 0
        self.refusals = 0

    def take_head(self) -> None:
        method = self.parser.get_method()
        self.heads.append((method, self.url, self.headers, self.closes))
        self.bodies.append(b"")

    def take_body(self, body: bytes) -> None:
        self.bodies[-1] += body

    def take_end(self) -> None:
        self.ends += 1

    def refuse(self, _refused: Refused) -> None:
        self.refusals += 1

    def cut_head(self) -> None:
        self.refusals += 1


def framed(data: bytes) -> Noted:
    """Return the events of framing.py for *data*, in one read."""
    noted = Noted()
    noted.read(data)
    return noted


READ = {
    *(b"user-agent", b"x-forwarded-for", b"x-real-ip", b"forwarded"),
    *(b"origin", b"authorization", b"content-encoding"),
}


def assert_same(found: tuple[RawHead, bytes], data: bytes) -> None:
    """Assert that framing.py finds in *data* exactly the push that was *found*."""
    head, body = found
    noted = framed(data)
    (told,) = noted.heads
    method, url, headers, closes = told
    assert (method, url, closes) == (b"POST", b"/metrics/push", False)
    assert list(head) == list(Lines(headers)) == [each for each in headers if each[0] in READ]
    lines = Lines(headers)
    assert head.user_agent() == lines.user_agent()
    names = {b"x-forwarded-for", b"x-real-ip", b"forwarded"}
    told_by_proxies = [(name.lower(), value) for name, value in head.forwarded()]
    assert [each for each in told_by_proxies if each[0] in names] == lines.forwarded()
    assert noted.bodies == [body]
    assert (noted.ends, noted.refusals, noted.reading) == (1, 0, NOTHING)
    assert not noted.is_over
    assert not noted.has_rest


# Streams that are almost one push.

_BLANKS = st.sampled_from([b"", b" ", b" ", b" ", b"  ", b"\t", b" \t "])
_NAMES = st.sampled_from(
    [
        *(b"User-Agent", b"user-agent", b"USER-AGENT", b"User_Agent", b"uSer-agents", b"A:B"),
        *(b"X-Forwarded-For", b"x-forwarded-for", b"X-FORWARDED-FOR", b"X-Forwarded-Fo"),
        *(b"X-Real-IP", b"x-real-ip", b"Forwarded", b"FORWARDED", b"f-real-ip", b"xorwarded"),
        *(b"Origin", b"Cookie", b"Authorization", b"Connection", b"Proxy-Connection", b"Upgrade"),
        *(b"Expect", b"Transfer-Encoding", b"Content-Length", b"Content-Encoding", b"Accept", b""),
    ]
)
_TEXTS = [
    *(b"", b"x", b"203.0.113.9", b"10.0.0.1, 203.0.113.9", b"for=203.0.113.9", b"a b ", b"a\tb"),
    *(b"close", b"keep-alive", b"Keep-Alive, close", b"upgrade", b"h2c", b"chunked", b"7", b"07"),
    *(b"100-continue", b"gzip", b"0", b"+7", b"7, 7", b"{", b":", b"\xff\x80"),
]
_WILD = st.text("\t\r\n \0ab:\xe9", max_size=6).map(lambda text: text.encode("latin-1"))
_VALUES = st.integers(0, 25).flatmap(lambda it: st.sampled_from(_TEXTS) if it else _WILD)
_COLONS = st.sampled_from([b":"] * 60 + [b" :", b"", b"::"])
_ENDS = st.sampled_from(
    [b"\r\n"] * 150 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b"\r\n\r\n"]
)
_LINES = st.tuples(_NAMES, _COLONS, _BLANKS, _VALUES, _ENDS).map(b"".join)
_BODIES = st.sampled_from(
    [
        *[b"{}", b'{"a":1}', b"{\r\n\r\n}", b"{\n}", b'{"{":"}"}', b"{" + b" " * 3000 + b"}"] * 4,
        *(b" {}", b"", b"{", b"}", b"{" + b" " * 17_000 + b"}", b"0\r\n\r\n" + PLAIN),
        b'\r\nUser-Agent: x\r\n\r\n{"}',
    ]
)
_BEHIND = st.sampled_from(
    [b""] * 40 + [b"\r\n", b"\n", b"}", b"{}", PLAIN, PLAIN[:-1], PLAIN[:40], b"\r\n" + PLAIN]
)
_BEFORE = st.sampled_from(
    [BEGIN] * 20 + [b"\r\n" + BEGIN, b"", BEGIN.replace(b"/m", b"http://x/m")]
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return bytes that a client may send at once; about half of them are one push."""
    body = draw(_BODIES)
    lines = draw(st.lists(_LINES, max_size=4))
    size = len(body) + draw(st.sampled_from([0] * 40 + [-2, -1, 1, 2, 300]))
    length = b"Content-Length: %d\r\n" % size
    extra = draw(
        st.sampled_from(
            [
                *[length] * 30,
                b"",
                length + b"a:\r\n" * 97,
                length + b"a:\r\n" * 100,
                length + b"Cookie: " + b"c" * 1900 + b"\r\n",
                length + b"Cookie: " + b"c" * 2100 + b"\r\n",
            ]
        )
    )
    lines.insert(draw(st.integers(0, len(lines))), extra)
    data = draw(_BEFORE) + b"".join(lines) + b"\r\n" + body + draw(_BEHIND)
    if not draw(st.integers(0, 8)):
        at = draw(st.integers(0, min(len(data), 300)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 2)) :]
    return data


@given(st.lists(streams(), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_what_is_taken_whole_is_what_framing_makes_of_it(reads: list[bytes]) -> None:
    """One reader for all streams: earlier bytes, from any connection, change nothing."""
    pushes = WholePushes(100)
    for data in filter(None, reads):
        found = pushes.read(data)
        event("taken" if found else "left")
        if found:
            assert_same(found, data)
    found = pushes.read(PLAIN)
    assert found
    assert found[1] == b'{"a":1}'


# Parts of requests, as an attacker would combine them to confuse the ends of two requests.
_PARTS = [
    *[b"\r\n"] * 14,
    *[b"{", b"}"] * 6,
    *[b"Content-Length: %d\r\n" % size for size in range(1, 24)],
    *[BEGIN, BEGIN, BEGIN, b"GET /", b"GET /", b"?}", b" HTTP/1.1\r\n", b"POST / HTTP/1.1\r\n"],
    *[b"a: b\r\n", b"a:", b"abc", b"x", b" ", b"\n", b"\r", b"{}", b"User-Agent: {\r\n"],
    *[b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n"],
    *[b"Transfer-Encoding: chunked\r\n", b"5\r\n", b"0\r\n", b";{", b"2\r\n{}\r\n0\r\n\r\n"],
    b"Connection: upgrade\r\nUpgrade: h2c\r\n",
]


def put_together(chance: Random) -> bytes:
    """Return a push's first line, parts in any order, and a brace; mostly with a length."""
    data = BEGIN + b"".join(chance.choices(_PARTS, k=chance.randrange(1, 9)))
    data = data if data.endswith(b"}") else data + b"}"
    head, end, rest = data.partition(b"\r\n\r\n")
    if end and chance.random() < 0.8:
        # A correct length, or the number of bytes from the first brace on.
        size = chance.choice(
            (len(rest), chance.randrange(len(rest) + 2), len(rest[rest.find(b"{") :]))
        )
        data = b"%b\r\nContent-Length: %d%b%b" % (head, size, end, rest)
    return data


def test_no_part_of_another_request_is_taken_for_the_body() -> None:
    chance, pushes, taken = Random(1), WholePushes(100), 0
    for _ in range(40_000):
        data = put_together(chance)
        if found := pushes.read(data):
            assert_same(found, data)
            taken += 1
    assert taken > 40


# RFC 9110, 5.6.2 and 5.5; without a brace, which marks the body.
_TOKENS = b"!#$%&'*+.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"
_TEXT = bytes(each for each in range(256) if each == 9 or (each > 31 and each not in b"\x7f{"))


def made_of(alphabet: bytes, least: int = 0, most: int = 9) -> st.SearchStrategy[bytes]:
    """Return texts of *alphabet*."""
    return st.lists(st.sampled_from(list(alphabet)), min_size=least, max_size=most).map(bytes)


@given(
    st.lists(st.tuples(made_of(_TOKENS, 1, 6), _BLANKS, made_of(_TEXT)), max_size=12),
    made_of(bytes(range(256)), most=30),
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_an_ordinary_head_is_taken(
    lines: list[tuple[bytes, bytes, bytes]], inside: bytes
) -> None:
    """Otherwise the test above would compare nothing."""
    body = b"{%b}" % inside
    head = b"".join(b"%b:%b%b\r\n" % line for line in lines)
    data = BEGIN + head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    found = WholePushes(100).read(data)
    assert found
    assert_same(found, data)


def with_lines(*lines: bytes, body: bytes = b"{}", end: bytes = b"") -> bytes:
    """Return a push with *lines* in its head and *end* after it."""
    lines = (b"Content-Length: %d" % len(body), *lines)
    return BEGIN + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body + end


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_lines(end=b"\r\n"), id="a line's end behind it"),
        pytest.param(with_lines(end=PLAIN), id="another one behind it"),
        pytest.param(with_lines(b"Connection: close"), id="the last one"),
        pytest.param(with_lines(b"connection: x , CLOSE"), id="the last one, among words"),
        pytest.param(with_lines(b"Connection: Upgrade", b"Upgrade: h2c"), id="an upgrade"),
        pytest.param(with_lines(b" folded: x"), id="a folded line"),
        pytest.param(with_lines(b"a : x"), id="a blank before the colon"),
        pytest.param(with_lines(b"no colon"), id="no colon"),
        pytest.param(with_lines(b"a: b\0c"), id="a NUL"),
        pytest.param(with_lines(b"a: b\rc"), id="a CR alone"),
        pytest.param(with_lines(b"a: b\nc: d"), id="an LF alone"),
        pytest.param(with_lines(b"Content-Length: 2"), id="two lengths"),
        pytest.param(with_lines(b"Transfer-Encoding: chunked"), id="a length and chunks"),
        pytest.param(with_lines(b"Cookie: {"), id="a brace in the head"),
        pytest.param(with_lines(*[b"a:"] * 100), id="101 lines"),
        pytest.param(with_lines(b"a: " + b"b" * 2048), id="a head too large for a piece"),
        pytest.param(with_lines(body=b"{%b}" % (b" " * 16_384)), id="too large for a read"),
        pytest.param(with_lines(body=b" {}"), id="a blank before the object"),
        pytest.param(with_lines(body=b"{} "), id="a blank behind the object"),
        pytest.param(with_lines(body=b"[]"), id="no object"),
        pytest.param(PLAIN.replace(b"7", b"6"), id="a byte too many"),
        pytest.param(PLAIN.replace(b"7", b"8"), id="a byte too few"),
        pytest.param(PLAIN[:-1], id="not all of it"),
        pytest.param(PLAIN.partition(b"{")[0], id="a head alone"),
        pytest.param(b"\r\n" + PLAIN, id="an empty line before it"),
        pytest.param(PLAIN.replace(b"/metrics/push", b"http://x/metrics/push"), id="a whole URL"),
        pytest.param(PLAIN.replace(b"/push", b"/push?a"), id="a query"),
        pytest.param(PLAIN.replace(b"POST", b"PUT"), id="another method"),
        pytest.param(PLAIN.replace(b"1.1", b"1.0"), id="HTTP/1.0"),
        pytest.param(
            BEGIN + b"\r\n" + PLAIN, id="one without a body, and its head would be another's"
        ),
        pytest.param(
            BEGIN + b"\r\n" + BEGIN + b"\r\n" + b"GET /{}", id="two without a body, and a part"
        ),
        pytest.param(
            BEGIN + b"Content-Length: 7\r\n\r\nabcdefgGET /{23456}",
            id="a part behind it that is as long from the brace on as the body",
        ),
        pytest.param(
            BEGIN + b"Content-Length: 9\r\n\r\nabc\r\n\r\n{}" + b"GET /?}",
            id="a part behind it that is as long as the body up to the brace",
        ),
        pytest.param(
            BEGIN + b"Content-Length: 5\r\n\r\nabcde" + PLAIN,
            id="one with a body, and its head would be another's",
        ),
        pytest.param(
            BEGIN + b"\r\n" + PLAIN.replace(b"7", b"9"), id="one without a body, and a part"
        ),
        pytest.param(
            BEGIN + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: {}\r\n\r\n{}",
            id="chunks and a trailer",
        ),
    ],
)
def test_what_is_out_of_the_ordinary_is_left(data: bytes) -> None:
    pushes = WholePushes(100)
    assert pushes.read(data) is None
    # And it leaves no state behind.
    found = pushes.read(PLAIN)
    assert found
    assert (found[0].raw, found[1]) == (PLAIN[:-7], b'{"a":1}')


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_lines(*[b"a:"] * 99), id="100 lines"),
        pytest.param(with_lines(b"Connection: keep-alive"), id="a connection that goes on"),
        pytest.param(with_lines(b"Upgrade: h2c"), id="an upgrade that is not asked for"),
        pytest.param(with_lines(b"Expect: 100-continue"), id="a word that nobody waits for"),
        pytest.param(with_lines(b"a:", b"b: \t", b"c:\t d \t", b"d:e:f"), id="blanks"),
        pytest.param(with_lines(b"a: \xff\x80"), id="bytes beyond ASCII"),
        pytest.param(with_lines(body=b"{\r\n\r\n" + PLAIN[1:] + b"}"), id="a request in the body"),
        pytest.param(with_lines(body=b"{%b}" % (b" " * 16_000)), id="a large one"),
    ],
)
def test_what_is_ordinary_is_taken(data: bytes) -> None:
    found = WholePushes(100).read(data)
    assert found
    assert_same(found, data)


def test_what_framing_parses_in_pieces_is_not_taken_whole() -> None:
    assert MOST_HEAD_BYTES <= PIECE_BYTES
    assert MOST_BYTES <= WHOLE_BYTES


def test_a_parser_is_not_made_for_each_push() -> None:
    pushes = WholePushes(100)
    parser = pushes._parser
    for _ in range(10):
        assert pushes.read(PLAIN)
        # If first and last bytes show that it is no complete push, no parser runs either.
        assert pushes.read(PLAIN[:-1]) is None
        assert pushes.read(PLAIN[:-7]) is None
    assert pushes._parser is parser
