"""
A push as participant.lua reads it: all those of a batch are one argument, one behind the other.

An argument of its own for each field would cost more than all else that the store does for a push,
in Redis too. What a push says of itself is in front, as `_HEAD` and the script's PUSH have it; then
comes the end of the stored value as it will stand there, and last what few pushes tell.
"""

from struct import Struct
from typing import Final

from otel_jcmc.store.participant import Write

# Member, whether it may be somebody new's, whether a session that begins is kept, whether it tells
# of a join that failed, seq, ms (to live, or for which the join was tried), the sizes of both texts
# that follow; the first of them begins with the size of the session id.
_HEAD: Final = Struct(">32s???qqIIBB").pack
# As msgpack has them.
_STR_8: Final = 0xD9
_BIN_8: Final = [bytes((0xC4, size)) for size in range(256)]
_SIZES: Final = 4


def pack(write: Write) -> bytes:
    """Return *write* as the script takes it."""
    session, owner, payload = write.session.encode(), write.owner, write.payload
    rare = _rare(write) if write.end or write.word else b""
    # Below 0: of nobody new.
    ttl_ms, has_failed = write.ttl_ms, write.join_ms >= 0
    head = _HEAD(
        write.member.encode(),
        ttl_ms >= 0,
        write.is_kept,
        has_failed,
        write.seq,
        write.join_ms if has_failed else abs(ttl_ms),
        _SIZES + len(session) + len(owner) + len(payload),
        len(rare),
        _STR_8,
        len(session),
    )
    return b"".join((head, session, _BIN_8[len(owner)], owner, payload, rare))


def _rare(write: Write) -> bytes:
    """Return why the participant of *write* leaves, a failure's cause, and its word of the call."""
    return f"{write.end}/{write.cause}/{write.word}".encode()
