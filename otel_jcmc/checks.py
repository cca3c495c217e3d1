"""
What one value must be to be kept, by its row of the catalogue.

Each function returns the Reason why a value is bad, or None. Called by push.py for every field of
every push.
"""

import re
import socket
from collections.abc import Callable
from typing import Any, Final

from otel_jcmc.catalogue import Attribute, Kind
from otel_jcmc.faults import Reason

# Longest piece of a sender's own key that an answer repeats.
MAX_KEY_ECHO = 40

_NUMBERS = (int, float)
is_guid: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
is_session_id: Final = re.compile(r"[A-Za-z0-9_-]{8,64}").fullmatch


def number_fault(value: Any, minimum: float, maximum: float) -> Reason | None:
    """Return what is wrong with a *value* that must be a finite number within the bounds."""
    # type() and not isinstance(): True is an int.
    if type(value) not in _NUMBERS:
        return Reason.NOT_A_NUMBER
    return None if minimum <= value <= maximum else Reason.OUT_OF_RANGE


def whole_number_fault(value: Any, maximum: int) -> Reason | None:
    """Return what is wrong with a *value* that must be a whole number from 0 to *maximum*."""
    if type(value) is not int:
        return Reason.NOT_A_NUMBER
    return None if 0 <= value <= maximum else Reason.OUT_OF_RANGE


def text_fault(value: Any, row: Attribute) -> Reason | None:
    """Return what is wrong with a text *value* for the attribute *row*."""
    if type(value) is not str:
        return Reason.NOT_TEXT
    if len(value) > row.max_length:
        return Reason.TOO_LONG
    if row.choices:
        return None if value in row.choices else Reason.UNKNOWN_WORD
    is_bad, reason = _RULES[row.kind]
    return reason if is_bad(value) else None


def echo(key: str) -> str:
    """Return a sender's own *key* as an answer may repeat it: short, printable ASCII."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in key[:MAX_KEY_ECHO])


def _is_bad_text(value: str) -> bool:
    """Say whether *value* holds a NUL or a lone surrogate, which UTF-8 can't carry."""
    if "\0" in value:
        return True
    if value.isascii():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


def is_no_address(value: str) -> bool:
    """Say whether *value* is no IPv4 or IPv6 address; five times cheaper than `ipaddress`."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value)
    except (OSError, ValueError):
        return True
    return False


# A table and not a match: comparing with an enum's members costs more than most of the rules.
_RULES: Final[dict[Kind, tuple[Callable[[str], bool], Reason]]] = {
    Kind.TEXT: (_is_bad_text, Reason.BAD_TEXT),
    Kind.ADDRESS: (is_no_address, Reason.NOT_AN_ADDRESS),
    Kind.GUID: (lambda value: is_guid(value) is None, Reason.NOT_A_GUID),
    Kind.SESSION: (lambda value: is_session_id(value) is None, Reason.NOT_A_SESSION_ID),
}
