"""
What of a person is stored: each attribute as it was sent, dropped, hashed or truncated.

In come the entries of JCMC_PRIVACY and the settings that are short for some; out comes a Privacy,
which changes a checked Report before anything of it is on its way to Redis. Keys in Redis, labels
and OTLP attributes are then made of what it left, so nothing needs to know of it.

A hash is keyed: who has no key can't try names. The same text has the same hash for as long as the
key is the same, letter by letter: `Standup` and `standup` are two, as their series are without.
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

# 64 bits, 16 hex digits: of 120,000 texts two are the same with a chance of 1 in 2.6 thousand
# million (n^2 / 2^65). The key keeps anybody from looking for such a pair.
HASH_BYTES: Final = 8
MIN_KEY_CHARACTERS: Final = 16


class Treatment(StrEnum):
    """What becomes of an attribute."""

    KEEP = "keep"
    DROP = "drop"
    HASH = "hash"
    TRUNCATE = "truncate"


# Catalogue id -> what becomes of it, for every attribute.
Policy = dict[int, Treatment]
_Change = Callable[[str], str]

# They tell one participant, and one stay, from another: without them there are no series.
_UNSENT: Final = (BROWSER_NAME, BROWSER_VERSION, OS_NAME, OS_VERSION, NETWORK, RELAY, SENDER)
_NEEDED: Final = frozenset(row.id for row in (CONFERENCE, CLIENT, PARTICIPANT, SESSION))


def name_of(row: Attribute) -> str:
    """Return the name of an attribute: its label, else its name in the `otel` naming."""
    return row.label or row.otel_name or row.field


def _rows() -> dict[str, Attribute]:
    """Return the attributes by all their names; a dot may be a `_`, as it is in Prometheus."""
    found = {"conference": CONFERENCE}
    for row in ATTRIBUTES:
        for name in filter(None, (row.label, row.otel_name, name_of(row))):
            found |= {name: row, name.replace(".", "_"): row}
    return found


_ROWS: Final = _rows()


def choices_for(row: Attribute) -> list[Treatment]:
    """Return what can become of the attribute *row*."""
    return [
        treatment
        for treatment in Treatment
        if (treatment is not Treatment.DROP or row.id not in _NEEDED)
        and (treatment is not Treatment.TRUNCATE or row.kind is Kind.ADDRESS)
    ]


def read_entries(entries: Iterable[str]) -> Policy:
    """
    Return what *entries* like `roomname=hash` say; of what they do not name it has nothing.

    Raises:
        ValueError: one of them can't be; the message is a line that lists what can.
    """
    found: Policy = {}
    for entry in entries:
        name, equals, word = (part.strip() for part in entry.partition("="))
        if not equals:
            raise ValueError(f"{entry!r} is no entry: roomname=hash is one")
        row = _ROWS.get(name)
        if row is None:
            names = ", ".join(map(name_of, ATTRIBUTES))
            raise ValueError(f"{name!r} is no attribute; there are {names}")
        if row.id in found:
            raise ValueError(f"{name_of(row)} is named twice")
        if word not in choices_for(row):
            why = ""
            if word == Treatment.DROP:
                why = ", because it tells one participant from another: use hash"
            elif word == Treatment.TRUNCATE:
                why = ", because it is no address"
            wanted = ", ".join(choices_for(row))
            raise ValueError(f"{name_of(row)} can't have {word!r}{why}; there are {wanted}")
        found[row.id] = Treatment(word)
    return found


def make_policy(entries: Iterable[str] = (), collect: Collection[str] = ()) -> Policy:
    """
    Return what becomes of every attribute.

    *collect* are the settings that are on and keep what is dropped by default; an entry wins.

    Raises:
        ValueError: as `read_entries`.
    """
    policy = {
        row.id: Treatment.DROP if row.collect and row.collect not in collect else Treatment.KEEP
        for row in ATTRIBUTES
    }
    found = read_entries(entries)
    policy |= found
    # Else somebody's hashed id would be readable where others tell of it.
    return policy | {
        row.id: policy[row.like] for row in ATTRIBUTES if row.like and row.id not in found
    }


def describe(policy: Policy) -> list[str]:
    """Return *policy* as text, a line for each treatment that it has."""
    lines = []
    for treatment in Treatment:
        names = [name_of(row) for row in ATTRIBUTES if policy[row.id] is treatment]
        if names:
            lines.append(f"{treatment} {', '.join(names)}")
    return lines


class Privacy:
    """
    A policy at work.

    Attributes:
        dropped: ids of what is dropped; the parser does so with what a body has.
        is_needed: whether `apply` has anything to do.
    """

    def __init__(self, policy: Policy, key: str) -> None:
        """Prepare for *policy*; *key* is the secret of the hashes, the same in all replicas."""
        self.dropped = frozenset(
            id_ for id_, treatment in policy.items() if treatment is Treatment.DROP
        )
        # As long as a key may be, whatever the secret's length.
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
        # What no body has, so that no parser drops it.
        self._unsent = [row.id for row in _UNSENT if row.id in self.dropped]
        self._owner = self._hashing(0) if Treatment.HASH in policy.values() else None
        self.is_needed = bool(changes or self._unsent)

    def apply(self, report: "Report") -> None:
        """Change *report*, which has all its attributes, to what may be stored."""
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
        Return what may be stored where *text* is asked for: as it is, and its hash if it is hashed.

        Who asks may have it from the page, or from what is stored.
        """
        changes = [change for id_, change in self._others if id_ == row.id]
        return [text, *(change(text) for change in changes)]

    def stand_in(self, owner: str) -> str:
        """
        Return what stands for a token's user, whose id is an address as often as not.

        Its hash if anything is hashed: only then is there a key, the same in all replicas.
        """
        return self._owner(owner) if self._owner and owner else owner

    def _hashing(self, id_: int) -> _Change:
        """Return what hashes the texts of one attribute, which no other's are compared with."""
        start = blake2b(digest_size=HASH_BYTES, key=self._key, person=b"%d" % id_)

        def hashed(text: str) -> str:
            state = start.copy()
            state.update(text.encode())
            return state.hexdigest()

        return hashed


def _change_texts(texts: dict[int, Any], changes: list[tuple[int, _Change]]) -> None:
    """Change those of *texts* that are there."""
    for id_, change in changes:
        text = texts.get(id_)
        if text is not None:
            texts[id_] = change(text)


def truncated(address: str) -> str:
    """Return the network of an IPv4 or IPv6 *address* without its length: /24 or /48."""
    if ":" not in address:
        return _network(socket.AF_INET, socket.inet_pton(socket.AF_INET, address), 3)
    raw = socket.inet_pton(socket.AF_INET6, address)
    if raw.startswith(b"\0" * 10 + b"\xff\xff"):
        return _network(socket.AF_INET, raw[12:], 3)
    # 6to4 (RFC 3056) has a whole IPv4 address in its first 48 bits.
    return _network(socket.AF_INET6, raw, 5 if raw.startswith(b"\x20\x02") else 6)


def _network(family: int, raw: bytes, length: int) -> str:
    """Return the address whose first *length* bytes are those of *raw*."""
    return socket.inet_ntop(family, raw[:length].ljust(len(raw), b"\0"))
