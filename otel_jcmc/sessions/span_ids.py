"""
The ids of a conference's trace and of its spans: digests of what they are of.

Whoever makes the span of a session, and how often, makes it with the same ids; a test holds them to
what they were, because a conference may outlast a version.
"""

from hashlib import blake2b

from otel_jcmc.store.sid import sid_began, sid_conference


def trace_id(conference: str, instance: int) -> bytes:
    """Return the trace of the *conference*, 12 hex digits, whose *instance* began then (ms)."""
    return _digest(16, "trace", conference, str(instance))


def conference_span_id(conference: str, instance: int) -> bytes:
    """Return the id of the span that is the root of that trace."""
    return _digest(8, "conference", conference, str(instance))


def session_span_id(sid: str, instance: int, session: str, leg: int) -> bytes:
    """Return the id of the span of a session's leg, which its *sid* names."""
    return _digest(
        8, "session", sid_conference(sid), str(instance), sid_began(sid), session, str(leg)
    )


def _digest(size: int, *parts: str) -> bytes:
    """Return a digest of *parts*; nothing but zeros would be no id."""
    found = blake2b("\0".join(parts).encode(), digest_size=size, person=b"otel_jcmc").digest()
    return found if any(found) else b"\1" * size
