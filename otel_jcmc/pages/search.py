"""
Makes `/sessions`: the search for sessions, with a field for each parameter of the API.

The input is a query with the API's parameters. The output is a page: a form that is filled with
these parameters, and a table of the sessions found. Empty fields are ignored.
"""

from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from otel_jcmc.catalogue.attributes import (
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CONFERENCE,
    REGION,
)
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.pages.answering import answer_page
from otel_jcmc.pages.door import Door
from otel_jcmc.pages.happenings import end_text
from otel_jcmc.pages.past import name_of, until
from otel_jcmc.pages.routes import page_router
from otel_jcmc.pages.templating import page
from otel_jcmc.pages.words import CAUSES, ENDS, STATES
from otel_jcmc.sessions.card import totals_of
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.scopes import scopes_of
from otel_jcmc.sessions.totals import judged
from otel_jcmc.verdict.record import Record
from otel_jcmc.web import session_query
from otel_jcmc.web.query import BadQuery
from otel_jcmc.web.session_query import LIMIT, LISTED_BY, read_asked

_NONE: Final = "No such session, or it is no longer kept."
# Parameters that choose one page of the results. A link to all results does not have them.
_OF_A_PAGE: Final = ("limit", "after")
_ORDERS: Final = {"newest": "newest first", "worst": "worst first"}
_LIMITS: Final = ("20", str(LIMIT), "100", "200")


class Field(NamedTuple):
    """
    A field of the form.

    Attributes:
        choices: value -> its text on the page; empty: a field for text.
        example: text shown in the empty field.
    """

    name: str
    label: str
    choices: dict[str, str]
    example: str = ""


def _choices(words: Any, told: dict[Any, str]) -> dict[str, str]:
    return {"": "any"} | {word: told.get(word, word) for word in words}


# All parameters in LISTED_BY, except those that the page has in its links.
FIELDS: Final = (
    Field("conference", "Conference contains", {}, "board"),
    Field("participant", "Name or id contains", {}, "ada"),
    Field("state", "Call was", _choices(session_query.STATES, {})),
    Field("cause", "Cause", _choices(session_query.CAUSES, dict(CAUSES))),
    Field("end", "How it ended", _choices(session_query.ENDS, dict(ENDS))),
    Field("bridge", "Bridge is", {}, "jvb-3"),
    Field("region", "Region is", {}, "eu-west"),
    Field("browser", "Browser contains", {}, "firefox"),
    Field("client_id", "Client id is", {}),
    Field("from", "Active from", {}, "yesterday 14:00"),
    Field("to", "Active until", {}, "-2h"),
    Field("tz", "Time zone", {}, "Europe/Berlin"),
    Field("sort", "Order", _ORDERS),
    Field("limit", "Results per page", {each: each for each in _LIMITS}),
)
_USUAL: Final = {"sort": "newest", "limit": str(LIMIT)}


class Row(NamedTuple):
    """One session in the table of results."""

    sid: str
    name: str
    conference: str
    started_ms: int
    lasted_ms: int
    is_live: bool
    end: str
    state: str
    cause: str
    scope: str
    bridge: str
    region: str
    browser: str


def search_routes(
    history: History | None, record: Record, door: Door, privacy: Privacy
) -> APIRouter:
    """Return the route of the search; *door* checks callers, *record* has the journal."""
    router = page_router()

    @router.get("/sessions")
    async def sessions(request: Request) -> Response:
        """Return the page."""

        async def read(of: History) -> Response:
            pairs = asked_pairs(request.query_params.multi_items())
            told: dict[str, Any] = {"fields": FIELDS, "asked": _USUAL | dict(pairs)}
            told |= {"wrong": "", "rows": [], "next": "", "same": _link(pairs, _OF_A_PAGE)}
            told |= {"first": _link(pairs, ("after",)) if "after" in dict(pairs) else None}
            now_ms = await of.now_ms()
            try:
                asked, _ = read_asked(pairs, privacy, now_ms)
            except BadQuery as wrong:
                return page(request, "search.html", told | {"wrong": str(wrong)}, 400)
            found, after = await of.sessions(asked)
            scopes = await scopes_of(of, record, found)
            told["rows"] = [_row(each, scopes.get(each.sid, ""), now_ms) for each in found]
            if after:
                told["next"] = _link([*pairs, ("after", after)], (), is_last=True)
            return page(request, "search.html", told)

        return await answer_page(request, door, history, read, _NONE)

    return router


def asked_pairs(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the query *pairs* without empty fields, and without a time zone if it has no time."""
    filled = [(name, text) for name, text in pairs if text.strip() or name not in LISTED_BY]
    if not {"from", "to"} & {name for name, _ in filled}:
        filled = [each for each in filled if each[0] != "tz"]
    return filled


def _link(pairs: list[tuple[str, str]], without: tuple[str, ...], *, is_last: bool = False) -> str:
    """
    Return *pairs* as a query, except the names in *without*.

    If *is_last*, and a name is in *pairs* twice, only its last value is kept.
    """
    told = [each for each in pairs if each[0] not in without]
    return urlencode(dict(told) if is_last else told)


def _row(session: PastSession, scope: str, now_ms: int) -> Row:
    who = session.attributes
    totals = totals_of(session.card)
    state, cause = judged(totals)[:2] if totals is not None else (None, "")
    major = (who.get(BROWSER_VERSION.id) or "").partition(".")[0]
    return Row(
        session.sid,
        name_of(session),
        who.get(CONFERENCE.id, ""),
        session.started_ms,
        max(0, until(session, now_ms) - session.started_ms),
        session.ended_ms is None,
        end_text(session),
        STATES[state],
        cause,
        scope if cause else "",
        who.get(BRIDGE.id, ""),
        who.get(REGION.id, ""),
        f"{who.get(BROWSER_NAME.id, '')} {major}".strip(),
    )
