"""
Reads a time as people write it: `14:00`, `yesterday 14:00`, `monday`, `2026-11-29`, `-2h`.

The text and its zone come in. Unix time in ms goes out, or an error with examples. If the text is
a day, the caller says whether the beginning or the end of the day is meant.

If a search contains a time that is not understood, the service must say so. No library that we know
is suitable: dateparser (eight megabytes) guesses. parsedatetime (of 2020) reads `14:00` as a time
in the future, and never reports an error. python-dateutil does not know `yesterday`.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

EXAMPLES: Final = (
    "14:00, yesterday 14:00, yesterday, monday 9:30, 2026-11-29, 2026-11-29 14:00, -2h, 2h ago,"
    " 2026-11-29T14:00:00+01:00 or Unix seconds"
)
_ago: Final = re.compile(r"-?\s*(\d{1,9})\s*([smhdw])(?:\s+ago)?").fullmatch
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_unix: Final = re.compile(r"\d{5,11}(?:\.\d{1,9})?").fullmatch
_clock: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?\s*([ap]m)?").fullmatch
_hour: Final = re.compile(r"(\d{1,2})\s*([ap]m)").fullmatch
_date: Final = re.compile(r"\d{4}-\d\d-\d\d").fullmatch
_offset: Final = re.compile(r"([+-])(\d\d):?(\d\d)").fullmatch
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY: Final = timedelta(days=1)


class NotUnderstood(Exception):
    """The text is not a time or a time zone; the message gives examples."""


def read_zone(text: str) -> tzinfo:
    """
    Return the zone that *text* names: an IANA name, or an offset such as +02:00.

    Raises:
        NotUnderstood: *text* names no zone.
    """
    if found := _offset(text.replace(" ", "+")):
        minutes = int(found[2]) * 60 + int(found[3])
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    if text == "UTC":
        # Python knows UTC without the time zone database, which a small container image may lack.
        return UTC
    try:
        # The name is a file path in the time zone database, so errors of the file system may come.
        return ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise NotUnderstood("a time zone: Europe/Berlin, UTC or +02:00") from None


def read_time(text: str, now_ms: int, zone: tzinfo = UTC, *, is_end: bool = False) -> int:
    """
    Return the time that *text* means at *now_ms*, as Unix time in ms.

    If *text* has no offset, it is a time in *zone*. If it is a day, the result is the first ms of
    that day, or with *is_end* the last ms. A clock time without a day means the latest such time in
    the past.

    Raises:
        NotUnderstood: *text* is not a time.
    """
    said = " ".join(text.lower().split())
    if found := _ago(said):
        return max(0, now_ms - int(found[1]) * _SECONDS[found[2]] * 1000)
    if _unix(said):
        return round(float(said) * 1000)
    try:
        now = datetime.fromtimestamp(now_ms / 1000, zone)
        if said == "now":
            return now_ms
        if (whole := _whole(text)) is not None:
            return whole
        return max(0, _of_day(said, now, is_end=is_end))
    except (ValueError, OverflowError, OSError):
        raise NotUnderstood(f"a time: {EXAMPLES}") from None


def _whole(text: str) -> int | None:
    """Return the Unix time in ms of *text* in the form of RFC 3339; None if it has another form."""
    try:
        # If a plus in a query is not escaped, it arrives as a space.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()))
    except ValueError:
        return None
    return None if moment.tzinfo is None else max(0, int(moment.timestamp() * 1000))


def _of_day(said: str, now: datetime, *, is_end: bool) -> int:
    """Return the Unix time in ms of *said*, which is a day, a clock time, or both."""
    first, _, rest = re.sub(r"(?<=\d)t(?=\d)", " ", said).replace(" at ", " ").partition(" ")
    day = _day(first, now.date())
    if day is None:
        found = _moment(now.date(), f"{first} {rest}".strip(), now.tzinfo)
        if found > now:
            found = _moment(now.date() - _DAY, f"{first} {rest}".strip(), now.tzinfo)
        return _ms(found)
    if rest:
        found = _moment(day, rest, now.tzinfo)
        # If today is Monday and it is 9:00, `monday 14:00` means the Monday of last week.
        is_last = found > now and first[:3] == _DAYS[now.weekday()][:3]
        return _ms(_moment(day - 7 * _DAY, rest, now.tzinfo) if is_last else found)
    if is_end:
        return _ms(_moment(day + _DAY, "0:00", now.tzinfo)) - 1
    return _ms(_moment(day, "0:00", now.tzinfo))


def _day(word: str, today: date) -> date | None:
    """Return the day that *word* names, the latest such day for a weekday; None: it is no day."""
    if word in ("today", "yesterday"):
        return today - _DAY if word == "yesterday" else today
    if _date(word):
        return date.fromisoformat(word)
    for number, name in enumerate(_DAYS):
        if len(word) >= 3 and name.startswith(word):
            return today - timedelta(days=(today.weekday() - number) % 7)
    return None


def _moment(day: date, clock: str, zone: tzinfo | None) -> datetime:
    """
    Return the time of *clock* on *day* in *zone*.

    If this time comes twice on that day, because clocks go back, the result is the first of them.

    Raises:
        ValueError: *clock* is not a time of the clock.
    """
    hour, minute, second, half = 0, 0, 0, None
    if found := _clock(clock):
        hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
        half = found[4]
    elif found := _hour(clock):
        hour, half = int(found[1]), found[2]
    else:
        raise ValueError(clock)
    if half:
        if not 1 <= hour <= 12:
            raise ValueError(clock)
        hour = hour % 12 + (12 if half == "pm" else 0)
    return datetime.combine(day, time(hour, minute, second), zone)


def _ms(moment: datetime) -> int:
    """Return *moment* as Unix time in ms."""
    return int(moment.timestamp() * 1000)
