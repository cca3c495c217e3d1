"""
Marks a waiting span with its owner; the mark is at the end of the span and is not sent.

A span does not name its client, and history may drop a session before its span is sent. So the
maker of a span marks it for erasure.py: it adds a field that no span has, with a digest of the
client and the member. A version of the service that does not know the mark sends it along;
receivers skip an unknown field (protobuf's rule), and can't read the client's id from it.
"""

from typing import Final, NamedTuple

from otel_jcmc.store.participant import CLIENT_BYTES, client_digest
from otel_jcmc.store.sid import MEMBER_DIGITS

_MEMBER_BYTES: Final = MEMBER_DIGITS // 2
# Field 536,870,911, the last possible one, and its length. No text in UTF-8 has these bytes.
_TAG: Final = b"\xfa\xff\xff\xff\x0f" + bytes([CLIENT_BYTES + _MEMBER_BYTES])
MARK_BYTES: Final = len(_TAG) + CLIENT_BYTES + _MEMBER_BYTES
# A span begins with its trace id and its own id, with two bytes before each.
_ID_TAG: Final = slice(18, 20)
_ID: Final = slice(20, 28)


class Mark(NamedTuple):
    """The owner of a span: the digest of its client, and its member as in a sid."""

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
    """Return the *waiting* span without its mark, in the form in which it is sent."""
    return waiting if mark_of(waiting) is None else waiting[:-MARK_BYTES]


def span_id_of(span: bytes) -> bytes:
    """Return the id of a *span* as traces/spans.py packs it; empty if it has another form."""
    return span[_ID] if span[_ID_TAG] == b"\x12\x08" else b""
