"""
Makes the scripts for browsers, with this deployment's settings in them.

A file in client/ imports its parts. `source` puts them together into one classic script, which a
page loads in one request. One line of the script is `const SETTINGS = {};`. The service replaces
the braces with its settings, as JSON that is safe inside a script. `make generate` makes the served
files in client/served from this script, with short names; `JCMC_CLIENT_DEBUG` serves the readable
script. A served file changes only with the version and the settings. Therefore it is filled in and
compressed once, and has an ETag.
"""

import json
import posixpath
import re
from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response
from zopfli.gzip import compress

from otel_jcmc.metrics.accept import takes_gzip
from otel_jcmc.web.cors import Cors
from otel_jcmc.web.schemas import GZIP, Responses, answer, header

# Browsers ask again after five minutes, and mostly get 304: a new version spreads in that time.
_CACHE: Final = "public, max-age=300"
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"
_ANSWERS: Final[Responses] = {
    200: answer("The browser's file.", "text/javascript"),
    304: answer("The client's copy is current."),
}
_KNOWN: Final = header("If-None-Match", "The ETag of the client's copy.")
FILE_NAME: Final = "otel_jcmc.js"
JMMC_FILE_NAME: Final = "jmmc.js"
# The only form of imports in the parts: names without aliases, so that removing the line is enough.
_IMPORT: Final = re.compile(
    r'^import (?:\{\s*\w+(?:,\s*\w+)*,?\s*\} from )?"\./(.+)";\n+', re.MULTILINE
)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|const) )", re.MULTILINE)
_PLACE: Final = "const SETTINGS = {};"
# The files of client/served have this text in the place of the settings.
PLACEHOLDER: Final = "__SETTINGS__"
# Characters that would end a script element or a line, if a page has the file inline.
_UNSAFE: Final = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


class ClientFile(NamedTuple):
    """The bytes of a script as served, plain and by gzip, and the weak entity tag of both."""

    body: bytes
    gzipped: bytes
    etag: str


def source(name: str = FILE_NAME) -> str:
    """Return the script *name* of client/ with all the files that it imports, as one text."""
    folder = _folder()
    parts: dict[str, str] = {}
    _gather(folder, name, parts)
    about, end, entry = parts.pop(name).partition("*/\n")
    body = "\n".join([*parts.values(), entry.lstrip()])
    return f'{about}{end}(() => {{\n"use strict";\n\n{body}}})();\n'


def source_with_placeholder(name: str) -> str:
    """
    Return `source` with PLACEHOLDER in the place of the settings.

    Raises:
        ValueError: the script has no place for settings, or several.
    """
    script = source(name)
    if script.count(_PLACE) != 1:
        raise ValueError(f"client/{name} has no line `{_PLACE}`")
    return script.replace(_PLACE, f"const SETTINGS = {PLACEHOLDER};")


def served(name: str = FILE_NAME) -> str:
    """Return a file of client/served, with its PLACEHOLDER and without its first line, a hash."""
    return _folder().joinpath("served", name).read_text("utf-8").partition("\n")[2]


def _folder() -> Traversable:
    """Return client/, from the wheel or from the source tree."""
    folder: Traversable = files("otel_jcmc").joinpath("client")
    return folder if folder.is_dir() else Path(__file__).parents[2] / "client"


def _gather(folder: Traversable, path: str, parts: dict[str, str]) -> None:
    """Add the file at *path* to *parts*, behind the files that it imports."""
    text = folder.joinpath(path).read_text("utf-8")
    for imported in _IMPORT.findall(text):
        if (target := posixpath.join(posixpath.dirname(path), imported)) not in parts:
            _gather(folder, target, parts)
    parts[path] = _EXPORT.sub("", _IMPORT.sub("", text))


def make_client_file(
    settings: dict[str, Any], name: str = FILE_NAME, *, keep_comments: bool = False
) -> ClientFile:
    """Return a client file with *settings* in it; *keep_comments* makes it readable."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    script = source_with_placeholder(name) if keep_comments else served(name)
    body = script.replace(PLACEHOLDER, text).encode()
    etag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    # Compressed once for millions of loads: in 30 ms, and 2 % smaller than zlib's best.
    return ClientFile(body, compress(body), etag)


def client_routes(path: str, make: Callable[[], ClientFile], cors: Cors) -> APIRouter:
    """Return the routes of the script at *path*, which pages of other origins may load."""
    router = APIRouter(default_response_class=Response)

    @router.get(path, responses=_ANSWERS, openapi_extra={"parameters": [_KNOWN, GZIP]})
    async def client_file(request: Request) -> Response:
        """Return the browser's file with this deployment's settings in it."""
        client = make()
        headers = cors.answer_as_text(request.headers.raw) | {
            "etag": client.etag,
            "cache-control": _CACHE,
        }
        headers["vary"] = ", ".join(["accept-encoding", *filter(None, [headers.get("vary")])])
        known = request.headers.get("if-none-match", "")
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        if client.etag.removeprefix("W/") in tags or "*" in tags:
            return Response(status_code=304, headers=headers)
        # A page that isolates itself (COEP) loads a script of another origin only with this header.
        headers["cross-origin-resource-policy"] = "cross-origin"
        if not takes_gzip(",".join(request.headers.getlist("accept-encoding"))):
            return Response(client.body, headers=headers, media_type=_JAVASCRIPT)
        headers["content-encoding"] = "gzip"
        return Response(client.gzipped, headers=headers, media_type=_JAVASCRIPT)

    @router.options(path, include_in_schema=False)
    async def preflight(request: Request) -> Response:
        response = Response(status_code=204)
        response.raw_headers += cors.preflight(request.headers.raw, b"GET")
        return response

    return router
