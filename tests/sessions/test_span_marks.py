"""The mark of a waiting span: whose it is, and its removal."""

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_jcmc.sessions.span_marks import (
    Mark,
    mark_of,
    marked,
    span_id_of,
    without_mark,
)
from otel_jcmc.store.participant import client_digest

MEMBER = "0123456789ab" + "c" * 20
CLIENT = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
SPAN = Span(name="jitsi.session", trace_id=b"t" * 16, span_id=b"s" * 8, flags=0x101)
PACKED = SPAN.SerializeToString(deterministic=True)


def test_a_mark_says_whose_it_is_and_is_taken_off() -> None:
    waiting = marked(PACKED, CLIENT.upper(), MEMBER)
    assert mark_of(waiting) == Mark(client_digest(CLIENT), MEMBER)
    assert without_mark(waiting) == PACKED
    assert CLIENT.encode() not in waiting.lower()


def test_a_span_with_its_mark_is_a_span() -> None:
    """A version that does not know marks sends it, and receivers can read it."""
    read = Span.FromString(marked(PACKED, CLIENT, MEMBER))
    read.DiscardUnknownFields()
    assert read == SPAN


def test_what_has_no_mark_is_left_as_it_is() -> None:
    for waiting in (PACKED, b"", b"span"):
        assert mark_of(waiting) is None
        assert without_mark(waiting) == waiting


def test_who_is_not_known_is_nobody() -> None:
    assert mark_of(marked(PACKED, "", MEMBER)) == Mark(bytes(16), MEMBER)
    assert client_digest(CLIENT) != bytes(16)


def test_the_id_of_a_span_is_read_off() -> None:
    assert span_id_of(marked(PACKED, CLIENT, MEMBER)) == SPAN.span_id
    assert span_id_of(b"no span") == b""
