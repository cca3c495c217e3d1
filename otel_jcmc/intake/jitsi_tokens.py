"""
Jitsi's tokens: a push is taken if the page's own token is for the conference that is pushed.

In comes a push, out goes its user by the token, or its refusal. A token names no participant; the
store binds each to the user that pushed first for it. Made by service/app.py where JCMC_PUSH_AUTH
is `jwt`.

Source: lib-jitsi-meet's doc/tokens.md, and how Prosody verifies them, jitsi-meet's
resources/prosody-plugins/token/util.lib.lua: `iss` and `aud` are one of a list or anything by `*`,
`room` is required, `*` or compared in lower case, and so is `sub`, the tenant or the domain. Its
lower case is Lua's, of the letters of ASCII: jitsi-meet has all others of a room percent-encoded.
"""

import json
import re
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from time import time
from typing import Any, Final, NamedTuple

import jwt
from jwt import InsecureKeyLengthWarning

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.intake.bearer import REMEMBERED, expect_compact, refusal, token_of
from otel_jcmc.intake.callers import Header
from otel_jcmc.intake.jitsi_keys import Keys
from otel_jcmc.wire.push import Report

ANY: Final = "*"
# A name as Prosody and the bridge have it: "[tenant]room".
_BRACKETED: Final = re.compile(r"\[([^\]]*)\](.*)", re.DOTALL)
_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
# A deployment's secret is what it is; `otel-jcmc check` says so when it is short.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


class _Verified(NamedTuple):
    """
    What a token that was verified says.

    Attributes:
        room: in lower case, or ANY; *plain* is the same where a name that equals it needs no other
            look.
        tenant: in lower case, or ANY.
        owner: the user, with the issuer that knows them; empty where the token names none.
    """

    plain: str
    room: str
    tenant: str
    owner: str
    expires_at: float


class JitsiTokens:
    """Says of each push whose it is; to be called by the push endpoint."""

    def __init__(
        self,
        keys: Keys,
        issuers: Collection[str],
        audiences: Collection[str],
        subjects: Collection[str],
        leeway_seconds: float = 0,
    ) -> None:
        """Accept what *keys* verify, of *issuers*, for *audiences* and *subjects*, or ANY."""
        self._keys = keys
        self._issuers = frozenset(issuers)
        self._audiences = frozenset(audiences)
        self._subjects = frozenset(in_lower(each) for each in subjects)
        self._leeway_seconds = leeway_seconds
        # By the token's bytes. A timing tells nothing: no token is compared with another one
        # unless their hashes, keyed and of 64 bits, are equal.
        self._known = lru_cache(REMEMBERED)(self._verify)

    def __call__(self, headers: Iterable[Header], report: Report) -> str:
        """
        Return the user who pushes, empty where the token names none.

        Raises:
            PushRefused: there is no token, it is not good, or it is for another conference.
        """
        token = token_of(headers, report)
        if self._keys.reload():
            self._known.cache_clear()
        known = self._known(token)
        if known.expires_at <= time():
            known = self._verify(token)
        conference = in_lower(report.conference)
        if conference != known.plain and not is_for(conference, known.room, known.tenant):
            raise refusal(Reason.CONFERENCE_NOT_ALLOWED)
        return known.owner

    def _verify(self, token: bytes) -> _Verified:
        """
        Return what *token* says, if it is one of Jitsi's for us and has not expired.

        Raises:
            PushRefused: it is not, or has.
        """
        expect_compact(token)
        try:
            return self._read(self._decode(token))
        except jwt.ExpiredSignatureError:
            raise refusal(Reason.TOKEN_EXPIRED) from None
        except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
            raise refusal(Reason.TOKEN_INVALID) from None

    def _decode(self, token: bytes) -> dict[str, Any]:
        """Return the claims of *token*, if one of our keys has signed it and it is its time."""
        # The library's own look at a head decodes the rest too, a third of all that this costs.
        head = json.loads(urlsafe_b64decode(token.partition(b".")[0] + b"=="))
        algorithm, name = head["alg"], head.get("kid")
        # What the token says of itself chooses among our keys, and no key's algorithm.
        keys = [
            key
            for key in self._keys.now
            if key.algorithm == algorithm and (key.name is None or name in (None, key.name))
        ]
        failure: Exception = jwt.InvalidSignatureError("no key")
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key.verifier,
                    [key.algorithm],
                    {"require": ["exp"], "verify_aud": False, "verify_iss": False},
                    leeway=self._leeway_seconds,
                )
            except jwt.InvalidSignatureError as error:
                failure = error
        raise failure

    def _read(self, claims: dict[str, Any]) -> _Verified:
        """Return what *claims* say; ValueError or the like if they are not for us."""
        issuer = claims.get("iss", "")
        _expect_one_of(self._issuers, issuer)
        audience = claims.get("aud", "")
        _expect_one_of(self._audiences, *(audience if type(audience) is list else [audience]))
        tenant = in_lower(_text(claims.get("sub", "")))
        if tenant != ANY:
            _expect_one_of(self._subjects, tenant)
        room = in_lower(_text(claims["room"]))
        if not room:
            raise ValueError("no room")
        is_plain = room != ANY and "/" not in room and not room.startswith("[")
        owner = _user(claims)
        return _Verified(
            plain=room if is_plain else "",
            room=room,
            tenant=tenant,
            owner=f"{_text(issuer)}\0{owner}" if owner else "",
            expires_at=float(claims["exp"]),
        )


def in_lower(name: str) -> str:
    """
    Return *name* in lower case, as far as it is ASCII.

    Unicode's ways of comparing take rooms for one that are two: straße and strasse, k and the sign
    of Kelvin.
    """
    return name.lower() if name.isascii() else name.translate(_LOWER)


def is_for(conference: str, room: str, tenant: str) -> bool:
    """
    Say whether a token for *room* of *tenant* is for *conference*, all in lower case.

    A name without a tenant is what pages push; that of one is "tenant/room" or "[tenant]room".
    """
    named: str | None
    if bracketed := _BRACKETED.fullmatch(conference):
        named, name = bracketed.groups()
    else:
        before, slash, name = conference.rpartition("/")
        named = before if slash else None
    return room in (ANY, name) and (named is None or tenant in (ANY, named))


def _user(claims: dict[str, Any]) -> str:
    """Return the id of the token's user, empty where it names none."""
    context = claims.get("context")
    user = context.get("user") if type(context) is dict else None
    found = user.get("id") if type(user) is dict else None
    return str(found) if type(found) is int else _text(found or "")


def _text(value: Any) -> str:
    """Return *value* if it is text, and such that has bytes: no lone surrogate."""
    if type(value) is not str:
        raise TypeError("text is wanted")
    value.encode()
    return value


def _expect_one_of(accepted: frozenset[str], *said: str) -> None:
    """Refuse what is *said* unless one of it is *accepted*, or anything is."""
    if ANY not in accepted and not accepted.intersection(said):
        raise ValueError("not for us")
