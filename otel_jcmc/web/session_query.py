"""
Reads the query of a request for sessions.

The parameters come in. An `Asked` or a `View` goes out, or a line that says how to correct the
parameters. If the service hashes names before it stores them, a request may use the name or its
hash.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from otel_jcmc.catalogue.attributes import (
    BRIDGE,
    BROWSER_NAME,
    CLIENT,
    CONFERENCE,
    PARTICIPANT,
    REGION,
    USERNAME,
)
from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.catalogue.rows import Attribute
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.lines import (
    BRIDGE_LINE,
    BROWSER_LINE,
    CAUSE_LINE,
    CLIENT_LINE,
    CONFERENCE_LINE,
    EXPIRED,
    LIVE,
    NAME_LINE,
    PARTICIPANT_LINE,
    REGION_LINE,
    STATE_LINE,
    Condition,
    none_of,
    part_of,
    whole_of,
)
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State
from otel_jcmc.web.query import BadQuery, Pairs, meant, read_once
from otel_jcmc.web.times import NotUnderstood, read_time, read_zone
from otel_jcmc.wire.rules import is_guid
from otel_jcmc.wire.session import END_REASONS

LIMIT: Final = 50
MAX_LIMIT: Final = 500
# The limit on the number of sessions in CSV and JSON lines, if the query has no limit.
_ALL: Final = 10**9
_FIELDS: Final = {row.field: row.id for row in METRICS}
STATES: Final = (*(state.name.lower() for state in State), UNKNOWN)
CAUSES: Final = (*dict.fromkeys(WORD_OF.values()), UNKNOWN)
ENDS: Final = (*sorted(END_REASONS), "replaced", EXPIRED, LIVE)
SORTS: Final = ("newest", "worst")
FORMATS: Final = ("json", "csv", "jsonl")
# Parameter -> the attribute that it searches, and the card's line that has this attribute. _PARTS
# match a part of a name, _WHOLES a whole name.
_PARTS: Final = {
    "conference": ((CONFERENCE, CONFERENCE_LINE),),
    "participant": ((PARTICIPANT, PARTICIPANT_LINE), (USERNAME, NAME_LINE)),
    "browser": ((BROWSER_NAME, BROWSER_LINE),),
}
_WHOLES: Final = {"region": (REGION, REGION_LINE), "bridge": (BRIDGE, BRIDGE_LINE)}
LISTED_BY: Final = (
    *(*_PARTS, "client_id", *_WHOLES, "end", "state", "cause"),
    *("from", "to", "tz", "sort", "limit", "after", "format"),
)
_is_after: Final = re.compile(r"[0-9a-f]{48}|[0-9a-f]{52}").fullmatch


class View(NamedTuple):
    """
    The form in which a request wants one session.

    Attributes:
        ids: the catalogue's ids of the wanted metrics; None: all metrics that the session has.
        is_csv: whether the answer is CSV instead of JSON.
        fill: whether a value that a push left out is replaced by the last known value.
    """

    ids: list[int] | None
    is_csv: bool
    fill: bool


def read_asked(pairs: Pairs, privacy: Privacy, now_ms: int) -> tuple[Asked, str]:
    """
    Return the search that the query *pairs* asks for, and the wanted format, one of FORMATS.

    Raises:
        BadQuery: a parameter in *pairs* is wrong.
    """
    query = read_once(pairs, LISTED_BY)
    kind = _one_of(query, "format", FORMATS, FORMATS[0])
    limit = query.get("limit", str(LIMIT))
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= MAX_LIMIT:
        raise BadQuery(f"limit must be a whole number from 1 to {MAX_LIMIT}")
    is_worst = _one_of(query, "sort", SORTS, SORTS[0]) == "worst"
    after = query.get("after", "")
    if after and (not _is_after(after) or is_worst != (len(after) == 52)):
        raise BadQuery("after must be the `next` of an earlier answer to the same question")
    clients = read_client(query, privacy)
    asked = Asked(
        clients=clients,
        from_ms=time_of(query, "from", now_ms),
        to_ms=time_of(query, "to", now_ms, is_end=True),
        after=after,
        limit=int(limit) if kind == "json" or "limit" in query else _ALL,
        conditions=[*_conditions(query, privacy)]
        + ([whole_of(clients, CLIENT_LINE)] if clients else []),
        end=_one_of(query, "end", ENDS),
        by_badness=is_worst,
    )
    return asked, kind


def _conditions(query: Mapping[str, str], privacy: Privacy) -> Iterator[Condition]:
    """Return the conditions that a session's card must meet, from the parameters of *query*."""
    for name, lines in _PARTS.items():
        if name in query:
            text = _text(query, name)
            yield tuple(way for row, mark in lines for way in _part(row, mark, text, privacy))
    for name, (row, mark) in _WHOLES.items():
        if name in query:
            yield whole_of(privacy.stored(row, _text(query, name)), mark)
    if state := _one_of(query, "state", STATES):
        yield none_of(STATE_LINE) if state == UNKNOWN else whole_of([state], STATE_LINE)
    if cause := _one_of(query, "cause", CAUSES):
        yield whole_of([cause], CAUSE_LINE)


