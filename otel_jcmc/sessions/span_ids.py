"""
Calculates the trace id of a conference, and the ids of its spans.

Each process calculates the same ids for a session, however often it makes the session's span. A new
version of the service must calculate the same ids too, because an update may happen during a
conference. A test checks that.
"""

from hashlib import blake2b

from otel_jcmc.store.sid import sid_began, sid_conference


def trace_id(conference: str, instance: int) -> bytes:
    """Return the trace id of a *conference* (12 hex digits) and its *instance* (start in ms)."""
    return _digest(16, "trace", conference, str(instance))


def conference_span_id(conference: str, instance: int) -> bytes:
    """Return the id of the span of a conference's *instance*, the root span of its trace."""
    return _digest(8, "conference", conference, str(instance))


def session_span_id(sid: str, instance: int, session: str, leg: int) -> bytes:
    """Return the id of the span of the leg *sid*; *leg* is the number of the leg in *session*."""
    return _digest(
        8, "session", sid_conference(sid), str(instance), sid_began(sid), session, str(leg)
    )


def _digest(size: int, *parts: str) -> bytes:
    """Return a digest of *parts*, *size* bytes long; never all zeros, which is no valid id."""
    found = blake2b("\0".join(parts).encode(), digest_size=size, person=b"otel_jcmc").digest()
    return found if any(found) else b"\1" * size
