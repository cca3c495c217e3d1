"""
Commands as they are sent to Redis, and what it says to them that is no value.

A command is its words, or the bytes that are sent for them. An error of Redis is the reply to the
command that it is of; these are the errors that are ours, and what is read from those of others.
"""

import re
from typing import Any

import hiredis
from redis._parsers import BaseParser
from redis.exceptions import ConnectionError as NoConnection

from otel_jcmc.catalogue.reasons import StoreUnavailable

# Error class of redis-py -> the word that Redis begins such an error with.
_CODE_OF = {
    each: code for code, each in BaseParser.EXCEPTION_CLASSES.items() if isinstance(each, type)
}
_CODE = re.compile(r"[A-Z]{2,20}\b")

# Its words, or the bytes that are sent for them.
Command = tuple[Any, ...] | bytes


class Unfit(NoConnection):
    """What is there is not what the settings say, and no push can be taken; says what to do."""


class ClusterNode(Unfit):
    """A server is a node of a cluster and should be none, or the other way round; says which."""


class PartAway(NoConnection):
    """The reply to a command whose part of a cluster can't be had now; that of others can."""


def code_of(error: Exception) -> str:
    """Return the word that Redis has begun *error* with: it repeats nothing of a command."""
    if code := _CODE_OF.get(type(error)):
        return code
    found = _CODE.match(str(error))
    return found[0] if found else "ERR"


def pack(command: Command) -> bytes:
    """Return what is sent for *command*."""
    return command if isinstance(command, bytes) else hiredis.pack_command(command)


def bulk(word: bytes) -> bytes:
    """Return what is sent for one *word* of a command."""
    return b"$%d\r\n%b\r\n" % (len(word), word)


def expect_all(replies: list[Any]) -> list[Any]:
    """
    Return *replies*, for who can do nothing with a part of them.

    Raises:
        StoreUnavailable: one of them is an error, which is its cause.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise StoreUnavailable from reply
    return replies


def without_script(error: str) -> str:
    """Return Redis's *error* without the script's line, which differs for a leave and a push."""
    return error.partition(" script:")[0]
