"""One request by HTTP as doctor sends it, and its answer; what can't be had is one line."""

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
    """Nobody answers; the message says why in a few words."""


class Answer(NamedTuple):
    """An answer, whatever its status; names of headers in lower case, several of one as a list."""

    status: int
    headers: dict[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the header of that *name*, empty if there is none."""
        return ", ".join(self.headers.get(name, ()))

    def json(self) -> Any:
        """Return the body's JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def reason(self) -> str:
        """Return the first reason of a push that our service has refused, empty if it is not."""
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
    Send one request to *url*, and follow no redirect; each wait ends after so many *seconds*.

    Raises:
        Unreachable: there is no answer.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"user-agent": f"otel-jcmc/{__version__} doctor", **(headers or {})}
    try:
        connection = kind(parts.netloc, timeout=seconds)
    except HTTPException:
        raise Unreachable("it is no address") from None
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
        raise Unreachable(f"what answers is no HTTP ({type(error).__name__})") from None
    finally:
        connection.close()


def origin_of_url(url: str) -> str:
    """Return the origin of *url*, as a browser writes it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