def _part(row: Attribute, mark: str, text: str, privacy: Privacy) -> Condition:
    """
    Return the condition that attribute *row*, a card's line that begins *mark*, contains *text*.

    If the attribute is hashed, its whole value must equal *text* or the hash of *text*.
    """
    stored = privacy.stored(row, text)
    return part_of(text, mark) if len(stored) == 1 else whole_of(stored, mark)


def time_of(
    query: Mapping[str, str], name: str, now_ms: int, *, is_end: bool = False
) -> int | None:
    """
    Return the time in the parameter *name* of *query*, as Unix time in ms; None if it is not given.

    If the time is a day, it means the beginning of the day, or with *is_end* its end.

    Raises:
        BadQuery: the time or the time zone is not valid.
    """
    key = "tz"
    try:
        zone = read_zone(query.get(key, "UTC"))
        key = name
        return read_time(query[name], now_ms, zone, is_end=is_end) if name in query else None
    except NotUnderstood as wanted:
        raise BadQuery(f"{key} must be {wanted}") from None


def read_at(pairs: Pairs, now_ms: int) -> int:
    """
    Return the time `at` in the query *pairs*, as Unix time in ms; *now_ms* if it is not given.

    Raises:
        BadQuery: a parameter in *pairs* is wrong.
    """
    at_ms = time_of(read_once(pairs, ("at", "tz")), "at", now_ms)
    return now_ms if at_ms is None else at_ms


def _one_of(query: Mapping[str, str], name: str, choices: Sequence[str], other: str = "") -> str:
    """Return the parameter *name*, which must be one of *choices*; *other* if it is not given."""
    word = query.get(name, other)
    if name in query and word not in choices:
        told = f"{name} must be {', '.join(choices[:-1])} or {choices[-1]}"
        raise BadQuery(told + meant(word, choices))
    return word


def _text(query: Mapping[str, str], name: str) -> str:
    """Return the text of the parameter *name*, which must not be blank or contain NUL."""
    text = query[name]
    if not text.strip() or "\0" in text:
        raise BadQuery(f"{name} must be a name that was pushed, or its hash")
    return text


def read_conference(text: str, privacy: Privacy) -> list[str]:
    """
    Return the names that the conference *text* may have in Redis: *text* itself, or its hash.

    Raises:
        BadQuery: *text* is blank or contains NUL, so no conference has this name.
    """
    return privacy.stored(CONFERENCE, _text({"conference": text}, "conference"))


def read_client(query: Mapping[str, str], privacy: Privacy) -> list[str]:
    """
    Return the forms that the client id in *query* may have in Redis; empty: any client matches.

    Raises:
        BadQuery: the client id is blank or contains NUL.
    """
    if "client_id" not in query:
        return []
    text = _text(query, "client_id")
    # In a GUID, upper and lower case mean the same. But the hash of a GUID depends on the case in
    # which the client sent it.
    texts = [text, text.lower(), text.upper()] if is_guid(text) else [text]
    return [*dict.fromkeys(each for one in texts for each in privacy.stored(CLIENT, one))]


def read_erased(pairs: Pairs, privacy: Privacy) -> tuple[list[str], list[str]]:
    """
    Return the names of conferences and the ids of clients whose sessions to erase.

    An empty list of conferences means the sessions of these clients in all conferences.

    Raises:
        BadQuery: a parameter in *pairs* is wrong, or `client_id` is missing.
    """
    query = read_once(pairs, ("client_id", "conference"))
    if "client_id" not in query:
        raise BadQuery("client_id is missing: name the client whose sessions to erase")
    of = read_conference(query["conference"], privacy) if "conference" in query else []
    return of, read_client(query, privacy)


def read_view(pairs: Pairs, accept: str) -> View:
    """
    Return the form in which a request wants one session: its query *pairs*, its header *accept*.

    Raises:
        BadQuery: a parameter in *pairs* is wrong.
    """
    query = read_once(pairs, ("metrics", "format", "fill"))
    asked = [name.strip() for name in query.get("metrics", "").split(",") if name.strip()]
    for name in asked:
        if name not in _FIELDS:
            raise BadQuery(f"metrics must be some of {', '.join(_FIELDS)}")
    kind = query.get("format", "csv" if "text/csv" in accept else "json")
    if kind not in ("json", "csv"):
        raise BadQuery("format must be json or csv")
    fill = query.get("fill", "false")
    if fill not in ("true", "false"):
        raise BadQuery("fill must be true or false")
    # If the query names a metric twice, the answer has it once. The order is that of the query.
    ids = [_FIELDS[name] for name in dict.fromkeys(asked)] or None
    return View(ids, kind == "csv", fill == "true")
