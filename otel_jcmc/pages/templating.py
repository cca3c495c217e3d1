"""
Turns templates into pages, and serves the files that pages load.

The input is a template's name and its values, the output is a page. All values are escaped. A page
loads files only from this service; its Content-Security-Policy forbids all other hosts.
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
    # For caches: a client that does not accept HTML gets another answer on the same path.
    "vary": "accept",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


@cache
def _environment() -> Environment:
    """Return the template environment; the first page makes it, so that the start is faster."""
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
    """Return the address of the page of conference *name* at *at_ms*; None: now."""
    at = {} if at_ms is None else {"at": str(int(at_ms / 1000) + 1)}
    # Browsers treat these two names as folders, even escaped (WHATWG URL, double-dot segment).
    if name in (".", ".."):
        return f"/conferences?{urlencode({'name': name} | at)}"
    return f"/conferences/{quote(name, safe='')}" + (f"?{urlencode(at)}" if at else "")


@cache
def _read(name: str) -> bytes:
    return files("otel_jcmc.pages").joinpath("static", name).read_bytes()


@cache
def _digests() -> dict[str, str]:
    """Return file name -> digest of its content, which lets browsers keep the file for ever."""
    return {name: sha256(_read(name)).hexdigest()[:12] for name in ASSETS}


def prepare(names: Iterable[str]) -> None:
    """Compile the templates of these *names* before a page needs them."""
    for name in names:
        _environment().get_template(name)


def rendered(template: str, root: str, told: Mapping[str, Any]) -> str:
    """Return *template* filled with the values *told*; its links begin with the path *root*."""
    return _environment().get_template(template).render(root=root, **told)


def whole(
    text: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return *text*, a whole page, as an answer with the headers of all pages."""
    return HTMLResponse(text, status, HEADERS | dict(headers or {}))


def page(
    request: Request,
    template: str,
    told: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a page: *template* filled with *told*; its links begin with the mount path."""
    return whole(rendered(template, request.scope.get("root_path", ""), told), status, headers)


async def large_page(
    request: Request, template: str, make: Callable[[], Any], turn: Turn
) -> Response:
    """
    Return a page: *template* filled with the values that *make* returns.

    This takes long, so it runs in a thread. *turn* lets only one page be made at a time: many
    threads at once would leave too little CPU time for pushes.
    """
    async with turn:
        return await to_thread(lambda: page(request, template, make()))


def asset_routes() -> APIRouter:
    """Return the routes of the files that pages load; every client may read them."""
    router = APIRouter(default_response_class=Response)

    @router.get(ASSET_PATH + "/{digest}/{name}", include_in_schema=False)
    async def asset(request: Request) -> Response:
        """Return a file, which browsers may keep for ever; 404 if its digest is not the current."""
        name = request.path_params["name"]
        if name not in ASSETS or request.path_params["digest"] != _digests()[name]:
            return Response(status_code=404)
        return Response(_read(name), 200, {"cache-control": _FOREVER}, ASSETS[name])

    return router
