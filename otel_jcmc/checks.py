"""
What one value must be to be kept, by its row of the catalogue.

Each function returns the Reason why a value is bad, or None. Called by push.py for every field of
every push.
"""

import re
import socket
from typing import Any

from otel_jcmc.catalogue import Attribute, Kind
from otel_jcmc.faults import Reason

# Longest piece of a sender's own key that an answer repeats.
MAX_KEY_ECHO = 40

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_NUMBERS = (int, float)


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
    match row.kind:
        case Kind.TEXT:
            return Reason.BAD_TEXT if _is_bad_text(value) else None
        case Kind.CHOICE:
            return None if value in row.choices else Reason.UNKNOWN_WORD
        case Kind.ADDRESS:
            return None if _is_address(value) else Reason.NOT_AN_ADDRESS
        case Kind.GUID:
            return None if _GUID.fullmatch(value) else Reason.NOT_A_GUID
        case Kind.SESSION:
            return None if _SESSION_ID.fullmatch(value) else Reason.NOT_A_SESSION_ID


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


def _is_address(value: str) -> bool:
    """Say whether *value* is an IPv4 or IPv6 address; five times cheaper than `ipaddress`."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value)
    except (OSError, ValueError):
        return False
    return True
