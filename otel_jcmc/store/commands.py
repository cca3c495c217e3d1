"""
Commands as they are sent to Redis, and the errors among its replies.

A command is a tuple of words, or the bytes that are sent for these words. If Redis refuses a
command, the error is the reply to it. This file has our own errors, and reads the texts of Redis's
errors.
"""

import re
from typing import Any

import hiredis
from redis._parsers import BaseParser
from redis.exceptions import ConnectionError as NoConnection

from otel_jcmc.catalogue.reasons import StoreUnavailable

# Error class of redis-py -> the word with which Redis begins such an error.
_CODE_OF = {
    each: code for code, each in BaseParser.EXCEPTION_CLASSES.items() if isinstance(each, type)
}
_CODE = re.compile(r"[A-Z]{2,20}\b")

# The words of a command, or the bytes that are sent for them.
Command = tuple[Any, ...] | bytes


class Unfit(NoConnection):
    """Redis does not fit the settings, and no push can be stored; the text says what to do."""


class ClusterNode(Unfit):
    """A server is a node of a cluster and should not be, or the reverse; the text says which."""


class PartAway(NoConnection):
    """The reply to a command whose part of a cluster is away; other parts may answer."""


def code_of(error: Exception) -> str:
    """Return the first word of *error* of Redis, such as OOM: the rest may repeat a command."""
    if code := _CODE_OF.get(type(error)):
        return code
    found = _CODE.match(str(error))
    return found[0] if found else "ERR"


def pack(command: Command) -> bytes:
    """Return the bytes that are sent for *command*."""
    return command if isinstance(command, bytes) else hiredis.pack_command(command)


def bulk(word: bytes) -> bytes:
    """Return the bytes that are sent for one *word* of a command."""
    return b"$%d\r\n%b\r\n" % (len(word), word)


def expect_all(replies: list[Any]) -> list[Any]:
    """
    Return *replies*, for a caller that needs all of them.

    Raises:
        StoreUnavailable: a reply is an error; that error is the cause.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise StoreUnavailable from reply
    return replies


def without_script(error: str) -> str:
    """Return Redis's *error* without the line of the script, which differs between pushes."""
    return error.partition(" script:")[0]
