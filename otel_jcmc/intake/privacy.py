"""
Applies the privacy policy: each attribute is stored as sent, dropped, hashed or truncated.

This module reads the entries of JCMC_PRIVACY and the settings that permit personal attributes
(JCMC_COLLECT_...). Its Privacy object changes a checked Report before anything goes to Redis. Keys
in Redis, labels and OTLP attributes are made from the changed Report, so no other part of the
service needs to know the policy.

Hashes are keyed: without the key, a reader of the data can't find a name by hashing likely names.
While the key stays the same, the same text has the same hash. Upper and lower case differ:
`Standup` and `standup` have two hashes, and therefore two series, as they have without hashing.
"""

import socket
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    NETWORK,
    OS_NAME,
    OS_VERSION,
    PARTICIPANT,
    RELAY,
    SENDER,
    SESSION,
)
from otel_jcmc.catalogue.metrics import LIST_ID
from otel_jcmc.catalogue.rows import Attribute, Kind, Scope

if TYPE_CHECKING:
    from otel_jcmc.wire.push import Report

# A hash has 64 bits, 16 hex digits. The chance that any two of 120,000 texts have the same hash is
# 1 in 2.6 thousand million (n^2 / 2^65). Without the key, no one can search for two such texts.
HASH_BYTES: Final = 8
MIN_KEY_CHARACTERS: Final = 16


class Treatment(StrEnum):
    """What happens to an attribute before it is stored."""

    KEEP = "keep"
    DROP = "drop"
    HASH = "hash"
    TRUNCATE = "truncate"


# Catalogue id -> treatment, for every attribute.
Policy = dict[int, Treatment]
_Change = Callable[[str], str]

# The service adds these attributes to a report; the body of a push does not contain them.
_UNSENT: Final = (BROWSER_NAME, BROWSER_VERSION, OS_NAME, OS_VERSION, NETWORK, RELAY, SENDER)
# These attributes distinguish participants and stays, so that each has its own series.
_NEEDED: Final = frozenset(row.id for row in (CONFERENCE, CLIENT, PARTICIPANT, SESSION))


def name_of(row: Attribute) -> str:
    """Return the name of an attribute: its label; if it has none, its OTel name or its field."""
    return row.label or row.otel_name or row.field


def _rows() -> dict[str, Attribute]:
    """Return a dict, name -> attribute, with each name of each attribute, also with `_` for `.`."""
    found = {"conference": CONFERENCE}
    for row in ATTRIBUTES:
        for name in filter(None, (row.label, row.otel_name, name_of(row))):
            found |= {name: row, name.replace(".", "_"): row}
    return found


_ROWS: Final = _rows()


def choices_for(row: Attribute) -> list[Treatment]:
    """Return the treatments that the attribute *row* may have."""
    return [
        treatment
        for treatment in Treatment
        if (treatment is not Treatment.DROP or row.id not in _NEEDED)
        and (treatment is not Treatment.TRUNCATE or row.kind is Kind.ADDRESS)
    ]


def read_entries(entries: Iterable[str]) -> Policy:
    """
    Return a dict, attribute's id -> treatment, from *entries* like `roomname=hash`.

    Raises:
        ValueError: an entry is not valid; the message is a line with the valid values.
    """
    found: Policy = {}
    for entry in entries:
        name, equals, word = (part.strip() for part in entry.partition("="))
        if not equals:
            raise ValueError(f"{entry!r} is not an entry: write it like roomname=hash")
        row = _ROWS.get(name)
        if row is None:
            names = ", ".join(map(name_of, ATTRIBUTES))
            raise ValueError(f"{name!r} is not an attribute; the attributes are {names}")
        if row.id in found:
            raise ValueError(f"{name_of(row)} is named twice")
        if word not in choices_for(row):
            why = ""
            if word == Treatment.DROP:
                why = ", because it tells one participant from another: use hash"
            elif word == Treatment.TRUNCATE:
                why = ", because it is not an address"
            wanted = ", ".join(choices_for(row))
            raise ValueError(f"{name_of(row)} can't have {word!r}{why}; it can have {wanted}")
        found[row.id] = Treatment(word)
    return found


def make_policy(entries: Iterable[str] = (), collect: Collection[str] = ()) -> Policy:
    """
    Return the treatment of every attribute.

    *collect* are the names of settings like `collect_addresses` that are on. Such a setting keeps
    attributes that are dropped by default. If an entry names the same attribute, the entry decides.

    Raises:
        ValueError: as `read_entries`.
    """
    policy = {
        row.id: Treatment.DROP if row.collect and row.collect not in collect else Treatment.KEEP
        for row in ATTRIBUTES
    }
    found = read_entries(entries)
    policy |= found
    # Another participant may report the same id in another attribute (`like`): without the same
    # treatment, an id that is hashed in one attribute would be readable in the other.
    return policy | {
        row.id: policy[row.like] for row in ATTRIBUTES if row.like and row.id not in found
    }


