"""
Templates to pages, and the files that pages load.

In go a template's name and what it is to tell, out comes a page: escaped, without anything from
another host, and with a policy that lets nothing else in.
"""

from asyncio import to_thread
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from otel_jcmc.pages import words
from otel_jcmc.pages.charts import shares
from otel_jcmc.sessions.turn import Turn
from otel_jcmc.version import __version__

ASSETS: Final = {
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
}
ASSET_PATH: Final = "/-/pages"
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
    # A machine that asks for the same path gets another answer.
    "vary": "accept",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


@cache
def _environment() -> Environment:
    """Return what makes pages; made at the first page, since no start has to wait for it."""
    made = Environment(
        loader=PackageLoader("otel_jcmc.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "version": __version__,
        "assets": {name: f"{ASSET_PATH}/{digest}/{name}" for name, digest in _digests().items()},
        "CAUSES": words.CAUSES,
        "SCOPES": words.SCOPES,
        "fault": words.fault,
        "reach": words.reach,
        "mostly": words.mostly,
        "STATES": words.STATES,
        "ENDS": words.ENDS,
    }
    made.filters |= {
        "percent": words.percent,
        "duration": words.duration,
        "iso": words.iso,
        "clock": words.clock,
        "day_clock": words.day_clock,
        "milliseconds": words.milliseconds,
        "number": "{:,}".format,
        "path": partial(quote, safe=""),
        "conference_link": conference_link,
        "shares": shares,
        "query": urlencode,
        "widest_first": words.widest_first,
        "standing_name": lambda each: words.standing_name(each.scope, each.name),
        "row_name": lambda row: words.standing_name(row.scope, row.label),
    }
    return made


def conference_link(name: str, at_ms: float | None = None) -> str:
    """Return where the conference of this *name* is to be seen as it was at *at_ms*, None: now."""
    at = {} if at_ms is None else {"at": str(int(at_ms / 1000) + 1)}
    # Browsers take these for folders, however they are written (WHATWG URL, double-dot segment).
    if name in (".", ".."):
        return f"/conferences?{urlencode({'name': name} | at)}"
    return f"/conferences/{quote(name, safe='')}" + (f"?{urlencode(at)}" if at else "")


@cache
def _read(name: str) -> bytes:
    return files("otel_jcmc.pages").joinpath("static", name).read_bytes()


@cache
def _digests() -> dict[str, str]:
    """Return for each file what its address has, so that browsers may keep it for good."""
    return {name: sha256(_read(name)).hexdigest()[:12] for name in ASSETS}


def prepare(names: Iterable[str]) -> None:
    """Compile the templates of these *names*; otherwise the first page of each compiles it."""
    for name in names:
        _environment().get_template(name)


def rendered(template: str, root: str, told: Mapping[str, Any]) -> str:
    """Return *template* with what is to be *told*; links begin with *root*."""
    return _environment().get_template(template).render(root=root, **told)


def whole(
    text: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return *text* as a page."""
    return HTMLResponse(text, status, HEADERS | dict(headers or {}))


def page(
    request: Request,
    template: str,
    told: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return *template* with what is to be *told*; links begin with where we are mounted."""
    return whole(rendered(template, request.scope.get("root_path", ""), told), status, headers)


async def large_page(
    request: Request, template: str, make: Callable[[], Any], turn: Turn
) -> Response:
    """
    Return *template* with what *make* tells.

    Both are done in a thread, and for one who has the *turn* at a time: pushes get theirs, which
    many threads would leave nothing to.
    """
    async with turn:
        return await to_thread(lambda: page(request, template, make()))


def asset_routes() -> APIRouter:
    """Return the routes of the files that pages load: they are nobody's secret."""
    router = APIRouter(default_response_class=Response)

    @router.get(ASSET_PATH + "/{digest}/{name}", include_in_schema=False)
    async def asset(request: Request) -> Response:
        """Return a file for good, if it is the one that was asked for."""
        name = request.path_params["name"]
        if name not in ASSETS or request.path_params["digest"] != _digests()[name]:
            return Response(status_code=404)
        return Response(_read(name), 200, {"cache-control": _FOREVER}, ASSETS[name])

    return router
