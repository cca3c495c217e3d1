"""
A sid, the name of one leg of a session: what it says by itself.

48 hex digits, made by stays.lua: 32 of the member, the first 12 of which are the conference's; 11
of when the leg began, in ms; 5 of the client's own session id. So whose a session is and since when
is known without asking Redis.
"""

import re
from hashlib import sha1
from typing import Final

CONFERENCE_DIGITS: Final = 12
MEMBER_DIGITS: Final = 32
BEGAN_DIGITS: Final = 11
# So many name a leg for people, when and which: the member's are left out.
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
    """Return the member of *sid* and when it began: what two sessions of one client share."""
    return sid[: MEMBER_DIGITS + BEGAN_DIGITS]


def short_sid(sid: str) -> str:
    """Return the end of *sid*, which begins with when the leg began."""
    return sid[MEMBER_DIGITS:]


def began_ms(sid: str) -> int:
    """Return when the leg *sid* began, Unix time in ms; of a short sid as well."""
    return int(sid[-SHORT_DIGITS:][:BEGAN_DIGITS], 16)


def by_time(sid: bytes) -> bytes:
    """Return *sid* with its end first: sorted like this, sessions are in the order they began."""
    return sid[MEMBER_DIGITS:] + sid[:MEMBER_DIGITS]


def from_by_time(turned: bytes) -> str:
    """Return the sid that `by_time` has *turned*."""
    return (turned[-MEMBER_DIGITS:] + turned[:-MEMBER_DIGITS]).decode()


def sid_of_stay(member: str, started_ms: float, session: str) -> str:
    """Return the sid of the leg that *member* began at *started_ms*, as stays.lua makes it."""
    client = sha1(session.encode(), usedforsecurity=False).hexdigest()
    return f"{member}{int(started_ms):0{BEGAN_DIGITS}x}{client[: SHORT_DIGITS - BEGAN_DIGITS]}"
