"""
Adds a mark to each span that waits in Redis, so that erasure.py finds the spans of a client.

A span does not contain its client's id, and history may drop a session before its span is sent. So
the process that makes a span adds a mark to its end: a protobuf field that no span has, with a
digest of the client id and the member. The service removes the mark before it sends the span. A
version that does not know the mark sends the span with it. Receivers skip this unknown field, as
protobuf demands, and can't read the client id from the digest.
"""

from typing import Final, NamedTuple

from otel_jcmc.store.participant import CLIENT_BYTES, client_digest
from otel_jcmc.store.sid import MEMBER_DIGITS

_MEMBER_BYTES: Final = MEMBER_DIGITS // 2
# The tag of protobuf field 536,870,911, the highest possible number, and the length of the field.
# No text in UTF-8 contains these bytes.
_TAG: Final = b"\xfa\xff\xff\xff\x0f" + bytes([CLIENT_BYTES + _MEMBER_BYTES])
MARK_BYTES: Final = len(_TAG) + CLIENT_BYTES + _MEMBER_BYTES
# A packed span begins with its trace id and its span id. Two bytes stand before each id.
_ID_TAG: Final = slice(18, 20)
_ID: Final = slice(20, 28)


class Mark(NamedTuple):
    """The mark of a span: the digest of its client id, and its member in hex digits."""

    client: bytes
    member: str


def marked(span: bytes, client: str, member: str) -> bytes:
    """Return *span* with the mark of *client* and *member*."""
    return span + _TAG + client_digest(client) + bytes.fromhex(member)


def mark_of(waiting: bytes) -> Mark | None:
    """Return the mark of a *waiting* span; None if the span has no mark."""
    mark = waiting[-MARK_BYTES:]
    if not mark.startswith(_TAG):
        return None
    rest = mark[len(_TAG) :]
    return Mark(rest[:CLIENT_BYTES], rest[CLIENT_BYTES:].hex())


def without_mark(waiting: bytes) -> bytes:
    """Return the *waiting* span without its mark, as the service sends it."""
    return waiting if mark_of(waiting) is None else waiting[:-MARK_BYTES]


def span_id_of(span: bytes) -> bytes:
    """Return the span id in *span*, which traces/spans.py packed; empty if the form is another."""
    return span[_ID] if span[_ID_TAG] == b"\x12\x08" else b""
