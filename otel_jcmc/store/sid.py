"""
Makes the name of one leg of a session, the sid, and reads values from a sid without Redis.

A sid has 48 hex digits, made by stays.lua. The first 32 are the member; the first 12 of these are
the conference's digest. The next 11 are the start of the leg, in ms. The last 5 are from a digest
of the client's own session id.
"""

import re
from hashlib import sha1
from typing import Final

CONFERENCE_DIGITS: Final = 12
MEMBER_DIGITS: Final = 32
BEGAN_DIGITS: Final = 11
# People see a short sid. Its digits are the end of the sid: the leg's start and its session id.
SHORT_DIGITS: Final = 16

is_sid: Final = re.compile(rf"[0-9a-f]{{{MEMBER_DIGITS + SHORT_DIGITS}}}").fullmatch
is_short_sid: Final = re.compile(rf"[0-9a-f]{{{SHORT_DIGITS}}}").fullmatch


def sid_conference(sid: str) -> str:
    """Return the digest of the conference of *sid*."""
    return sid[:CONFERENCE_DIGITS]


def sid_member(sid: str) -> str:
    """Return the digest of the participant of *sid*."""
    return sid[:MEMBER_DIGITS]


def sid_began(sid: str) -> str:
    """Return the member and the start in *sid*; two sessions of one client may share both."""
    return sid[: MEMBER_DIGITS + BEGAN_DIGITS]


def short_sid(sid: str) -> str:
    """Return the end of *sid*: the start of the leg, and the digits of its session id."""
    return sid[MEMBER_DIGITS:]


def began_ms(sid: str) -> int:
    """Return when the leg *sid* began, Unix time in ms; a short sid works too."""
    return int(sid[-SHORT_DIGITS:][:BEGAN_DIGITS], 16)


def by_time(sid: bytes) -> bytes:
    """Move the end of *sid* to its front, so that sorted names are in the order of the starts."""
    return sid[MEMBER_DIGITS:] + sid[:MEMBER_DIGITS]


def from_by_time(turned: bytes) -> str:
    """Return the sid for which `by_time` returned *turned*."""
    return (turned[-MEMBER_DIGITS:] + turned[:-MEMBER_DIGITS]).decode()


def sid_of_stay(member: str, started_ms: float, session: str) -> str:
    """Return the sid of the leg that *member* began at *started_ms*, as stays.lua makes it."""
    client = sha1(session.encode(), usedforsecurity=False).hexdigest()
    return f"{member}{int(started_ms):0{BEGAN_DIGITS}x}{client[: SHORT_DIGITS - BEGAN_DIGITS]}"
