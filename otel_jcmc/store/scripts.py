"""
Reads and calls the Lua scripts that run inside Redis.

`script` reads a script from its file, with the text of stays.lua before it. `run_scripts` calls
scripts by their digests; if Redis has forgotten a script, it sends the script's text.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from time import monotonic
from typing import Any, Final, NamedTuple

from redis.exceptions import NoScriptError

from otel_jcmc.store.commands import Command, bulk, expect_all, pack
from otel_jcmc.store.link import TIMEOUT_SECONDS, AnyLink, tell
from otel_jcmc.store.wire import Told

# How long the replies to commands may take, if no push waits for them.
READ_SECONDS: Final = 2.0
# The script's digest is within this number of bytes at the beginning of a call.
_FRONT: Final = 100


class Script(NamedTuple):
    """A script's text, and its SHA-1 digest, which is its name in Redis."""

    text: bytes
    sha: str


@cache
def script(name: str, *, touches_stays: bool = True) -> Script:
    """
    Return the script in the file `<name>.lua`, for example *name* `store/participant`.

    If the script *touches_stays*, the text of stays.lua comes before it.
    """
    folder = files("otel_jcmc")
    names = ("store/stays", name) if touches_stays else (name,)
    text = b"\n".join(folder.joinpath(f"{each}.lua").read_bytes() for each in names)
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


def begin_call(of: Script, keys: Sequence[str], *args: Any, more: int) -> bytes:
    """Return the first bytes of a call *of* a script; the caller adds *more* last arguments."""
    words = ("EVALSHA", of.sha, len(keys), *keys, *args)
    _, _, packed = pack(words).partition(b"\r\n")
    return b"*%d\r\n%b" % (len(words) + more, packed)


async def run_scripts(
    link: AnyLink,
    commands: Sequence[Command],
    scripts: Sequence[Script],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[Any]:
    """
    Run *commands* as `Link.run` does; EVALSHA of *scripts* works even if Redis has forgotten them.

    Raises:
        StoreUnavailable: no connection, or not all replies in time.
    """
    deadline = monotonic() + timeout_seconds
    replies = await link.run(commands, timeout_seconds)
    return await _bring_along(link, commands, scripts, replies, deadline)


def send_scripts(
    link: AnyLink,
    commands: Sequence[bytes],
    scripts: Sequence[Script],
    timeout_seconds: float,
    told: Told,
) -> None:
    """Send packed *commands* as `run_scripts` does; call *told* with the replies or an error."""
    deadline = monotonic() + timeout_seconds

    def hear(outcome: list[Any] | Exception) -> None:
        if isinstance(outcome, list):
            for reply in outcome:
                if isinstance(reply, NoScriptError):
                    again = _bring_along(link, commands, scripts, outcome, deadline)
                    tell(told, again)
                    return
        told(outcome)

    link.send(commands, timeout_seconds, hear)


async def _bring_along(
    link: AnyLink,
    commands: Sequence[Command],
    scripts: Sequence[Script],
    replies: list[Any],
    deadline: float,
) -> list[Any]:
    """
    Return *replies*; if Redis did not have a script, repeat the call with the script's text.

    Raises:
        StoreUnavailable: no connection, or not all replies in time.
    """
    # Redis was restarted or its scripts were flushed: the new calls contain the scripts.
    at = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if at:
        whole = [_in_full(pack(commands[each]), scripts) for each in at]
        again = await link.run(whole, deadline - monotonic())
        for index, reply in zip(at, again, strict=True):
            replies[index] = reply
    return replies


def _in_full(call: bytes, scripts: Sequence[Script]) -> bytes:
    """Return the *call* of one of *scripts* with the script's text in place of its digest."""
    for each in scripts:
        known_by = bulk(b"EVALSHA") + bulk(each.sha.encode())
        if known_by in call[:_FRONT]:
            return call.replace(known_by, bulk(b"EVAL") + bulk(each.text), 1)
    raise ValueError("a call of another script")


async def run_all(
    link: AnyLink, commands: Sequence[Command], scripts: Sequence[Script] = ()
) -> list[Any]:
    """
    Return the replies to *commands*, within 2 s.

    Raises:
        StoreUnavailable: Redis did not answer in time, or refused a command.
    """
    return expect_all(await run_scripts(link, commands, scripts, READ_SECONDS)) if commands else []
