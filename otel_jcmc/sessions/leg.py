"""
The data of a leg that is over, from which its span and its summary are made.

sweep.py reads a `Leg` from the hash that store/stays.lua keeps. The leg's span (traces/spans.py)
and its summary (summing.py) are made from it and from the session's log.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Leg(NamedTuple):
    """
    One leg of a session as Redis has it; times in ms of Redis's clock.

    Attributes:
        session: the client's session id; empty: the server names the session.
        reason: why the leg ended.
        number: the number of this leg in its session, from 1.
        instance: the start of its conference's instance; 0: spans are off.
        previous, former: the sid of the leg before, and that leg's instance; empty and 0 on the
            first leg.
        word: what the participant said about the call, as store/participant.py reads it.
    """

    sid: str
    session: str
    started: int
    ended: int
    reason: str
    number: int
    instance: int
    previous: str
    former: int
    word: str = ""
    cause: str = ""

    @classmethod
    def from_redis(cls, sid: str, of_redis: Mapping[str, str]) -> "Leg":
        """
        Return the leg that the hash *of_redis* describes.

        Raises:
            KeyError, ValueError: the hash is not what store/stays.lua writes.
        """
        return cls(
            sid,
            of_redis["session"],
            int(of_redis["started"]),
            int(of_redis["ended"]),
            of_redis["reason"],
            int(of_redis["leg"]),
            int(of_redis.get("instance", 0)),
            of_redis.get("previous", ""),
            int(of_redis.get("former", 0)),
            of_redis.get("word", ""),
            of_redis.get("cause", ""),
        )


class Folded(NamedTuple):
    """
    A session's span, and the fields that moves.lua adds to its conference's hash.

    *client* is the client's id, empty if it is not known. Without a span, *span* is empty.
    """

    span: bytes
    kept: dict[str, str]
    client: str = ""
