"""
Answers scrapes: checks that the caller may read, and sends the metrics in pieces.

The routes also limit how many scrapes are answered at a time. The routes read headers from the
request and return responses. If a route had typed parameters or results, FastAPI would make a
model, and import all of pydantic's version 1 (40 ms, 2 MiB).
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from otel_jcmc.metrics.scrape import (
    EVERYTHING,
    SERVICE,
    VERDICTS,
    Exposition,
    Page,
    Scraper,
)
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.schemas import FORWARDED, GZIP, SENT_AWAY, TEXT, Responses, answer

# If a scrape is refused because too many are being answered, the caller may ask again after this
# number of seconds.
_SCRAPE_AGAIN: Final = "5"
_ANSWERS: Final[Responses] = {
    200: answer("The metrics.", TEXT, "application/openmetrics-text"),
    **SENT_AWAY,
    404: answer("OTEL_METRICS_EXPORTER does not name prometheus.", TEXT),
    503: answer("Too many scrapes at the same time; try again later.", TEXT),
}
_NO_SHARE: Final[Responses] = {
    400: answer("`partition` is wrong; the text says how to correct it.", TEXT)
}


def _shares_of(partitions: int) -> dict[str, tuple[int, ...]]:
    """
    Return a dictionary from `k/n` to the numbers of the partitions in the kth of n shares.

    *partitions* is the number of all partitions.
    """
    return {
        f"{k}/{n}": tuple(range(k - 1, partitions, n))
        for n in range(1, partitions + 1)
        for k in range(1, n + 1)
    }


def scrape_routes(
    scraper: Scraper | None, readers: Readers, most: int, partitions: int
) -> APIRouter:
    """
    Return the routes for scrapes by callers that *readers* admit.

    Without a *scraper*, the routes answer 404 and name the setting that turns scrapes on. At most
    *most* scrapes are answered at the same time; 0: any number. Each scrape keeps its snapshot in
    memory until the caller has read the answer. *partitions* is the number of all partitions.
    """
    shares = _shares_of(partitions)
    smallest = f"{partitions}/{partitions}"
    share = {
        "name": "partition",
        "in": "query",
        "required": False,
        "description": f"`k/n`: the kth of n shares of the partitions; 1/1 to {smallest}.",
        "schema": {"type": "string", "enum": [*shares]},
    }
    router = APIRouter(default_response_class=Response)
    scrapes = _Scrapes(scraper, readers, most)

    @router.get("/metrics", responses=_ANSWERS, openapi_extra=_described())
    async def metrics(request: Request) -> Response:
        """Return all metrics: of participants, conferences, other groups and the service."""
        return await scrapes.answer(request, EVERYTHING)

    @router.get(
        "/metrics/participants",
        responses=_ANSWERS | _NO_SHARE,
        openapi_extra=_described(share),
    )
    async def participants(request: Request) -> Response:
        """Return the metrics of participants only: of all partitions, or of a share of them."""
        asked = shares.get(request.query_params.get("partition", "1/1"))
        if asked is None:
            text = (
                f"partition must be k/n, the kth of n shares: n is 1 to {partitions}; 1/1 is all\n"
            )
            return PlainTextResponse(text, 400)
        return await scrapes.answer(request, Page(asked))

    @router.get("/metrics/verdicts", responses=_ANSWERS, openapi_extra=_described())
    async def verdicts(request: Request) -> Response:
        """Return the metrics of conferences, bridges, regions, the fleet, and what stands out."""
        return await scrapes.answer(request, VERDICTS)

    @router.get("/metrics/service", responses=_ANSWERS, openapi_extra=_described())
    async def service(request: Request) -> Response:
        """Return the metrics of this process only: each replica has its own."""
        return await scrapes.answer(request, SERVICE)

    return router


def _described(*parameters: Any) -> dict[str, Any]:
    """
    Return *parameters* and the headers that a scrape route reads, for the OpenAPI document.

    FastAPI can't find these parameters and headers, because the routes read them from the request.
    """
    return {"parameters": [*parameters, GZIP, *FORWARDED]}


class _Scrapes:
    """Answers scrapes, and refuses a scrape if too many are being answered."""

    def __init__(self, scraper: Scraper | None, readers: Readers, most: int) -> None:
        """
        Answer the scrapes of callers that *readers* admit.

        At most *most* scrapes are answered at a time; 0: any number.
        """
        self._scraper, self._readers, self._most = scraper, readers, most
        self._busy = (readers.name, "busy")
        readers.refused.setdefault(self._busy, 0)

    async def answer(self, request: Request, page: Page) -> Response:
        """Return the answer to a *request* for the metrics of *page*, or a refusal."""
        readers, scraper = self._readers, self._scraper
        if refusal := readers.refuse(request.scope):
            return refusal.response()
        if scraper is None:
            return PlainTextResponse("OTEL_METRICS_EXPORTER does not name prometheus\n", 404)
        answering = scraper.reader.answering
        if 0 < self._most <= answering:
            readers.refused[self._busy] += 1
            text = f"{answering} scrapes are being answered: JCMC_LIMIT_SCRAPES allows no more\n"
            return PlainTextResponse(text, 503, {"retry-after": _SCRAPE_AGAIN})
        accept, encoding = (
            ",".join(request.headers.getlist(name)) for name in ("accept", "accept-encoding")
        )

        def end() -> None:
            scraper.reader.answering -= 1

        scraper.reader.answering += 1
        try:
            exposition = await scraper.scrape(accept, encoding, page)
        except BaseException:
            end()
            raise
        return _Stream(exposition, end)


class _Stream(Response):
    """
    An answer whose pieces are made only as fast as the caller reads them.

    If a piece can't be made, sending raises an error, and the server cuts the connection. The last
    chunk is then missing, so the caller knows that the text is incomplete.
    """

    def __init__(self, exposition: Exposition, end: Callable[[], None]) -> None:
        """Send *exposition*; call *end* when it is sent, or when sending has failed."""
        super().__init__(headers=exposition.headers)
        # Starlette sets a content-length of 0, which would be wrong for an answer in pieces.
        self.raw_headers = [each for each in self.raw_headers if each[0] != b"content-length"]
        self._exposition = exposition
        self._end = end

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Send the answer in batches until it is complete, or until the caller disconnects."""
        # Starlette has a check for a disconnect, but the check imports a module when it is first
        # used. This import fails if no file descriptor is free.
        hanging_up = asyncio.create_task(_hang_up(receive))
        start = {"status": self.status_code, "headers": self.raw_headers}
        try:
            await send({"type": "http.response.start", **start})
            # The server would silently drop further pieces after the caller has disconnected.
            while not hanging_up.done():
                batch = await self._exposition.more()
                for piece in batch:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                if not batch:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
        finally:
            hanging_up.cancel()
            self._exposition.end()
            self._end()


async def _hang_up(receive: Any) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
