"""
Marks a span that waits in Redis with its client and member; the mark is removed before sending.

A span does not contain its client's id, and history may drop the session before the span is sent.
erasure.py needs the mark to find the waiting spans of an erased client. A mark is a protobuf field
at the end of the span, with a number that spans do not use. It has a digest of the client, and the
member. An earlier version of the service does not remove the mark. The receiver of such a span
skips the field, because protobuf skips unknown fields; the receiver can't calculate the client's id
from the digest.
"""

from typing import Final, NamedTuple

from otel_jcmc.store.participant import CLIENT_BYTES, client_digest
from otel_jcmc.store.sid import MEMBER_DIGITS

_MEMBER_BYTES: Final = MEMBER_DIGITS // 2
# A mark begins with the number and the length of its field. The number is 536,870,911, the largest
# that protobuf allows. Text in UTF-8 can't contain these bytes.
_TAG: Final = b"\xfa\xff\xff\xff\x0f" + bytes([CLIENT_BYTES + _MEMBER_BYTES])
MARK_BYTES: Final = len(_TAG) + CLIENT_BYTES + _MEMBER_BYTES
# A span begins with two bytes and the trace id, then two bytes and the span's own id.
_ID_TAG: Final = slice(18, 20)
_ID: Final = slice(20, 28)


class Mark(NamedTuple):
    """
    The client and the participant to which a span belongs.

    Attributes:
        client: the digest of the client's id.
        member: the participant's member in hex digits, as in a sid.
    """

    client: bytes
    member: str


def marked(span: bytes, client: str, member: str) -> bytes:
    """Return *span* with a mark of *client*, a client's id, and *member*, 32 hex digits."""
    return span + _TAG + client_digest(client) + bytes.fromhex(member)


def mark_of(waiting: bytes) -> Mark | None:
    """Return the mark of a span that is *waiting* in Redis; None if the span has no mark."""
    mark = waiting[-MARK_BYTES:]
    if not mark.startswith(_TAG):
        return None
    rest = mark[len(_TAG) :]
    return Mark(rest[:CLIENT_BYTES], rest[CLIENT_BYTES:].hex())


def without_mark(waiting: bytes) -> bytes:
    """Return the span that is *waiting* in Redis without its mark, as it must be sent."""
    return waiting if mark_of(waiting) is None else waiting[:-MARK_BYTES]


def span_id_of(span: bytes) -> bytes:
    """Return the id of *span*; empty if its bytes are not as traces/spans.py makes them."""
    return span[_ID] if span[_ID_TAG] == b"\x12\x08" else b""
