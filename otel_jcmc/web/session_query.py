"""
What a request for sessions asks for, out of its query.

In go the parameters, out come an `Asked` or a `View`; what is wrong is one line that says what
would be right. Names are treated as those of a push are before they are stored, so who hashes them
may ask by the name and by the hash.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from otel_jcmc.catalogue.attributes import CLIENT, CONFERENCE
from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.store.sid import is_sid
from otel_jcmc.wire.rules import is_guid

LIMIT: Final = 50
MAX_LIMIT: Final = 500
_AGO: Final = re.compile(r"-(\d{1,9})([smhd])").fullmatch
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_UNIX: Final = re.compile(r"\d{1,11}(\.\d{1,9})?").fullmatch
_FIELDS: Final = {row.field: row.id for row in METRICS}
_WANTED: Final = "2026-03-01T09:30:00Z, 1772357400 or -2h (s, m, h, d)"

# A query as it was sent: names with their texts.
Pairs = Sequence[tuple[str, str]]


class BadQuery(Exception):
    """The query can't be answered; the message is one line that says what would be right."""


class View(NamedTuple):
    """
    How one session is asked for.

    Attributes:
        ids: of the metrics that are wanted; None: of all that it has.
        is_csv: as CSV, not JSON.
        fill: with what was known before where a push left it out.
    """

    ids: list[int] | None
    is_csv: bool
    fill: bool


def read_asked(pairs: Pairs, privacy: Privacy, now_ms: int) -> Asked:
    """
    Return what a list is asked for.

    Raises:
        BadQuery: *pairs* have something that can't be.
    """
    query = _read_once(pairs, ("conference", "client_id", "from", "to", "limit", "after"))
    from_ms, to_ms = (_time(query, name, now_ms) for name in ("from", "to"))
    limit = query.get("limit", str(LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= MAX_LIMIT:
        raise BadQuery(f"limit must be a whole number from 1 to {MAX_LIMIT}")
    after = query.get("after", "")
    if after and not is_sid(after):
        raise BadQuery("after must be the `next` of an earlier answer")
    return Asked(*read_who(query, privacy), from_ms, to_ms, after, int(limit))


def read_who(query: Mapping[str, str], privacy: Privacy) -> tuple[list[str], list[str]]:
    """
    Return the conference and the client that *query* names, as they may be stored; empty: any.

    Raises:
        BadQuery: a name is empty, or no text that can be stored.
    """
    found = []
    for name, row in (("conference", CONFERENCE), ("client_id", CLIENT)):
        text = query.get(name)
        if text is not None and (not text or "\0" in text):
            raise BadQuery(f"{name} must be a name that was pushed, or its hash")
        # The case of a GUID tells nobody apart, but a hash is of the text as the page sent it.
        texts = [text] if text is not None else []
        if row is CLIENT and text is not None and is_guid(text):
            texts += [text.lower(), text.upper()]
        found.append([*dict.fromkeys(each for one in texts for each in privacy.stored(row, one))])
    return found[0], found[1]


def read_erased(pairs: Pairs, privacy: Privacy) -> tuple[list[str], list[str]]:
    """
    Return the conferences, any if there are none, and the clients that are to be erased.

    Raises:
        BadQuery: *pairs* have something that can't be, or names no client.
    """
    query = _read_once(pairs, ("client_id", "conference"))
    if "client_id" not in query:
        raise BadQuery("client_id is missing: whose sessions are to be erased")
    return read_who(query, privacy)


def read_view(pairs: Pairs, accept: str) -> View:
    """
    Return how one session is asked for.

    Raises:
        BadQuery: *pairs* have something that can't be.
    """
    query = _read_once(pairs, ("metrics", "format", "fill"))
    asked = [name.strip() for name in query.get("metrics", "").split(",") if name.strip()]
    for name in asked:
        if name not in _FIELDS:
            raise BadQuery(f"metrics: there are {', '.join(_FIELDS)}")
    kind = query.get("format", "csv" if "text/csv" in accept else "json")
    if kind not in ("json", "csv"):
        raise BadQuery("format must be json or csv")
    fill = query.get("fill", "false")
    if fill not in ("true", "false"):
        raise BadQuery("fill must be true or false")
    # Each once, in the order of asking.
    ids = [_FIELDS[name] for name in dict.fromkeys(asked)] or None
    return View(ids, kind == "csv", fill == "true")


def _read_once(pairs: Pairs, known: tuple[str, ...]) -> dict[str, str]:
    """Return the parameters; what is misspelt or there twice would do nothing, and is refused."""
    query: dict[str, str] = {}
    for name, text in pairs:
        if name not in known:
            raise BadQuery(f"there are {', '.join(known)}, and nothing else to ask by")
        if name in query:
            raise BadQuery(f"{name} is there twice: one is wanted")
        query[name] = text
    return query


def _time(query: Mapping[str, str], name: str, now_ms: int) -> int | None:
    """Return the time that *query* has under *name*, as Unix time in ms."""
    text = query.get(name)
    if text is None:
        return None
    if ago := _AGO(text):
        return max(0, now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1000)
    if _UNIX(text):
        return round(float(text) * 1000)
    try:
        # A plus that nobody escaped is a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None:
            return max(0, int(moment.timestamp() * 1000))
    except (ValueError, OverflowError):
        pass
    raise BadQuery(f"{name} must be a time: {_WANTED}")
