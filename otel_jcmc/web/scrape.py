"""
The scrape: who may, how many at once, and the answer piece by piece.

FastAPI's routes read headers from the request and return responses: for a parameter or a result
with a type FastAPI makes a model, and imports all of pydantic's version 1 (40 ms, 2 MiB).
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from otel_jcmc.metrics.scrape import Scraper
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.schemas import FORWARDED, GZIP, SENT_AWAY, TEXT, Responses, answer

# Browsers ask again after five minutes and mostly hear 304: a new version is out within that.
_SCRAPE_AGAIN: Final = "5"
_ANSWERS: Final[Responses] = {
    200: answer("The exposition.", TEXT, "application/openmetrics-text"),
    **SENT_AWAY,
    404: answer("OTEL_METRICS_EXPORTER does not name prometheus.", TEXT),
    503: answer("Too many scrapes at a time; to be asked again.", TEXT),
}


def scrape_routes(scraper: Scraper | None, readers: Readers, most: int) -> APIRouter:
    """
    Return the route of the scrape, behind *readers*; without a *scraper* it says how to get one.

    At most so many are answered at a time, 0: any number; each holds its answer until it is read.
    """
    router = APIRouter(default_response_class=Response)
    busy = (readers.name, "busy")
    readers.refused.setdefault(busy, 0)
    answering = 0

    def end() -> None:
        nonlocal answering
        answering -= 1

    @router.get("/metrics", responses=_ANSWERS, openapi_extra={"parameters": [GZIP, *FORWARDED]})
    async def metrics(request: Request) -> Response:
        """Return the metrics of all who are there now, and the service's own."""
        if refusal := readers.refuse(request.scope):
            return refusal.response()
        if scraper is None:
            return PlainTextResponse("OTEL_METRICS_EXPORTER does not name prometheus\n", 404)
        nonlocal answering
        if 0 < most <= answering:
            readers.refused[busy] += 1
            text = f"{answering} scrapes are being answered (JCMC_LIMIT_SCRAPES)\n"
            return PlainTextResponse(text, 503, {"retry-after": _SCRAPE_AGAIN})
        asked = request.headers
        answering += 1
        try:
            exposition = await scraper.scrape(
                ",".join(asked.getlist("accept")), ",".join(asked.getlist("accept-encoding"))
            )
        except BaseException:
            end()
            raise
        return _Pieces(exposition.pieces, exposition.headers, end)

    return router


class _Pieces(Response):
    """An answer whose body is sent piece by piece, as fast as the other side reads."""

    def __init__(
        self, pieces: list[bytes], headers: dict[str, str], end: Callable[[], None]
    ) -> None:
        """Send *pieces*, whose length *headers* have; *end* is called when that is over."""
        super().__init__(headers=headers)
        self._pieces = pieces
        self._end = end

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Send the answer; what is sent is forgotten, so a slow reader holds only the rest."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        self._pieces.reverse()
        try:
            await send({"type": "http.response.start", **start})
            while self._pieces:
                piece = self._pieces.pop()
                more = bool(self._pieces)
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        finally:
            self._end()
