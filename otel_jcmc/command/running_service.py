"""
A running service, asked by HTTP as every reader is: its sessions, and their erasure.

In go a URL and a token, out come answers, or `CannotShow` with one line that says why not.
"""

import json
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from otel_jcmc.version import __version__

SECONDS: Final = 30
PAGE: Final = 500


class CannotShow(Exception):
    """What was asked for can't be had; the message is one line."""


class RunningService:
    """A running service, asked by HTTP."""

    def __init__(self, url: str, token: str) -> None:
        """Ask at *url*, with *token* if there is one."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CannotShow(f"--url: {url} is no http:// or https:// address")
        self.url = url.rstrip("/")
        self._headers = {"user-agent": f"otel-jcmc/{__version__}"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def ask(self, path: str, query: dict[str, Any], method: str = "GET") -> bytes:
        """
        Return the body of the answer.

        Raises:
            CannotShow: there is none, or it is a refusal.
        """
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        told = urlencode({name: each for name, each in query.items() if each is not None})
        connection = kind(parts.netloc, timeout=SECONDS)
        try:
            connection.request(method, f"{parts.path}{path}?{told}", headers=self._headers)
            answer = connection.getresponse()
            body = answer.read()
        except ssl.SSLError as error:
            raise CannotShow(f"{self.url}: {error.reason}") from None
        except (OSError, HTTPException):
            raise CannotShow(
                f"nobody answers at {self.url}: start it with `otel-jcmc serve`, or say with --url"
                " where it is"
            ) from None
        finally:
            connection.close()
        if answer.status != 200:
            first = printable(body.decode(errors="replace").partition("\n")[0])
            raise CannotShow(f"{self.url}: {answer.status} {first}")
        return body

    def read(self, path: str, query: dict[str, Any], method: str = "GET") -> dict[str, Any]:
        """
        Return the answer, which is JSON.

        Raises:
            CannotShow: it is none.
        """
        try:
            told = json.loads(self.ask(path, query, method))
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise CannotShow(f"{self.url} is not otel_jcmc")
        return told


def printable(text: str) -> str:
    """Return *text* without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
