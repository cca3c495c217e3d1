"""
Calculates the ids of a conference's trace and of its spans, from conference and session.

If several processes make the span of one session, or one process makes it again, the ids are the
same. A test checks that the ids keep their present values: during a conference, the service may be
updated.
"""

from hashlib import blake2b

from otel_jcmc.store.sid import sid_began, sid_conference


def trace_id(conference: str, instance: int) -> bytes:
    """Return the trace id of a *conference* (12 hex digits) and its *instance* (start in ms)."""
    return _digest(16, "trace", conference, str(instance))


def conference_span_id(conference: str, instance: int) -> bytes:
    """Return the id of the root span of the trace of a *conference* and its *instance*."""
    return _digest(8, "conference", conference, str(instance))


def session_span_id(sid: str, instance: int, session: str, leg: int) -> bytes:
    """Return the id of the span of a session's leg, named by its *sid*."""
    return _digest(
        8, "session", sid_conference(sid), str(instance), sid_began(sid), session, str(leg)
    )


def _digest(size: int, *parts: str) -> bytes:
    """Return a digest of *parts*; it is never all zeros, because that is no valid id."""
    found = blake2b("\0".join(parts).encode(), digest_size=size, person=b"otel_jcmc").digest()
    return found if any(found) else b"\1" * size
