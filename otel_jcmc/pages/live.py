"""
Makes `/live`: the participants with a bad call now, and what stands out.

The input is a query: the filter, and the conference whose participants are shown. The output is the
page. A page that is already open in a browser asks only for the part of it that changes.
"""

import asyncio
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from otel_jcmc.catalogue.attributes import CONFERENCE
from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.pages.charts import timeline
from otel_jcmc.pages.door import Door
from otel_jcmc.pages.now import Conference, Now
from otel_jcmc.pages.templating import page, prepare, rendered, whole
from otel_jcmc.pages.viewing import Viewing
from otel_jcmc.sessions.turn import Turn
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Record

MOST_SHOWN: Final = 100
_EVENTS: Final = "text/event-stream"
SORTS: Final = {"worst": "worst first", "largest": "largest first", "name": "by name"}
STATES: Final = ("all", "bad", "fair")
_HOURS_MS: Final = 6 * 3_600_000
# Only the templates of this page: to compile those of all pages takes at least twice as long.
_TEMPLATES: Final = ("base.html", "live.html", "live_part.html", "macros.html", "tracks.html")
# A look is one count of all live participants, shared by all viewers (viewing.py). At most this
# many different pages of one look are kept. Any further page is made again at each request.
_MOST_MADE: Final = 100


class Asked(NamedTuple):
    """
    The values of the page's query.

    Attributes:
        name: show only conferences with this text in their name.
        state: one of STATES: show only conferences with a participant in this or a worse state.
        sort: the order of conferences, one of SORTS.
        conference: the name of the open conference: the page shows its participants; empty: none.
    """

    name: str = ""
    state: str = "all"
    sort: str = "worst"
    conference: str = ""

    def link(self, **changed: str) -> str:
        """Return the same query, with some fields *changed*, for a link."""
        told = zip(self._fields, self._replace(**changed), Asked(), strict=True)
        return urlencode({name: value for name, value, usual in told if value != usual})


def read_asked(query: Any) -> Asked:
    """Return the values of *query*, with the default in place of each wrong value."""
    state, sort = query.get("state", "all"), query.get("sort", "worst")
    return Asked(
        query.get("name", "")[:200],
        state if state in STATES else "all",
        sort if sort in SORTS else "worst",
        query.get("conference", ""),
    )


def chosen(now: Now, asked: Asked) -> list[Conference]:
    """Return the conferences of *now* that match the filter in *asked*, sorted as it asks."""
    part = asked.name.lower()
    found = [
        each
        for each in now.conferences
        if part in each.name.lower()
        and (asked.state == "all" or each.states[2] or (asked.state == "fair" and each.states[1]))
    ]
    if asked.sort == "largest":
        found.sort(key=lambda each: each.size, reverse=True)
    elif asked.sort == "name":
        found.sort(key=lambda each: each.name.lower())
    return found


class _Made(NamedTuple):
    """The journal that was read for a look, and the pages that were made of that look, by query."""

    journal: list[Entry]
    pages: dict[tuple[Asked, str, str], bytes]


class _Pages:
    """
    Makes the pages of the newest look; viewers with the same query share one page.

    Only one page is made at a time. Scrapes use the same thread, and wait for at most one page.
    """

    def __init__(self, viewing: Viewing, record: Record, privacy: Privacy) -> None:
        """Show the newest look of *viewing*, and the last hours of the journal in *record*."""
        self._viewing, self._record, self._privacy = viewing, record, privacy
        # When a look is freed, its pages are freed too.
        self._of: WeakKeyDictionary[Now, _Made] = WeakKeyDictionary()
        self._turn = Turn()
        self._ready: asyncio.Task[None] | None = None

    async def text(self, asked: Asked, template: str, root: str) -> bytes:
        """
        Return the page that is *asked* for, in UTF-8.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        key = (asked, template, root)
        if self._ready is None:
            # At the first request, templates are compiled while Redis is asked: both are slow.
            self._ready = asyncio.create_task(asyncio.to_thread(prepare, _TEMPLATES))
        made = self._of.get(await self._viewing.now())
        # If this viewer disconnects, the compiling must go on: other viewers wait for it too.
        await asyncio.shield(self._ready)
        if made is not None and key in made.pages:
            return made.pages[key]
        async with self._turn:
            # While this request waited, the request of another viewer may have made this page.
            now = await self._viewing.now()
            made = self._of.get(now)
            if made is None:
                journal = await self._record.read(now.at_ms - _HOURS_MS, now.at_ms)
                made = self._of[now] = _Made(journal, {})
            text = made.pages.get(key)
            if text is None:
                text = await self._viewing.in_thread(partial(self._text, now, made.journal, *key))
                if len(made.pages) < _MOST_MADE:
                    made.pages[key] = text
            return text

    def _text(
        self, now: Now, journal: list[Entry], asked: Asked, template: str, root: str
    ) -> bytes:
        """Return the page for the query *asked*, in UTF-8."""
        found = chosen(now, asked)
        shown, more = found[:MOST_SHOWN], found[MOST_SHOWN:]
        # The open conference is always shown, even if the filter or the limit leaves it out.
        names = self._privacy.stored(CONFERENCE, asked.conference)
        opened = [each for each in now.conferences if each.name in names]
        if opened:
            asked = asked._replace(conference=opened[0].name)
        if opened and opened[0] not in shown:
            shown, more = opened + shown, [each for each in more if each not in opened]
        told = {
            "now": now,
            "asked": asked,
            "found": shown,
            "more": len(more),
            "is_over": bool(asked.conference) and not opened,
            "people": now.people(asked.conference) if asked.conference else [],
            "SORTS": SORTS,
            "timeline": timeline(journal, now.at_ms - _HOURS_MS, now.at_ms),
        }
        return rendered(template, root, told).encode()


def live_routes(viewing: Viewing, record: Record, door: Door, privacy: Privacy) -> APIRouter:
    """Return the routes of `/live`; *door* checks callers, *privacy* hashes names if it must."""
    # `web` has no answer for this path, so every client gets the page, also curl.
    router = APIRouter(default_response_class=Response, include_in_schema=False)
    pages = _Pages(viewing, record, privacy)

    @router.get("/live")
    async def live(request: Request) -> Response:
        """Return the page, or with `part=1` only the part that changes."""
        if refusal := door.refuse(request):
            return refusal
        asked = read_asked(request.query_params)
        is_part = request.query_params.get("part") == "1"
        template = "live_part.html" if is_part else "live.html"
        try:
            text = await pages.text(asked, template, request.scope.get("root_path", ""))
        except StoreUnavailable:
            return page(request, template, {"now": None, "asked": asked}, 503)
        return whole(text)

    return router


def event_routes(viewing: Viewing, door: Door) -> APIRouter:
    """Return the route that tells the scripts of open pages when there is a new look."""
    router = APIRouter(default_response_class=Response)

    @router.get("/live/events", include_in_schema=False)
    async def events(request: Request) -> Response:
        """Send a server-sent event whenever there is a new look."""
        if refusal := door.refuse(request):
            return refusal
        # The stream never ends, so only clients that ask for events get it.
        if _EVENTS not in request.headers.get("accept", ""):
            return PlainTextResponse(
                f"this address answers only clients that accept {_EVENTS}\n", 406
            )
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(viewing.looks(), 200, headers, _EVENTS)

    return router
