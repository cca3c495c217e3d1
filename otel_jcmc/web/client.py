"""
Makes the scripts for browsers, with this deployment's settings in them.

A script in client/ imports other files. `source` joins the script and these files into one classic
script, which a page loads in one request. One line of the script is `const SETTINGS = {};`. The
service replaces the braces with its settings, as JSON that is safe inside a script.

`make generate` shortens the names in the script of `source`, and writes the result to the folder
client/served. The service serves this short script, or with `JCMC_CLIENT_DEBUG` the readable script
of `source`. A script that is served changes only with the version and the settings. Therefore the
service puts the settings in and compresses the script only once, and gives it an ETag.
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

# A browser asks again after five minutes, so that it soon has a new version. If its copy is still
# current, it gets 304.
_CACHE: Final = "public, max-age=300"
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"
_ANSWERS: Final[Responses] = {
    200: answer("The browser's file.", "text/javascript"),
    304: answer("The client's copy is current."),
}
_KNOWN: Final = header("If-None-Match", "The ETag of the client's copy.")
FILE_NAME: Final = "otel_jcmc.js"
JMMC_FILE_NAME: Final = "jmmc.js"
# The files in client/ never rename what they import. So it is enough to remove the import line.
_IMPORT: Final = re.compile(
    r'^import (?:\{\s*\w+(?:,\s*\w+)*,?\s*\} from )?"\./(.+)";\n+', re.MULTILINE
)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|const) )", re.MULTILINE)
_PLACE: Final = "const SETTINGS = {};"
# In the files of client/served, this text stands where the service puts its settings.
PLACEHOLDER: Final = "__SETTINGS__"
# If a page has the script inline, these characters would end the script element or a line.
_UNSAFE: Final = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


class ClientFile(NamedTuple):
    """A script as it is served: its bytes, the bytes compressed by gzip, and its weak ETag."""

    body: bytes
    gzipped: bytes
    etag: str


def source(name: str = FILE_NAME) -> str:
    """Return one text: the script *name* of client/ and all the files that it imports."""
    folder = _folder()
    parts: dict[str, str] = {}
    _gather(folder, name, parts)
    about, end, entry = parts.pop(name).partition("*/\n")
    body = "\n".join([*parts.values(), entry.lstrip()])
    return f'{about}{end}(() => {{\n"use strict";\n\n{body}}})();\n'


def source_with_placeholder(name: str) -> str:
    """
    Return the text that `source` makes, with PLACEHOLDER instead of the braces for the settings.

    Raises:
        ValueError: the script has no line `const SETTINGS = {};`, or several.
    """
    script = source(name)
    if script.count(_PLACE) != 1:
        raise ValueError(f"client/{name} has no line `{_PLACE}`")
    return script.replace(_PLACE, f"const SETTINGS = {PLACEHOLDER};")


def served(name: str = FILE_NAME) -> str:
    """Return the file *name* of client/served, without its first line, which is a hash."""
    return _folder().joinpath("served", name).read_text("utf-8").partition("\n")[2]


def _folder() -> Traversable:
    """Return the folder client/ of the installed package, or of the source tree."""
    folder: Traversable = files("otel_jcmc").joinpath("client")
    return folder if folder.is_dir() else Path(__file__).parents[2] / "client"


def _gather(folder: Traversable, path: str, parts: dict[str, str]) -> None:
    """Add the files that the file at *path* imports to *parts*, and then this file."""
    text = folder.joinpath(path).read_text("utf-8")
    for imported in _IMPORT.findall(text):
        if (target := posixpath.join(posixpath.dirname(path), imported)) not in parts:
            _gather(folder, target, parts)
    parts[path] = _EXPORT.sub("", _IMPORT.sub("", text))


def make_client_file(
    settings: dict[str, Any], name: str = FILE_NAME, *, keep_comments: bool = False
) -> ClientFile:
    """Return the script *name* with *settings* in it; *keep_comments*: the readable script."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    script = source_with_placeholder(name) if keep_comments else served(name)
    body = script.replace(PLACEHOLDER, text).encode()
    etag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    # The script is compressed once and loaded millions of times. So zopfli may take 30 ms; its
    # result is 2 % smaller than the best result of zlib.
    return ClientFile(body, compress(body), etag)


def client_routes(path: str, make: Callable[[], ClientFile], cors: Cors) -> APIRouter:
    """Return the routes at *path* that serve the script made by *make* to pages of any origin."""
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
        # A page that isolates itself (COEP) loads a script from another origin only if the answer
        # has this header.
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
