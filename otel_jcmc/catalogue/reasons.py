"""
All reasons why a push or one of its fields is not stored: faults of the sender or the service.

`Reason` is one closed list. An answer's body, the label `reason` of counters and docs/reasons.md
use its words. A module raises `PushRefused` if the sender is at fault, or `StoreUnavailable` if the
service or Redis is. Only web/push.py chooses the status code.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple


class Reason(StrEnum):
    """Why a push or one of its fields was not stored; `brief` explains it in docs/reasons.md."""

    brief: str

    def __new__(cls, value: str, brief: str) -> "Reason":
        """Return the word *value*, with its explanation *brief*."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.brief = brief
        return member

    NOT_JSON = "not_json", "the body is not UTF-8 JSON, or is nested too deep to read"
    CONTENT_ENCODING = "content_encoding", "the body is compressed; send plain JSON"
    NOT_AN_OBJECT = "not_an_object", "this must be a JSON object"
    NOT_A_LIST = "not_a_list", "this must be a JSON list"
    MISSING = "missing", "a required field is missing"
    NOT_TEXT = "not_text", "this must be text"
    BAD_TEXT = "bad_text", "the text holds a NUL or a lone surrogate"
    TOO_LONG = "too_long", "the text is longer than the field allows"
    NOT_A_GUID = "not_a_guid", "the text is not a GUID"
    NOT_A_SESSION_ID = "not_a_session_id", "the id must have 8 to 64 characters of A-Z a-z 0-9 _ -"
    NOT_AN_ADDRESS = "not_an_address", "the text is neither an IPv4 nor an IPv6 address"
    UNKNOWN_WORD = "unknown_word", "the field does not allow this word"
    UNKNOWN_FIELD = "unknown_field", "the wire format has no such field"
    NOT_A_NUMBER = "not_a_number", "this must be a JSON number or null, not text or a boolean"
    OUT_OF_RANGE = "out_of_range", "the number is outside the field's bounds, or not finite"
    TOO_MANY = "too_many", "the list has too many elements; the rest is dropped"
    NOTHING_KEPT = "nothing_kept", "the push held nothing, or nothing in it was valid"
    BODY_TOO_LARGE = "body_too_large", "the body is larger than JCMC_LIMIT_BODY_BYTES"
    BODY_INCOMPLETE = "body_incomplete", "the body did not arrive in time"
    TOKEN_MISSING = "token_missing", "the push needs a token, in the header or the body"
    TOKEN_INVALID = "token_invalid", "the token is damaged, or no trusted issuer signed it"
    TOKEN_AMBIGUOUS = (
        "token_ambiguous",
        "there are two Authorization headers; send one",
    )
    TOKEN_EXPIRED = "token_expired", "the token has expired; get a new one"
    ORIGIN_NOT_ALLOWED = (
        "origin_not_allowed",
        "the page's origin is not allowed, or differs from the token's",
    )
    CONFERENCE_NOT_ALLOWED = "conference_not_allowed", "the token is for another conference"
    PARTICIPANT_TAKEN = "participant_taken", "another user pushes for this participant"
    CONFERENCE_PATTERN = (
        "conference_pattern",
        "the conference's name does not match JCMC_JMMC_CONF_PATTERN",
    )
    REGION_NOT_AUTHORIZED = (
        "region_not_authorized",
        "the server's region is not in JCMC_JMMC_AUTHORIZED_REGIONS",
    )
    COOKIE_MISSING = (
        "cookie_missing",
        "no cookie names the session; a push with `br` opens one",
    )
    COOKIE_INVALID = (
        "cookie_invalid",
        "the cookie has a wrong signature, or names another client, conference or participant",
    )
    SESSION_UNKNOWN = (
        "session_unknown",
        "the cookie's session is no longer known; a push with `br` opens a new one",
    )
    ADDRESS_RATE = "address_rate", "too many pushes from this address"
    PARTICIPANT_RATE = "participant_rate", "too many pushes for this participant"
    NEWCOMER_RATE = "newcomer_rate", "too many new participants from this address"
    ADDRESS_LIMIT = (
        "address_limit",
        "this address has as many live participants as allowed, in total or in this conference",
    )
    SUPERSEDED = "superseded", "a push with a higher session.seq is already stored"
    SESSION_ENDED = "session_ended", "the session had ended before this push was handled"
    PARTICIPANT_LIMIT = (
        "participant_limit",
        "JCMC_LIMIT_PARTICIPANTS are live; a new participant must wait",
    )
    CONFERENCE_LIMIT = (
        "conference_limit",
        "JCMC_LIMIT_CONFERENCE_PARTICIPANTS are in the conference; a new participant must wait",
    )
    STORE_UNAVAILABLE = "store_unavailable", "Redis did not confirm the push in time"
    STORE_FULL = "store_full", "Redis is out of memory"
    STORE_BUSY = "store_busy", "too many pushes are waiting for Redis"
    STOPPING = "stopping", "the service stopped before the whole push had arrived"


