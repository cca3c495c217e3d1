"""
The scripts that run inside Redis, each made of its file and of stays.lua before it.

`script` reads one; `run_scripts` runs calls of some and brings along what Redis has forgotten.
`Keeping` is what each of them is told of sessions. Used by whoever writes to a partition's keys.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from time import monotonic
from typing import Any, Final, NamedTuple

from redis.exceptions import NoScriptError

from otel_jcmc.store.link import TIMEOUT_SECONDS, Command, Link

# For what recorders have written of a session to be in Redis.
SETTLE_MS: Final = 3_000


class Script(NamedTuple):
    """A script's text, and what Redis knows it by."""

    text: bytes
    sha: str


@cache
def script(name: str, *, touches_stays: bool = True) -> Script:
    """
    Return the script of `<name>.lua`, as `traces/sweep`: it lies beside the file that sends it.

    What stays.lua has comes before it where it *touches_stays*.
    """
    folder = files("otel_jcmc")
    names = ("store/stays", name) if touches_stays else (name,)
    text = b"\n".join(folder.joinpath(f"{each}.lua").read_bytes() for each in names)
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


class Keeping(NamedTuple):
    """
    What is kept of sessions.

    Attributes:
        sessions: whether anything is.
        spans: whether they become spans.
        grace_ms: for this long after an expiry who comes back goes on with the same session.
        keep_ms: for this long a session is kept in Redis.
        settle_ms: for this long after a session's last push there may be some of it that recorders
            have not written yet: a span waits for it.
        history: whether a session's log is kept when it is a span.
    """

    sessions: bool = False
    spans: bool = False
    grace_ms: int = 60_000
    keep_ms: int = 86_400_000
    settle_ms: int = SETTLE_MS
    history: bool = True

    def to_args(self) -> tuple[int, int, int, int]:
        """Return the first arguments of each script."""
        mode = (2 if self.spans else 1) if self.sessions else 0
        return mode, self.grace_ms, self.keep_ms, self.settle_ms


NOTHING_KEPT: Final = Keeping()


async def run_scripts(
    link: Link,
    commands: Sequence[Command],
    scripts: Sequence[Script],
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[Any]:
    """
    Run *commands* as `Link.run` does; EVALSHA of one of *scripts* works whatever Redis has cached.

    Raises:
        StoreUnavailable: no connection, or not all replies in time.
    """
    deadline = monotonic() + timeout_seconds
    replies = await link.run(commands, timeout_seconds)
    # Redis was restarted or flushed its scripts: these calls bring them along.
    at = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if at:
        text_of = {each.sha: each.text for each in scripts}
        whole = [("EVAL", text_of[commands[each][1]], *commands[each][2:]) for each in at]
        again = await link.run(whole, deadline - monotonic())
        for index, reply in zip(at, again, strict=True):
            replies[index] = reply
    return replies
