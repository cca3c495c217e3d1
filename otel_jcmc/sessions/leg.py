"""
The data of a leg that has ended, from which its span and its summary are made.

sweep.py makes a `Leg` from the hash that store/stays.lua writes. traces/spans.py makes the leg's
span, and summing.py makes its summary, from this `Leg` and the leg's log.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Leg(NamedTuple):
    """
    One leg of a session as Redis has it. All times are in ms of Redis's clock.

    Attributes:
        session: the session id that the client sent; empty: the service makes the id.
        started, ended: when the leg began and ended.
        reason: why the leg ended.
        number: the number of this leg in its session, from 1.
        instance: when the instance of its conference began; 0: spans are off.
        previous: the sid of the leg before this leg; empty: this is the first leg.
        former: when the instance of the leg before this leg began; 0: this is the first leg, or
            spans were off.
        word: the participant's rating of the call and its text, as store/participant.py reads them.
        cause: why the session failed; empty: the session did not fail, or the cause is not known.
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
        Return the leg from the fields *of_redis* of its hash.

        Raises:
            KeyError, ValueError: the hash does not have the fields that store/stays.lua writes.
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
    The span of one ended leg, with fields from which its conference's span is made later.

    Attributes:
        span: the leg's span; empty: spans are off.
        kept: the fields that moves.lua adds to the hash of its conference's instance.
        client: the client's id; empty: not known.
    """

    span: bytes
    kept: dict[str, str]
    client: str = ""
