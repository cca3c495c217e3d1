"""
What answers tell a browser: which pages may read them, and what it may do with them.

CORS is for the paths that browsers use, and no other.

Source: the WHATWG Fetch standard (CORS).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from otel_jcmc.intake.callers import Header, origin_of

PREFLIGHT_SECONDS: Final = b"86400"
# What a browser is told that shows or loads an answer of ours: take it for what it says it is, load
# nothing for it, frame it nowhere, and let no page of another origin have it.
SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Without it a page of another origin can't read when to come back.
_EXPOSE: Final = (b"access-control-expose-headers", b"retry-after")
# Browsers take it only beside an origin's name, never beside `*`.
_CREDENTIALS: Final = ((b"access-control-allow-credentials", b"true"),)


class Cors:
    """
    What the answers to pages of other origins carry.

    Attributes:
        listed: the origins that are, none with `*`.
    """

    def __init__(self, origins: Sequence[str], *, credentials: bool = False) -> None:
        """Allow *origins*, or all with `*`; those that are listed with *credentials* if so."""
        self._origins = None if "*" in origins else frozenset(each.encode() for each in origins)
        self.listed: frozenset[bytes] = self._origins or frozenset()
        self._credentials = _CREDENTIALS if credentials else ()
        self._headers: list[Header] = (
            [(b"access-control-allow-origin", b"*"), _EXPOSE] if self._origins is None else []
        )

    def allows(self, origin: bytes) -> bool:
        """Say whether pages of *origin* may push."""
        return self._origins is None or origin in self._origins

    def answer(self, headers: Iterable[Header]) -> list[Header]:
        """Return what an answer to a request with *headers* carries."""
        if self._origins is None:
            return self._headers
        vary = (b"vary", b"origin")
        origin = origin_of(headers)
        if origin not in self._origins:
            return [vary]
        return [(b"access-control-allow-origin", origin), *self._credentials, _EXPOSE, vary]

    def answer_as_text(self, headers: Iterable[Header]) -> dict[str, str]:
        """Return what `answer` does as FastAPI's responses want it."""
        return {name.decode(): value.decode() for name, value in self.answer(headers)}

    def preflight(self, headers: Sequence[Header], method: bytes) -> list[Header]:
        """Return what the answer to a preflight for *method* carries."""
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
            # A public page may push to a collector in its own network.
            answer.append((b"access-control-allow-private-network", b"true"))
        return answer
