"""Times in words: what each means on a Sunday at noon UTC, 13:00 in Berlin."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfoNotFoundError

import pytest

from otel_jcmc.web import times
from otel_jcmc.web.times import EXAMPLES, NotUnderstood, read_time, read_zone

# A Sunday.
NOW = int(datetime(2026, 11, 29, 12, 0, tzinfo=UTC).timestamp() * 1000)


def told(text: str, zone: str = "UTC", *, is_end: bool = False) -> str:
    """Return the meaning of *text*, in UTC."""
    at = read_time(text, NOW, read_zone(zone), is_end=is_end)
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("9:30", "11-29 09:30:00"),
        ("14:00", "11-28 14:00:00"),
        ("12:00", "11-29 12:00:00"),
        ("14:00:30", "11-28 14:00:30"),
        ("2pm", "11-28 14:00:00"),
        ("12:05 am", "11-29 00:05:00"),
        ("yesterday 14:00", "11-28 14:00:00"),
        ("Yesterday at 14:00", "11-28 14:00:00"),
        ("today 14:00", "11-29 14:00:00"),
        ("yesterday", "11-28 00:00:00"),
        ("today", "11-29 00:00:00"),
        ("monday", "11-23 00:00:00"),
        ("monday 9:30", "11-23 09:30:00"),
        ("sat 9:30", "11-28 09:30:00"),
        ("sunday 9:30", "11-29 09:30:00"),
        ("sunday 18:00", "11-22 18:00:00"),
        ("2026-11-27", "11-27 00:00:00"),
        ("2026-11-27 14:00", "11-27 14:00:00"),
        ("2026-11-27T14:00", "11-27 14:00:00"),
        ("2026-11-27T14:00:00Z", "11-27 14:00:00"),
        ("2026-11-27T14:00:00+02:00", "11-27 12:00:00"),
        ("2026-11-27T14:00:00 02:00", "11-27 12:00:00"),
        ("1795867200", "11-28 12:00:00"),
        ("-2h", "11-29 10:00:00"),
        ("2h", "11-29 10:00:00"),
        ("2h ago", "11-29 10:00:00"),
        ("30 m ago", "11-29 11:30:00"),
        ("-1w", "11-22 12:00:00"),
        ("now", "11-29 12:00:00"),
    ],
)
def test_a_time_is_understood(text: str, meant: str) -> None:
    assert told(text) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("12:30", "11-29 11:30:00"),
        ("14:00", "11-28 13:00:00"),
        ("yesterday", "11-27 23:00:00"),
        # In summer one hour more.
        ("2026-07-01 14:00", "07-01 12:00:00"),
        ("2026-11-27T14:00:00Z", "11-27 14:00:00"),
    ],
)
def test_a_zone_counts_where_none_is_said(text: str, meant: str) -> None:
    assert told(text, "Europe/Berlin") == meant


def test_an_offset_is_a_zone() -> None:
    assert told("2026-11-27 14:00", "+02:00") == "11-27 12:00:00"
    assert told("2026-11-27 14:00", "-0330") == "11-27 17:30:00"


def test_a_day_as_an_end_is_its_end() -> None:
    assert told("yesterday", is_end=True) == "11-28 23:59:59"
    assert told("2026-11-27", is_end=True) == "11-27 23:59:59"
    # A day on which clocks go back has 25 hours.
    assert told("2026-10-25", "Europe/Berlin") == "10-24 22:00:00"
    assert told("2026-10-25", "Europe/Berlin", is_end=True) == "10-25 22:59:59"
    assert told("yesterday 14:00", is_end=True) == "11-28 14:00:00"


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "25:00", "14:60", "13pm", "0am", "2026-13-01", "yesterday noon", "mo"),
        *("14", "tomorrow", "2026-11-27 14:00 x", "-99999999999h", "9999-12-31", "\0", "-2y"),
    ],
)
def test_what_is_no_time_is_answered_with_examples(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        read_time(text, NOW, is_end=True)
    assert str(refused.value) == f"a time: {EXAMPLES}"


@pytest.mark.parametrize(
    "zone", ["", "Mars/Base", "../etc/passwd", "+25:00", "/etc/localtime", "\0"]
)
def test_what_is_no_zone_is_told(zone: str) -> None:
    with pytest.raises(NotUnderstood, match="a time zone: Europe/Berlin"):
        read_zone(zone)


def test_without_a_database_of_zones_there_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(times, "ZoneInfo", missing)
    assert told("14:00") == "11-28 14:00:00"
    with pytest.raises(NotUnderstood):
        read_zone("Europe/Berlin")