def describe(policy: Policy) -> list[str]:
    """Return *policy* as lines of text: a treatment, then all attributes that get it."""
    lines = []
    for treatment in Treatment:
        names = [name_of(row) for row in ATTRIBUTES if policy[row.id] is treatment]
        if names:
            lines.append(f"{treatment} {', '.join(names)}")
    return lines


class Privacy:
    """
    Applies a privacy policy to reports.

    Attributes:
        dropped: ids of dropped attributes; the parser of pushes leaves these out of a report.
        is_needed: whether `apply` can change any report under this policy.
    """

    def __init__(self, policy: Policy, key: str) -> None:
        """Prepare for *policy*; *key* is the secret key of the hashes, the same in all replicas."""
        self.dropped = frozenset(
            id_ for id_, treatment in policy.items() if treatment is Treatment.DROP
        )
        # A key of blake2b has at most 64 bytes. The secret may be longer, so its hash is the key.
        self._key = blake2b(key.encode()).digest()
        changes = [
            (row, self._hashing(row.like or row.id) if treatment is Treatment.HASH else truncated)
            for row in ATTRIBUTES
            if (treatment := policy[row.id]) in (Treatment.HASH, Treatment.TRUNCATE)
        ]
        self._paths = [(row.id, change) for row, change in changes if row.scope is Scope.PATH]
        self._session = next((change for row, change in changes if row is SESSION), None)
        self._others = [
            (row.id, change)
            for row, change in changes
            if row.scope is not Scope.PATH and row is not SESSION
        ]
        # These attributes do not come in a body, so the parser cannot drop them.
        self._unsent = [row.id for row in _UNSENT if row.id in self.dropped]
        self._owner = self._hashing(0) if Treatment.HASH in policy.values() else None
        self.is_needed = bool(changes or self._unsent)

    def apply(self, report: "Report") -> None:
        """Apply the policy to *report*; call this after all attributes have been added to it."""
        attributes = report.attributes
        for id_ in self._unsent:
            attributes.pop(id_, None)
        _change_texts(attributes, self._others)
        report.conference = attributes[CONFERENCE.id]
        report.client_id = attributes[CLIENT.id]
        report.participant_id = attributes[PARTICIPANT.id]
        if self._session and report.session.id:
            report.session.id = self._session(report.session.id)
        if self._paths:
            for path in attributes.get(LIST_ID, ()):
                _change_texts(path, self._paths)

    def stored(self, row: Attribute, text: str) -> list[str]:
        """
        Return the texts to search for: *text* itself, and its hash if the policy hashes *row*.

        A person who searches may have a text from Jitsi's page, or a hash from stored data.
        """
        changes = [change for id_, change in self._others if id_ == row.id]
        return [text, *(change(text) for change in changes)]

    def stand_in(self, owner: str) -> str:
        """
        Return the text to store for *owner*, the user in a token: often an e-mail address.

        The text is a hash if the policy hashes any attribute, because only then do all replicas
        have the same key. Otherwise the text is *owner* itself.
        """
        return self._owner(owner) if self._owner and owner else owner

    def _hashing(self, id_: int) -> _Change:
        """Return a function that hashes a text; another *id_* gives the same text another hash."""
        start = blake2b(digest_size=HASH_BYTES, key=self._key, person=b"%d" % id_)

        def hashed(text: str) -> str:
            state = start.copy()
            state.update(text.encode())
            return state.hexdigest()

        return hashed


def _change_texts(texts: dict[int, Any], changes: list[tuple[int, _Change]]) -> None:
    """Replace each of *texts* for which *changes* has a function by the function's result."""
    for id_, change in changes:
        text = texts.get(id_)
        if text is not None:
            texts[id_] = change(text)


def truncated(address: str) -> str:
    """Return the network (/24 of IPv4, /48 of IPv6) of *address*, without the prefix length."""
    if ":" not in address:
        return _network(socket.AF_INET, socket.inet_pton(socket.AF_INET, address), 3)
    raw = socket.inet_pton(socket.AF_INET6, address)
    if raw.startswith(b"\0" * 10 + b"\xff\xff"):
        return _network(socket.AF_INET, raw[12:], 3)
    # The first 48 bits of a 6to4 address (RFC 3056) contain a whole IPv4 address, so only 40 bits
    # of it are kept.
    return _network(socket.AF_INET6, raw, 5 if raw.startswith(b"\x20\x02") else 6)


def _network(family: int, raw: bytes, length: int) -> str:
    """Return the address *raw* as text, with all bytes after the first *length* set to zero."""
    return socket.inet_ntop(family, raw[:length].ljust(len(raw), b"\0"))
