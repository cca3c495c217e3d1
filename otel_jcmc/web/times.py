"""
A time as people say it: `14:00`, `yesterday 14:00`, `monday`, `2026-11-29`, `-2h`.

In goes the text with the zone that is meant, out comes Unix time in ms; what is not understood is
answered with examples. Days have a beginning and an end: which of both is meant, who asks knows.

Of libraries there are dateparser (eight megabytes, and it guesses), parsedatetime (of 2020; `14:00`
is the next one, and no text is wrong) and python-dateutil (no `yesterday`): none says what it has
not understood, which is what a search needs.
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
    """The text is no time, or no zone; the message says what would be one."""


def read_zone(text: str) -> tzinfo:
    """
    Return the zone that *text* names: of the IANA database, or an offset such as +02:00.

    Raises:
        NotUnderstood: there is no such zone.
    """
    if found := _offset(text.replace(" ", "+")):
        minutes = int(found[2]) * 60 + int(found[3])
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=-minutes if found[1] == "-" else minutes))
    if text == "UTC":
        # It needs no database, which a small image may lack.
        return UTC
    try:
        # A name is a path of files below the database.
        return ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise NotUnderstood("a time zone: Europe/Berlin, UTC or +02:00") from None


def read_time(text: str, now_ms: int, zone: tzinfo = UTC, *, is_end: bool = False) -> int:
    """
    Return the time that *text* says at *now_ms*, in *zone* if it names none, as Unix time in ms.

    Of a day it is the first ms, or the last if it *is_end*; a clock time without a day is the last
    that has been.

    Raises:
        NotUnderstood: it is no time.
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
    """Return the time of *text* if it has its offset, as RFC 3339 has it."""
    try:
        # A plus that nobody escaped is a blank.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()))
    except ValueError:
        return None
    return None if moment.tzinfo is None else max(0, int(moment.timestamp() * 1000))


def _of_day(said: str, now: datetime, *, is_end: bool) -> int:
    """Return the time of a day, a time of the clock, or both."""
    first, _, rest = re.sub(r"(?<=\d)t(?=\d)", " ", said).replace(" at ", " ").partition(" ")
    day = _day(first, now.date())
    if day is None:
        found = _moment(now.date(), f"{first} {rest}".strip(), now.tzinfo)
        if found > now:
            found = _moment(now.date() - _DAY, f"{first} {rest}".strip(), now.tzinfo)
        return _ms(found)
    if rest:
        found = _moment(day, rest, now.tzinfo)
        # Of today's weekday it may be a time that is to come: then last week's is meant.
        is_last = found > now and first[:3] == _DAYS[now.weekday()][:3]
        return _ms(_moment(day - 7 * _DAY, rest, now.tzinfo) if is_last else found)
    if is_end:
        return _ms(_moment(day + _DAY, "0:00", now.tzinfo)) - 1
    return _ms(_moment(day, "0:00", now.tzinfo))


def _day(word: str, today: date) -> date | None:
    """Return the day that *word* names, None if it names none; of the week's it is the last."""
    if word in ("today", "yesterday"):
        return today - _DAY if word == "yesterday" else today
    if _date(word):
        return date.fromisoformat(word)
    for number, name in enumerate(_DAYS):
        if len(word) >= 3 and name.startswith(word):
            return today - timedelta(days=(today.weekday() - number) % 7)
    return None


def _moment(day: date, clock: str, zone: tzinfo | None) -> datetime:
    """Return the time of *clock* on *day*; where clocks go back, the first of the two."""
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
