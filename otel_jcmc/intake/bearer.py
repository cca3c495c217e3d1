"""
The token that a push brings: in the header, or in the body where a header can't be sent.

Out goes its text as bytes, looked at only so far that no library gets what can't be a token. A
page that closes has no time for a preflight, so its last push has the token in the body.

Source: RFC 6750 (Bearer), and the compact form of RFC 7515.
"""

import re
from collections.abc import Iterable
from typing import Final

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.intake.callers import Header
from otel_jcmc.wire.push import Report

MAX_TOKEN_BYTES: Final = 8192
# Verified tokens that are remembered: one for each participant, about a kilobyte each.
REMEMBERED: Final = 32_768

# Also because base64 leaves out what it does not know: one token would have any number of texts.
_COMPACT: Final = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def authorizations(headers: Iterable[Header]) -> list[bytes]:
    """
    Return what the Authorization headers say.

    Of two nobody knows which one somebody on the way has looked at: then none counts.
    """
    return [value for name, value in headers if name == b"authorization"]


def bearer_token(authorization: bytes) -> bytes | None:
    """Return the bearer token of an *authorization*, None where it is of another kind."""
    scheme, _, token = authorization.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def token_of(headers: Iterable[Header], report: Report) -> bytes:
    """
    Return the token of a push, the header's before the body's, unchecked.

    Raises:
        PushRefused: there is none, or it can't be told which one counts.
    """
    told = authorizations(headers)
    if len(told) > 1:
        raise refusal(Reason.TOKEN_AMBIGUOUS)
    if told and (token := bearer_token(told[0])):
        return token
    if not report.token:
        raise refusal(Reason.TOKEN_MISSING)
    # What is no ASCII is no token: it stays none, whatever takes its place.
    return report.token.encode("ascii", "replace")


def expect_compact(token: bytes) -> None:
    """
    Refuse a *token* that can't be one, before any library sees it.

    Raises:
        PushRefused: too long, or not three parts of base64.
    """
    if len(token) > MAX_TOKEN_BYTES or not _COMPACT.fullmatch(token):
        raise refusal(Reason.TOKEN_INVALID)


def refusal(reason: Reason) -> PushRefused:
    """Return the refusal of a push for its token."""
    return PushRefused([Fault("token", reason)])
