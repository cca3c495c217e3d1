"""
What every page of history answers alike: who may see it, what is wrong, what is away.

Routes hand in what reads; out comes its page, or one that says why there is none.
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
    "No history is kept: JCMC_HISTORY_HOURS is 0. What is live is still to be seen, and what was"
    " is not."
)
_AWAY: Final = "The store does not answer. What was is still in it: try again in a moment."
_BUSY: Final = "Too many read what was at once. Try again in a moment."
_RETRY: Final = {"retry-after": "5"}


async def answer_page(
    request: Request,
    door: Door,
    history: History | None,
    read: Callable[[History], Awaitable[Response]],
    none: str,
) -> Response:
    """Return what *read* makes of *history*, or why it can't be had; *none*: there is none."""
    if refusal := door.refuse(request):
        return refusal
    if history is None:
        return no_page(request, "No history", _OFF, 404)
    try:
        return await read(history)
    except NoSuchSession:
        return no_page(request, "Not found", none, 404)
    except Busy:
        return page(request, "none.html", {"title": "Not now", "why": _BUSY}, 503, _RETRY)
    except StoreUnavailable:
        return page(request, "none.html", {"title": "Not known now", "why": _AWAY}, 503, _RETRY)


def no_page(request: Request, title: str, why: str, status: int) -> Response:
    """Return a page that says *why* there is nothing to see."""
    return page(request, "none.html", {"title": title, "why": why}, status)
