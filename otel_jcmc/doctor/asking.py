"""Sends one HTTP request of doctor and returns the answer. An error becomes one line of text."""

import json
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from otel_jcmc.version import __version__

SECONDS: Final = 5.0
_MOST_BYTES: Final = 8 * 1024 * 1024


class Unreachable(Exception):
    """The request got no answer; the exception's message gives the reason in a few words."""


class Answer(NamedTuple):
    """An HTTP answer with any status; headers: name in lower case -> all values of this header."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the value of the header *name*; empty if the answer has no such header."""
        return ", ".join(self.headers.get(name, ()))

    def json(self) -> Any:
        """Return the value that the body's JSON contains; None if the body is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def reason(self) -> str:
        """Return our service's first reason to refuse the push; empty if it accepted the push."""
        told = self.json()
        try:
            return str(told["errors"][0]["reason"])
        except (TypeError, KeyError, IndexError):
            return ""


def ask(
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """
    Send one request to *url* and return the answer; redirects are not followed.

    Each wait for the network ends after *seconds*.

    Raises:
        Unreachable: no answer came.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"user-agent": f"otel-jcmc/{__version__} doctor", **(headers or {})}
    try:
        connection = kind(parts.netloc, timeout=seconds)
    except HTTPException:
        raise Unreachable("it is not an address") from None
    try:
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        told: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            told.setdefault(name.lower(), []).append(value)
        return Answer(answer.status, told, answer.read(_MOST_BYTES))
    except ssl.SSLError as error:
        raise Unreachable(f"TLS fails: {error.reason}") from None
    except TimeoutError:
        raise Unreachable(f"no answer within {seconds:g} s") from None
    except OSError as error:
        raise Unreachable(error.strerror or "no connection") from None
    except HTTPException as error:
        raise Unreachable(f"the answer is not HTTP ({type(error).__name__})") from None
    finally:
        connection.close()


def origin_of_url(url: str) -> str:
    """Return the origin of *url* (scheme, host and port), as a browser writes it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
