"""
The browser's file with this deployment's settings in it.

The file in client/ has one line `const SETTINGS = {};`; what the server knows takes the place of
the braces, as JSON that may stand in a script. It changes with the version and the settings only,
so it is made once and has an ETag. Called by receiver.py.
"""

import json
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE_NAME: Final = "otel_jcmc.js"
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
    """The script as it is served, and its entity tag with quotes."""

    body: bytes
    etag: str


def source() -> str:
    """Return the client file as it stands in the wheel, or in the source tree."""
    inside = files("otel_jcmc").joinpath("client", FILE_NAME)
    if inside.is_file():
        return inside.read_text("utf-8")
    return Path(__file__).parent.parent.joinpath("client", FILE_NAME).read_text("utf-8")


def make_client_file(settings: dict[str, Any]) -> ClientFile:
    """Return the client file with *settings* in it."""
    text = json.dumps(settings, sort_keys=True)
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    before, place, after = source().partition(_PLACE)
    if not place:
        raise ValueError(f"client/{FILE_NAME} has no line `{_PLACE}`")
    body = f"{before}const SETTINGS = {text};{after}".encode()
    return ClientFile(body, f'"{blake2b(body, digest_size=12).hexdigest()}"')
