"""
Answers requests for history, also if the caller may not read or the query is wrong.

A route passes a function that reads history and makes the answer. This answer goes out, or one line
that says why history could not be read.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.sessions.history import NoSuchSession
from otel_jcmc.sessions.turn import Busy
from otel_jcmc.web.query import BadQuery
from otel_jcmc.web.readers import Readers

# Caches between the service and the caller must not keep the names of participants.
HEADERS: Final = {"cache-control": "no-store"}
_OFF: Final = "JCMC_HISTORY_HOURS is 0: no history is kept"
_AWAY: Final = "Redis does not answer"
_BUSY: Final = "too many requests read history now: try again later"
_RETRY: Final = {"retry-after": "5"}

_T = TypeVar("_T")


async def answer_read(
    request: Request,
    readers: Readers,
    of: _T | None,
    read: Callable[[_T], Awaitable[Response]],
    none: str,
) -> Response:
    """
    Return the answer that *read* makes from *of*, or one line that says why there is no answer.

    *of* is what *read* reads, for example the history; None: the service keeps no history. *none*
    is the line that is sent if *read* finds no such session.
    """
    if refusal := readers.refuse(request.scope):
        return line(refusal.text, refusal.status, refusal.headers)
    if of is None:
        return line(_OFF, 404)
    try:
        return await read(of)
    except BadQuery as bad:
        return line(str(bad), 400)
    except NoSuchSession:
        return line(none, 404)
    except Busy:
        return line(_BUSY, 503, _RETRY)
    except StoreUnavailable:
        return line(_AWAY, 503, _RETRY)


def line(text: str, status: int, headers: dict[str, Any] | None = None) -> Response:
    """Return an answer with the line *text*, which no cache may keep."""
    return PlainTextResponse(f"{text}\n", status, HEADERS | (headers or {}))
