"""
What says whose a span is that waits in Redis: a mark at its end, which is not sent.

A span does not name its client, and history may let a session go before its span is sent. So who
makes a span marks it for erasure.py: in go client and member, out comes a field that no span has,
with a digest of the client. A version that does not know of it sends it along, and receivers pass
over such a field (protobuf's rule); nobody learns the client's id of it.
"""

from typing import Final, NamedTuple

from otel_jcmc.store.participant import CLIENT_BYTES, client_digest
from otel_jcmc.store.sid import MEMBER_DIGITS

_MEMBER_BYTES: Final = MEMBER_DIGITS // 2
# Field 536,870,911, the last there can be, and its length. No text in UTF-8 has these bytes.
_TAG: Final = b"\xfa\xff\xff\xff\x0f" + bytes([CLIENT_BYTES + _MEMBER_BYTES])
MARK_BYTES: Final = len(_TAG) + CLIENT_BYTES + _MEMBER_BYTES
# A span begins with the ids of its trace and its own: two bytes before each of them.
_ID_TAG: Final = slice(18, 20)
_ID: Final = slice(20, 28)


class Mark(NamedTuple):
    """Whose a span is: the digest of its client, and its member as a sid has it."""

    client: bytes
    member: str


def marked(span: bytes, client: str, member: str) -> bytes:
    """Return *span* with the mark of *client* and *member*."""
    return span + _TAG + client_digest(client) + bytes.fromhex(member)


def mark_of(waiting: bytes) -> Mark | None:
    """Return the mark of a span that is *waiting*; None: it has none."""
    mark = waiting[-MARK_BYTES:]
    if not mark.startswith(_TAG):
        return None
    rest = mark[len(_TAG) :]
    return Mark(rest[:CLIENT_BYTES], rest[CLIENT_BYTES:].hex())


def without_mark(waiting: bytes) -> bytes:
    """Return the span that is *waiting* as it is sent."""
    return waiting if mark_of(waiting) is None else waiting[:-MARK_BYTES]


def span_id_of(span: bytes) -> bytes:
    """Return the id of a *span* as traces/spans.py packs it; nothing if it is not of that form."""
    return span[_ID] if span[_ID_TAG] == b"\x12\x08" else b""
