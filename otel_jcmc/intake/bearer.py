"""
Reads the token of a push: from the header, or from the body if the page can't send a header.

The token goes out as bytes. This module checks only its form, to keep impossible tokens from
libraries. A page that closes has no time for a CORS preflight, so its last push has the token in
the body.

Source: RFC 6750 (Bearer), and the compact form of RFC 7515.
"""

import re
from collections.abc import Iterable
from typing import Final

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.intake.callers import Header
from otel_jcmc.wire.push import Report

MAX_TOKEN_BYTES: Final = 8192
# How many verified tokens to remember: one for each participant, about a kilobyte each.
REMEMBERED: Final = 32_768

# The form of a token. Base64 decoding ignores unknown characters, so without this check one token
# could be written in many ways.
_COMPACT: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def authorizations(headers: Iterable[Header]) -> list[bytes]:
    """
    Return the values of the Authorization headers.

    If there are two, it is unknown which of them a proxy has checked: neither counts.
    """
    return [value for name, value in headers if name == b"authorization"]


def bearer_token(authorization: bytes) -> bytes | None:
    """Return the bearer token in the header value *authorization*; None if it has none."""
    scheme, _, token = authorization.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def token_of(headers: Iterable[Header], report: Report) -> bytes:
    """
    Return the unchecked token of a push: the header's token, or else the body's.

    Raises:
        PushRefused: the push has no token, or it is unclear which one counts.
    """
    told = authorizations(headers)
    if len(told) > 1:
        raise refusal(Reason.TOKEN_AMBIGUOUS)
    if told and (token := bearer_token(told[0])):
        return token
    if not report.token:
        raise refusal(Reason.TOKEN_MISSING)
    # A text with characters beyond ASCII is no token, and is still none with `?` in their place.
    return report.token.encode("ascii", "replace")


def expect_compact(token: bytes) -> None:
    """
    Refuse an impossible *token* before a library sees it.

    Raises:
        PushRefused: the token is too long, or not three parts of base64.
    """
    if len(token) > MAX_TOKEN_BYTES or not _COMPACT.fullmatch(token):
        raise refusal(Reason.TOKEN_INVALID)


def refusal(reason: Reason) -> PushRefused:
    """Return the exception that refuses a push because of its token, for *reason*."""
    return PushRefused([Fault("token", reason)])
