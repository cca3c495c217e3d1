"""
Packs commands for Redis, and reads the errors among the replies of Redis.

A command is a tuple of words, or the bytes that are sent for these words. If Redis refuses a
command, the reply is an error object. This file has our own error classes, and functions that read
the text of an error of Redis.
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
    """The server is a node of a cluster and the URL names one server, or the reverse."""


class PartAway(NoConnection):
    """The reply to a command if the cluster's master of its slot is away; others may answer."""


def code_of(error: Exception) -> str:
    """Return the first word of Redis's *error*, such as OOM; other words may repeat a command."""
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
    Return *replies* if none of them is an error.

    Raises:
        StoreUnavailable: a reply is an error; its `__cause__` is that error.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise StoreUnavailable from reply
    return replies


def without_script(error: str) -> str:
    """Return the text *error* of Redis without the script's line number, which often changes."""
    return error.partition(" script:")[0]
