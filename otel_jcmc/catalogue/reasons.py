"""
What can be wrong with a push, and whose fault it is.

`Reason` is one closed list: the words in an answer's body, the `reason` label of our counters and
the table in the docs. Modules raise `PushRefused` (the sender is wrong) or `StoreUnavailable` (we
are); only web/push.py knows status codes.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple


class Reason(StrEnum):
    """Why a push, or a field of one, was not taken; `brief` is its line in the docs."""

    brief: str

    def __new__(cls, value: str, brief: str) -> "Reason":
        """Make the word *value* with its line of documentation."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.brief = brief
        return member

    NOT_JSON = "not_json", "the body is not UTF-8 JSON, or is nested too deep to read"
    CONTENT_ENCODING = "content_encoding", "the body is compressed; it is taken as plain JSON alone"
    NOT_AN_OBJECT = "not_an_object", "a JSON object is wanted here"
    NOT_A_LIST = "not_a_list", "a JSON list is wanted here"
    MISSING = "missing", "a required field is not there"
    NOT_TEXT = "not_text", "text is wanted here"
    BAD_TEXT = "bad_text", "the text holds a NUL or a lone surrogate"
    TOO_LONG = "too_long", "the text is longer than the field may be"
    NOT_A_GUID = "not_a_guid", "the text is not a GUID"
    NOT_A_SESSION_ID = "not_a_session_id", "8 to 64 characters of A-Z a-z 0-9 _ - are wanted"
    NOT_AN_ADDRESS = "not_an_address", "the text is neither an IPv4 nor an IPv6 address"
    UNKNOWN_WORD = "unknown_word", "the text is none of the words that the field may hold"
    UNKNOWN_FIELD = "unknown_field", "the wire format has no such field"
    NOT_A_NUMBER = "not_a_number", "a JSON number or null is wanted; text and booleans are neither"
    OUT_OF_RANGE = "out_of_range", "the number is outside the field's bounds, or not finite"
    TOO_MANY = "too_many", "the list has more elements than are kept"
    NOTHING_KEPT = "nothing_kept", "nothing was sent, or all of it was bad"
    BODY_TOO_LARGE = "body_too_large", "the body is larger than JCMC_LIMIT_BODY_BYTES"
    BODY_INCOMPLETE = "body_incomplete", "the body did not arrive in time"
    TOKEN_MISSING = "token_missing", "a token is wanted, in the header or the body"
    TOKEN_INVALID = "token_invalid", "the token is none of ours, or damaged"
    TOKEN_AMBIGUOUS = (
        "token_ambiguous",
        "there are two Authorization headers, and nobody knows which one counts",
    )
    TOKEN_EXPIRED = "token_expired", "the token is past its time; a new one is wanted"
    ORIGIN_NOT_ALLOWED = (
        "origin_not_allowed",
        "the page's origin is not allowed, or not the token's",
    )
    CONFERENCE_NOT_ALLOWED = "conference_not_allowed", "the token is for another conference"
    PARTICIPANT_TAKEN = "participant_taken", "another user pushes for this participant"
    CONFERENCE_PATTERN = (
        "conference_pattern",
        "the conference's name does not match JCMC_JMMC_CONF_PATTERN",
    )
    REGION_NOT_AUTHORIZED = (
        "region_not_authorized",
        "the server's region is none of JCMC_JMMC_AUTHORIZED_REGIONS",
    )
    COOKIE_MISSING = (
        "cookie_missing",
        "no cookie names the session; a push with `br` opens one",
    )
    COOKIE_INVALID = (
        "cookie_invalid",
        "the cookie is none of ours, or another client's, conference's or participant's",
    )
    SESSION_UNKNOWN = (
        "session_unknown",
        "nothing is known any more of the cookie's session; a push with `br` opens a new one",
    )
    ADDRESS_RATE = "address_rate", "too many pushes from this address"
    PARTICIPANT_RATE = "participant_rate", "too many pushes for this participant"
    NEWCOMER_RATE = "newcomer_rate", "too many new participants from this address"
    ADDRESS_LIMIT = (
        "address_limit",
        "as many of this address are live as may be, in all or in this conference; newcomers wait",
    )
    SUPERSEDED = "superseded", "a push with a higher session.seq was stored before this one"
    SESSION_ENDED = "session_ended", "the session had ended before this push was handled"
    PARTICIPANT_LIMIT = "participant_limit", "JCMC_LIMIT_PARTICIPANTS are live; newcomers wait"
    CONFERENCE_LIMIT = (
        "conference_limit",
        "JCMC_LIMIT_CONFERENCE_PARTICIPANTS are live in the conference; newcomers wait",
    )
    STORE_UNAVAILABLE = "store_unavailable", "Redis did not confirm the push in time"
    STORE_FULL = "store_full", "Redis is out of memory"
    STORE_BUSY = "store_busy", "too many pushes are waiting for Redis"
    STOPPING = "stopping", "the service stopped before the push had come whole"


# Of each reason what becomes of the push: we failed, it came too late to count, or, of the last,
# a field is dropped and the rest is kept. All others refuse it, some of them by a field too.
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
# What a page hears that asks for a push token and gets none.
TOKEN_REFUSALS: Final = (Reason.ORIGIN_NOT_ALLOWED, Reason.ADDRESS_RATE)


class Fault(NamedTuple):
    """One field that is wrong, as an answer names it."""

    field: str
    reason: Reason


class PushRefused(Exception):
    """The sender is wrong: nothing was stored, and the same push would be refused again."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Refuse for *faults*, at least one; the first gives the counter its reason."""
        super().__init__(faults[0].reason)
        self.faults = faults

    @property
    def reason(self) -> Reason:
        """The reason that is counted."""
        return self.faults[0].reason


class StoreUnavailable(Exception):
    """Redis is not known to have the push, which may be sent again."""

    def __init__(self, reason: Reason = Reason.STORE_UNAVAILABLE) -> None:
        """Say why: unavailable, full or busy."""
        super().__init__(reason)
        self.reason = reason


class StoreCannotStart(Exception):
    """No store can be had; the message is one line that says what to do."""


class KeysUnusable(Exception):
    """No key to verify tokens by can be had; the message is one line, with nothing of a key."""


class ExporterCannotStart(Exception):
    """The SDK's OTLP exporter refuses its settings; the message is one line that says which."""


class CannotServe(Exception):
    """What the settings ask for can't be opened; the message is a line for the operator."""
