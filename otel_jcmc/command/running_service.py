"""
Sends requests to a running service, for commands that read or erase sessions.

The input is the service's URL and a token. The output is the service's answers, or the exception
`CannotShow`, whose message is one line.
"""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from otel_jcmc.version import __version__

SECONDS: Final = 30
PAGE: Final = 500
_PIECE_BYTES: Final = 65_536


class CannotShow(Exception):
    """The command can't get or show what the user asked for; the message is one line."""


class RunningService:
    """The HTTP API of a running service."""

    def __init__(self, url: str, token: str) -> None:
        """Prepare requests to *url*; if *token* is not empty, all requests contain it."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CannotShow(f"--url: {url} is not an http:// or https:// URL")
        self.url = url.rstrip("/")
        self._headers = {"user-agent": f"otel-jcmc/{__version__}"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def ask(self, path: str, query: dict[str, Any], method: str = "GET") -> bytes:
        """
        Send a request, and return the body of the answer.

        Raises:
            CannotShow: no answer came, or its status is not 200.
        """
        with self.stream(path, query, method) as (_, pieces):
            return b"".join(pieces)

    @contextmanager
    def stream(
        self, path: str, query: dict[str, Any], method: str = "GET"
    ) -> Iterator[tuple[Mapping[str, str], Iterator[bytes]]]:
        """
        Send a request; yield the answer's headers, with names in lower case, and its body.

        The body is an iterator of the pieces that have arrived.

        Raises:
            CannotShow: no answer came, its status is not 200, or it breaks off.
        """
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        told = urlencode({name: each for name, each in query.items() if each is not None})
        connection = kind(parts.netloc, timeout=SECONDS)
        try:
            connection.request(method, f"{parts.path}{path}?{told}", headers=self._headers)
            answer = connection.getresponse()
            if answer.status != 200:
                first = printable(answer.read().decode(errors="replace").partition("\n")[0])
                raise CannotShow(f"{self.url}: {answer.status} {first}")
            headers = {name.lower(): text for name, text in answer.getheaders()}
            yield headers, iter(lambda: answer.read1(_PIECE_BYTES), b"")
        except ssl.SSLError as error:
            raise CannotShow(f"{self.url}: {error.reason}") from None
        except BrokenPipeError:
            # A program that reads our stdout, such as `head`, has closed it.
            raise
        except (OSError, HTTPException):
            raise CannotShow(
                f"no service answers at {self.url}: start it with `otel-jcmc serve`, or give its"
                " address by --url"
            ) from None
        finally:
            connection.close()

    def read(self, path: str, query: dict[str, Any], method: str = "GET") -> dict[str, Any]:
        """
        Send a request, and return the JSON object in the answer.

        Raises:
            CannotShow: no answer came, its status is not 200, or it is not a JSON object.
        """
        try:
            told = json.loads(self.ask(path, query, method))
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise CannotShow(f"{self.url} is not otel_jcmc")
        return told


def printable(text: str) -> str:
    """Return *text* with U+FFFD in place of characters that could control a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
