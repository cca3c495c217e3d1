"""
Reads the token of a push: from the Authorization header, or if there is none, from the body.

Pages normally send the token in the header. A closing page has no time for the CORS preflight that
this header requires, so its last push has the token in the body. This module returns the token as
bytes. It checks only the token's form. So the library that verifies tokens (PyJWT) gets no other
text.

Source: RFC 6750 (Bearer), and the compact form of RFC 7515.
"""

import re
from collections.abc import Iterable
from typing import Final

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.intake.callers import Header
from otel_jcmc.wire.push import Report

MAX_TOKEN_BYTES: Final = 8192
# How many verified tokens to remember: about a kilobyte each. Each participant has one token.
REMEMBERED: Final = 32_768

# A token has three parts in base64url, with dots between them. Base64 decoders ignore unknown
# characters, so without this check a sender could write the same token in many ways.
_COMPACT: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def authorizations(headers: Iterable[Header]) -> list[bytes]:
    """
    Return the values of the Authorization headers.

    If a request has two values, the caller of this function must refuse the request: a proxy may
    have checked only one of the values, and the service can't know which.
    """
    return [value for name, value in headers if name == b"authorization"]


def bearer_token(authorization: bytes) -> bytes | None:
    """Return the bearer token in *authorization*, a header's value; None for another scheme."""
    scheme, _, token = authorization.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def token_of(headers: Iterable[Header], report: Report) -> bytes:
    """
    Return the unchecked token of a push: from the header, or if there is none, from the body.

    Raises:
        PushRefused: the push has no token, or several Authorization headers.
    """
    told = authorizations(headers)
    if len(told) > 1:
        raise refusal(Reason.TOKEN_AMBIGUOUS)
    if told and (token := bearer_token(told[0])):
        return token
    if not report.token:
        raise refusal(Reason.TOKEN_MISSING)
    # A text with characters beyond ASCII is not a token. With `?` in place of these characters it
    # is still not a token, and is refused later.
    return report.token.encode("ascii", "replace")


def expect_compact(token: bytes) -> None:
    """
    Raise if *token* does not have the form of a token: too long, or not three base64 parts.

    Raises:
        PushRefused: the token is too long, or not three parts of base64.
    """
    if len(token) > MAX_TOKEN_BYTES or not _COMPACT.fullmatch(token):
        raise refusal(Reason.TOKEN_INVALID)


def refusal(reason: Reason) -> PushRefused:
    """Return the exception that refuses a push because of its token, for *reason*."""
    return PushRefused([Fault("token", reason)])
