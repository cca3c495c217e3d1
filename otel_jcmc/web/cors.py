"""
Makes headers that tell a browser which pages may read an answer, and how to treat the answer.

Only answers of paths that browsers use get CORS headers.

Source: the WHATWG Fetch standard (CORS).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from otel_jcmc.intake.callers import Header, origin_of

PREFLIGHT_SECONDS: Final = b"86400"
# These headers tell a browser that shows or loads an answer of the service: trust the content type,
# load nothing else for the answer, show it in no frame, and give it to no page of another origin.
SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Without this header, a page of another origin can't read the header Retry-After.
_EXPOSE: Final = (b"access-control-expose-headers", b"retry-after")
# Browsers accept this header only if the answer allows one origin by its name, not all by `*`.
_CREDENTIALS: Final = ((b"access-control-allow-credentials", b"true"),)


class Cors:
    """
    Makes the CORS headers of answers to pages of other origins.

    Attributes:
        listed: the allowed origins; empty if `*` allows all origins.
    """

    def __init__(self, origins: Sequence[str], *, credentials: bool = False) -> None:
        """Allow *origins*; `*` allows all. *credentials* allows cookies from listed origins."""
        self._origins = None if "*" in origins else frozenset(each.encode() for each in origins)
        self.listed: frozenset[bytes] = self._origins or frozenset()
        self._credentials = _CREDENTIALS if credentials else ()
        self._headers: list[Header] = (
            [(b"access-control-allow-origin", b"*"), _EXPOSE] if self._origins is None else []
        )

    def allows(self, origin: bytes) -> bool:
        """Return whether pages of *origin* may push."""
        return self._origins is None or origin in self._origins

    def answer(self, headers: Iterable[Header]) -> list[Header]:
        """Return the CORS headers of an answer to a request with *headers*."""
        if self._origins is None:
            return self._headers
        vary = (b"vary", b"origin")
        origin = origin_of(headers)
        if origin not in self._origins:
            return [vary]
        return [(b"access-control-allow-origin", origin), *self._credentials, _EXPOSE, vary]

    def answer_as_text(self, headers: Iterable[Header]) -> dict[str, str]:
        """Return the headers that `answer` makes, as a dictionary for FastAPI's responses."""
        return {name.decode(): value.decode() for name, value in self.answer(headers)}

    def preflight(self, headers: Sequence[Header], method: bytes) -> list[Header]:
        """Return the CORS headers of the answer to a preflight request that asks for *method*."""
        asked = dict(headers)
        answer = self.answer(headers)
        if not any(name == b"access-control-allow-origin" for name, _ in answer):
            return answer
        answer = [
            *answer,
            (b"access-control-allow-methods", method),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]
        if wanted := asked.get(b"access-control-request-headers"):
            answer.append((b"access-control-allow-headers", wanted))
        if b"access-control-request-private-network" in asked:
            # A page on the public internet may push to a service in the browser's private network.
            answer.append((b"access-control-allow-private-network", b"true"))
        return answer
