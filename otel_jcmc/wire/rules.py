"""
Says which values of a push are kept, by the catalogue's rows and the limits of a deployment.

`make_rules` makes the rules of a deployment from the rows and its limits. Each function that checks
a value returns the Reason why the value is bad, or None.
"""

import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from otel_jcmc.catalogue.attributes import ATTRIBUTES
from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.catalogue.rows import Attribute, Kind

# Texts that mean "not known".
ABSENT: Final = frozenset(("", "undefined"))
# The two metrics with labels, as their names are written in an attribute's `field`.
QUALITY: Final = "connectionquality"
PATH: Final = "transport_rtt[]"
# An answer repeats at most this many characters of an unknown key in a push.
MAX_KEY_ECHO = 40
# Stands for "no limit" of characters or elements; the size of the body still has a limit.
_ANY: Final = sys.maxsize
# The most characters of GUIDs, addresses and similar texts, in every deployment. All correct texts
# of these kinds are much shorter.
_FORMED: Final = 256
_NOT_COLLECTED: Final = frozenset(row.id for row in ATTRIBUTES if row.collect)

_NUMBERS = (int, float)
# Characters of an unknown key that an answer replaces by "?". Quotes and backslashes are among
# them, because JSON makes them longer.
_UNTELLABLE: Final = re.compile(r"[^ !#-\[\]-~]")
# These patterns are valid in Python and in ECMA-262, because the OpenAPI document has them too.
GUID: Final = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
SESSION_ID: Final = "[A-Za-z0-9_-]{8,64}"
is_guid: Final = re.compile(GUID).fullmatch
is_session_id: Final = re.compile(SESSION_ID).fullmatch


@dataclass(frozen=True, slots=True)
class Rules:
    """
    What a push may contain in one deployment.

    Attributes:
        rows: catalogue id -> attribute, whose max_length is the limit of this deployment.
        transports: how many elements of a list metric are kept at most.
        dropped: ids of the attributes that are checked but not kept.
    """

    rows: dict[int, Attribute]
    transports: int
    dropped: frozenset[int]

    def labels_of(self, metric: str) -> dict[str, Attribute]:
        """Return the attributes that `labels` of *metric* may have, by their keys in a push."""
        begins = f"metrics.{metric}.labels."
        return {
            row.field.removeprefix(begins): row
            for row in self.rows.values()
            if row.field.startswith(begins)
        }


def make_rules(
    label_characters: int = 256, transports: int = 8, dropped: frozenset[int] = _NOT_COLLECTED
) -> Rules:
    """
    Return the rules that follow from the catalogue and the limits of a deployment.

    *label_characters* limits the characters of a free text, *transports* the elements of a list
    metric; 0 means no limit. If a row of the catalogue has a smaller limit of characters, the
    smaller limit applies, except when *label_characters* is 0.
    """

    def longest(row: Attribute) -> int:
        if row.kind is not Kind.TEXT:
            return row.max_length or _FORMED
        return min(row.max_length or label_characters, label_characters) or _ANY

    rows = {row.id: replace(row, max_length=longest(row)) for row in ATTRIBUTES}
    return Rules(rows, transports or _ANY, dropped)


def number_fault(value: Any, minimum: float, maximum: float) -> Reason | None:
    """Return why *value* is no finite number from *minimum* to *maximum*; None if it is one."""
    # type() and not isinstance(): True is an int.
    if type(value) not in _NUMBERS:
        return Reason.NOT_A_NUMBER
    return None if minimum <= value <= maximum else Reason.OUT_OF_RANGE


def whole_number_fault(value: Any, maximum: int) -> Reason | None:
    """Return why *value* is no whole number (3.0 is whole) from 0 to *maximum*, or None."""
    if type(value) is not int and not (type(value) is float and value.is_integer()):
        return Reason.NOT_A_NUMBER
    return None if 0 <= value <= maximum else Reason.OUT_OF_RANGE


def text_fault(value: Any, row: Attribute) -> Reason | None:
    """Return why *value* is no valid text for the attribute *row*; None if it is valid."""
    if type(value) is not str:
        return Reason.NOT_TEXT
    if len(value) > row.max_length:
        return Reason.TOO_LONG
    if row.choices:
        return None if value in row.choices else Reason.UNKNOWN_WORD
    is_bad, reason = _RULES[row.kind]
    return reason if is_bad(value) else None


def echo(key: str) -> str:
    """Return an unknown *key* of a push in the form for the answer: short, printable ASCII."""
    return _UNTELLABLE.sub("?", key[:MAX_KEY_ECHO])


def _is_bad_text(value: str) -> bool:
    """Say whether *value* contains a NUL, or a lone surrogate, which UTF-8 can't encode."""
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
    """Say whether *value* is no IPv4 or IPv6 address; `ipaddress` takes five times as long."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value)
    except (OSError, ValueError):
        return True
    return False


# Kind of text -> the check that finds a bad text, and the Reason for it. This is no `match`:
# comparing with an enum's members takes longer than most checks.
_RULES: Final[dict[Kind, tuple[Callable[[str], bool], Reason]]] = {
    Kind.TEXT: (_is_bad_text, Reason.BAD_TEXT),
    Kind.ADDRESS: (is_no_address, Reason.NOT_AN_ADDRESS),
    Kind.GUID: (lambda value: is_guid(value) is None, Reason.NOT_A_GUID),
    Kind.SESSION: (lambda value: is_session_id(value) is None, Reason.NOT_A_SESSION_ID),
}
