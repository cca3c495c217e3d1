"""
Computes how much memory Redis may need with given settings, for docs/sizing.md and a warning.

The sizes were measured on Valkey 9.1 with usual pushes, and include all keys and overhead. A push
with the longest texts that are allowed takes more.
"""

from typing import Final, NamedTuple

from otel_jcmc.config.settings import Settings, name_of

MIB: Final = 1024 * 1024
# What Redis needs without our data, for connections and scripts.
SERVER_BYTES: Final = 4 * MIB
LIVE_BYTES: Final = 600
JMMC_BYTES: Final = 800
ENDED_BYTES: Final = 150
SPAN_BYTES: Final = 2000
EVENT_BYTES: Final = 500
JOURNAL_BYTES: Final = 180
JOURNAL_ENTRIES: Final = 10_000
# History and summaries count their bytes themselves. Redis needs at most this share more memory.
HISTORY_MORE: Final = 0.1
# The most sessions of JMMC pages, and the most ended sessions, for each participant that
# JCMC_LIMIT_PARTICIPANTS allows.
_JMMC_EACH: Final = 2
_ENDED_EACH: Final = 0.5


class Share(NamedTuple):
    """
    One kind of data in Redis.

    Attributes:
        setting: the setting that limits this kind of data; empty if no setting does.
        most: the largest number of items, such as participants; 0 if the limit is in bytes.
        each_bytes: bytes of one item.
        most_bytes: bytes of all items; 0 if the number has no limit, or nothing is kept.
    """

    what: str
    setting: str
    most: int
    each_bytes: int
    most_bytes: int


def shares(settings: Settings) -> list[Share]:
    """Return the most that Redis may hold with *settings*, for each kind of data."""
    people, limit = settings.limit_participants, name_of("limit_participants")
    history = int(settings.history_max_bytes * (1 + HISTORY_MORE)) * settings.keeps_sessions
    summaries = int(settings.summary_max_bytes * (1 + HISTORY_MORE)) * (settings.summary_days > 0)
    spans = settings.traces_waiting * (settings.traces_exporter == "otlp")
    events = settings.logs_waiting * (settings.logs_exporter == "otlp")
    pages = int(_JMMC_EACH * people) * bool(settings.jmmc_path)
    return [
        _counted("last pushes", limit, people, LIVE_BYTES),
        _counted("sessions of JMMC pages", f"twice {limit}", pages, JMMC_BYTES),
        _counted(
            "marks of ended sessions", f"half of {limit}", int(_ENDED_EACH * people), ENDED_BYTES
        ),
        Share("history", name_of("history_max_bytes"), 0, 0, history),
        Share("summaries", name_of("summary_max_bytes"), 0, 0, summaries),
        _counted("spans that wait", name_of("traces_waiting"), spans, SPAN_BYTES),
        _counted("events that wait", name_of("logs_waiting"), events, EVENT_BYTES),
        _counted("the journal of what stood out", "", JOURNAL_ENTRIES, JOURNAL_BYTES),
        Share("Redis itself", "", 0, 0, SERVER_BYTES),
    ]


def _counted(what: str, setting: str, most: int, each_bytes: int) -> Share:
    """Return the row of a kind of data that has a limit on the number of its items."""
    return Share(what, setting, most, each_bytes, most * each_bytes)


def memory_advice(settings: Settings, most_bytes: int, policy: str) -> list[str]:
    """
    Return a line for each memory setting of Redis that is wrong for *settings*.

    Args:
        most_bytes: Redis's maxmemory; 0: unlimited.
        policy: Redis's maxmemory-policy.
    """
    lines = []
    wanted = sum(each.most_bytes for each in shares(settings))
    if most_bytes and wanted > most_bytes:
        largest = max(shares(settings), key=lambda each: each.most_bytes)
        lines.append(
            f"Redis has maxmemory {_mb(most_bytes)}, but these settings may need {_mb(wanted)}: set"
            f" maxmemory {_mb(wanted)}, or lower {largest.setting}, which needs"
            f" {_mb(largest.most_bytes)} of it (docs/sizing.md)"
        )
    if most_bytes and not settings.limit_participants:
        lines.append(
            f"{name_of('limit_participants')}=0 puts no limit on last pushes, so maxmemory"
            f" {_mb(most_bytes)} may be too small: set a limit"
        )
    if most_bytes and policy != "noeviction":
        lines.append(
            f"Redis has maxmemory-policy {policy}, which silently deletes participants and sessions"
            " when Redis is full: set noeviction"
        )
    return lines


def _mb(size: int) -> str:
    """Return *size* in MiB, rounded up, in the form that Redis's configuration takes."""
    return f"{-(-size // MIB)}mb"
