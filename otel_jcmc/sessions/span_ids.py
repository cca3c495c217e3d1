"""
Calculates the ids of a conference's trace and of the spans in this trace.

The ids are digests of the conference and the session. So they are the same if several processes
make the span of one session, or if one process makes it twice. A test checks that the ids do not
change with a new version of the service, because the service may be updated during a conference.
"""

from hashlib import blake2b

from otel_jcmc.store.sid import sid_began, sid_conference


def trace_id(conference: str, instance: int) -> bytes:
    """
    Return the id of the trace of one instance of a conference, 16 bytes.

    Args:
        conference: the 12 hex digits of the conference's digest.
        instance: when the instance began, Unix time in ms.
    """
    return _digest(16, "trace", conference, str(instance))


def conference_span_id(conference: str, instance: int) -> bytes:
    """Return the id of the root span in the trace of this instance of a conference, 8 bytes."""
    return _digest(8, "conference", conference, str(instance))


def session_span_id(sid: str, instance: int, session: str, leg: int) -> bytes:
    """
    Return the id of a leg's span, 8 bytes.

    Args:
        sid: names the leg.
        instance: when the conference's instance began, Unix time in ms.
        session: the session id that the client sent; empty: none.
        leg: the number of the leg, from 1.
    """
    return _digest(
        8, "session", sid_conference(sid), str(instance), sid_began(sid), session, str(leg)
    )


def _digest(size: int, *parts: str) -> bytes:
    """Return a digest of *parts*, *size* bytes; never only zeros, because such an id is invalid."""
    found = blake2b("\0".join(parts).encode(), digest_size=size, person=b"otel_jcmc").digest()
    return found if any(found) else b"\1" * size