# What a reason means for a push. FAILURES: the push is not stored, by a fault of the service or of
# Redis. LATE: the push came too late. DROPS: one field is dropped and the others are kept. For any
# other reason the push is refused; a push can also be refused for some reasons in DROPS.
FAILURES: Final = (
    Reason.STORE_UNAVAILABLE,
    Reason.STORE_FULL,
    Reason.STORE_BUSY,
    Reason.STOPPING,
)
LATE: Final = (Reason.SUPERSEDED, Reason.SESSION_ENDED)
_FIELDS_ALONE: Final = (
    Reason.NOT_A_LIST,
    Reason.NOT_A_SESSION_ID,
    Reason.NOT_AN_ADDRESS,
    Reason.UNKNOWN_WORD,
    Reason.UNKNOWN_FIELD,
    Reason.NOT_A_NUMBER,
    Reason.OUT_OF_RANGE,
    Reason.TOO_MANY,
    Reason.REGION_NOT_AUTHORIZED,
)
DROPS: Final = (
    *_FIELDS_ALONE,
    Reason.NOT_AN_OBJECT,
    Reason.MISSING,
    Reason.NOT_TEXT,
    Reason.BAD_TEXT,
    Reason.TOO_LONG,
)
REFUSALS: Final = tuple(
    reason for reason in Reason if reason not in (*FAILURES, *LATE, *_FIELDS_ALONE)
)
# The reasons for which a page that asks for a push token does not get one.
TOKEN_REFUSALS: Final = (Reason.ORIGIN_NOT_ALLOWED, Reason.ADDRESS_RATE)


class Fault(NamedTuple):
    """One wrong field, in the form in which the answer to the push names it."""

    field: str
    reason: Reason


class PushRefused(Exception):
    """The sender is at fault. The push was not stored; if sent again, it is refused again."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Refuse a push for its *faults*, at least one; the first fault's reason is counted."""
        super().__init__(faults[0].reason)
        self.faults = faults

    @property
    def reason(self) -> Reason:
        """The reason under which the refused push is counted: the reason of its first fault."""
        return self.faults[0].reason


class StoreUnavailable(Exception):
    """Redis may not have the push; the sender may send it again."""

    def __init__(self, reason: Reason = Reason.STORE_UNAVAILABLE) -> None:
        """Keep the *reason*: Redis is unavailable, full or busy, or the service is stopping."""
        super().__init__(reason)
        self.reason = reason


class StoreCannotStart(Exception):
    """The store cannot start; the message is one line that says what to do."""


class KeysUnusable(Exception):
    """No key can verify tokens; the message is one line and holds no part of a key."""


class ExporterCannotStart(Exception):
    """The SDK's OTLP exporter refuses its settings; the message is one line that says which."""


class CannotServe(Exception):
    """A port or file of the settings cannot be opened; the message is a line for the operator."""
