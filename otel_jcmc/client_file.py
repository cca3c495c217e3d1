"""
The browser's files with this deployment's settings in them.

A file in client/ has one line `const SETTINGS = {};`; what the server knows takes the place of
the braces, as JSON that may stand in a script. Comments and blanks are taken out, nothing else:
what one reads is what runs. It changes with the version and the settings only, so it is made and
compressed once and has an ETag. Called by app.py.
"""

import json
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from rjsmin import jsmin
from zopfli.gzip import compress

FILE_NAME: Final = "otel_jcmc.js"
JMMC_FILE_NAME: Final = "jmmc.js"
_PLACE: Final = "const SETTINGS = {};"
# What would end a script element or a line of it, where somebody puts the file inline.
_UNSAFE: Final = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


class ClientFile(NamedTuple):
    """The script as it is served, plain and by gzip, and the entity tag of both, a weak one."""

    body: bytes
    gzipped: bytes
    etag: str


def source(name: str = FILE_NAME) -> str:
    """Return a client file as it stands in the wheel, or in the source tree."""
    inside = files("otel_jcmc").joinpath("client", name)
    if inside.is_file():
        return inside.read_text("utf-8")
    return Path(__file__).parent.parent.joinpath("client", name).read_text("utf-8")


def make_client_file(
    settings: dict[str, Any], name: str = FILE_NAME, *, keep_comments: bool = False
) -> ClientFile:
    """Return a client file with *settings* in it, for a reader if *keep_comments*."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    script = source(name)
    if script.count(_PLACE) != 1:
        raise ValueError(f"client/{name} has no line `{_PLACE}`")
    before, _, after = script.partition(_PLACE)
    if not keep_comments:
        before, after = jsmin(before), jsmin(after)
    body = f"{before}const SETTINGS = {text};{after}".encode()
    etag = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    # Once for millions of loads: 2 % smaller than by zlib at its best, in 30 ms.
    return ClientFile(body, compress(body), etag)
