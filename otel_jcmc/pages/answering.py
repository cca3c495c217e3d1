"""
Answers requests for pages of history, also if the caller may not read or Redis does not answer.

The input is a function of the route that reads history and makes a page. The output is that page,
or a page that says why the function could not make it.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.pages.door import Door
from otel_jcmc.pages.templating import page
from otel_jcmc.sessions.history import History, NoSuchSession
from otel_jcmc.sessions.turn import Busy

_OFF: Final = (
    "The service keeps no history, because JCMC_HISTORY_HOURS is 0. The page Now still shows who is"
    " live."
)
_AWAY: Final = "Redis does not answer. It still has the history: try again in a moment."
_BUSY: Final = "Too many readers asked for history at once. Try again in a moment."
_RETRY: Final = {"retry-after": "5"}


async def answer_page(
    request: Request,
    door: Door,
    history: History | None,
    read: Callable[[History], Awaitable[Response]],
    none: str,
) -> Response:
    """
    Return the page that *read* makes, or a page that says why it could not be made.

    If *read* raises NoSuchSession, the page shows the text *none*.
    """
    if refusal := door.refuse(request):
        return refusal
    if history is None:
        return no_page(request, "No history", _OFF, 404)
    try:
        return await read(history)
    except NoSuchSession:
        return no_page(request, "Not found", none, 404)
    except Busy:
        return page(request, "none.html", {"title": "Too busy", "why": _BUSY}, 503, _RETRY)
    except StoreUnavailable:
        return page(
            request, "none.html", {"title": "Redis does not answer", "why": _AWAY}, 503, _RETRY
        )


def no_page(request: Request, title: str, why: str, status: int) -> Response:
    """Return a page with the reason *why* there is nothing to show."""
    return page(request, "none.html", {"title": title, "why": why}, status)
