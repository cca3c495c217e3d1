"""
Applies the privacy policy: each attribute is stored as sent, dropped, hashed or truncated.

The entries of JCMC_PRIVACY and the settings that stand for such entries come in. A Privacy object
goes out, which changes a checked Report before anything goes to Redis. Keys in Redis, labels and
OTLP attributes are made from the changed Report, so no other part needs to know the policy.

A hash is keyed: without the key, a reader can't find a name by hashing likely names. The same text
has the same hash while the key is the same. Case matters: `Standup` and `standup` have two hashes,
as they have two series without hashing.
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

# 64 bits, 16 hex digits: among 120,000 texts, two hashes are equal with a chance of 1 in 2.6
# thousand million (n^2 / 2^65). Without the key, a search for such a pair is impossible.
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

# These attributes distinguish participants and stays: without them there are no series.
_UNSENT: Final = (BROWSER_NAME, BROWSER_VERSION, OS_NAME, OS_VERSION, NETWORK, RELAY, SENDER)
_NEEDED: Final = frozenset(row.id for row in (CONFERENCE, CLIENT, PARTICIPANT, SESSION))


def name_of(row: Attribute) -> str:
    """Return the name of an attribute: its label, or its name in the `otel` naming."""
    return row.label or row.otel_name or row.field


def _rows() -> dict[str, Attribute]:
    """Return name -> attribute, for all names of each; a dot may be `_`, as in Prometheus."""
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
    Return the treatments in *entries* like `roomname=hash`, for the named attributes only.

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

    *collect* are the settings that are on; these keep attributes that are dropped by default. If
    an entry names the same attribute, the entry wins.

    Raises:
        ValueError: as `read_entries`.
    """
    policy = {
        row.id: Treatment.DROP if row.collect and row.collect not in collect else Treatment.KEEP
        for row in ATTRIBUTES
    }
    found = read_entries(entries)
    policy |= found
    # Otherwise an id that is hashed here would be readable where other participants report it.
    return policy | {
        row.id: policy[row.like] for row in ATTRIBUTES if row.like and row.id not in found
    }


def describe(policy: Policy) -> list[str]:
    """Return *policy* as text, a line for each treatment in it."""
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
        dropped: ids of dropped attributes; the parser drops those that come in a push's body.
        is_needed: whether `apply` has anything to do.
    """

    def __init__(self, policy: Policy, key: str) -> None:
        """Prepare for *policy*; *key* is the secret key of the hashes, the same in all replicas."""
        self.dropped = frozenset(
            id_ for id_, treatment in policy.items() if treatment is Treatment.DROP
        )
        # Hashed to the longest length that a key of blake2b may have, for secrets of any length.
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
        """Change *report* to what may be stored; it must have all its attributes already."""
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
        Return the stored forms to search for *text*: as it is, and its hash if it is hashed.

        A person who searches may have the text from the page, or from stored data.
        """
        changes = [change for id_, change in self._others if id_ == row.id]
        return [text, *(change(text) for change in changes)]

    def stand_in(self, owner: str) -> str:
        """
        Return a stand-in for a token's user, whose id is often an e-mail address.

        The stand-in is a hash if the policy hashes any attribute, because only then do all replicas
        have the same key. Otherwise it is *owner* itself.
        """
        return self._owner(owner) if self._owner and owner else owner

    def _hashing(self, id_: int) -> _Change:
        """Return a function that hashes texts of attribute *id_*; others hash them differently."""
        start = blake2b(digest_size=HASH_BYTES, key=self._key, person=b"%d" % id_)

        def hashed(text: str) -> str:
            state = start.copy()
            state.update(text.encode())
            return state.hexdigest()

        return hashed


def _change_texts(texts: dict[int, Any], changes: list[tuple[int, _Change]]) -> None:
    """Apply *changes* to the *texts* that are present."""
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
    # A 6to4 address (RFC 3056) has a whole IPv4 address in its first 48 bits, so fewer are kept.
    return _network(socket.AF_INET6, raw, 5 if raw.startswith(b"\x20\x02") else 6)


def _network(family: int, raw: bytes, length: int) -> str:
    """Return the address with the first *length* bytes of *raw*, and zeros."""
    return socket.inet_ntop(family, raw[:length].ljust(len(raw), b"\0"))
