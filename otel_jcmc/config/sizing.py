"""
What Redis may come to hold, by the bounds of the settings: docs/sizing.md and a warning are of it.

What one of each takes was measured on Valkey 9.1, with all keys and overhead. A push with the
longest texts that are taken takes more than a usual one: it is usual ones that are meant.
"""

from typing import Final, NamedTuple

from otel_jcmc.config.settings import Settings, name_of

MIB: Final = 1024 * 1024
# The server without anything of ours, connections and scripts.
SERVER_BYTES: Final = 4 * MIB
LIVE_BYTES: Final = 600
JMMC_BYTES: Final = 800
ENDED_BYTES: Final = 150
SPAN_BYTES: Final = 2000
EVENT_BYTES: Final = 500
JOURNAL_BYTES: Final = 180
JOURNAL_ENTRIES: Final = 10_000
# History and summaries count what they take; together it is so much more at most.
HISTORY_MORE: Final = 0.1
# Sessions of JMMC pages, and those that have ended, of each participant that there may be.
_JMMC_EACH: Final = 2
_ENDED_EACH: Final = 0.5


class Share(NamedTuple):
    """
    One kind of what Redis holds.

    Attributes:
        setting: what bounds it; empty: nothing that is set.
        most: how many there may be; 0: it is bounded by bytes.
        each_bytes: what one takes.
        most_bytes: what all of them take; 0: it is not bounded, or not kept.
    """

    what: str
    setting: str
    most: int
    each_bytes: int
    most_bytes: int


def shares(settings: Settings) -> list[Share]:
    """Return what Redis may come to hold with *settings*, the largest bounds of each kind."""
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
            "that sessions have ended", f"half of {limit}", int(_ENDED_EACH * people), ENDED_BYTES
        ),
        Share("history", name_of("history_max_bytes"), 0, 0, history),
        Share("summaries", name_of("summary_max_bytes"), 0, 0, summaries),
        _counted("spans that wait", name_of("traces_waiting"), spans, SPAN_BYTES),
        _counted("events that wait", name_of("logs_waiting"), events, EVENT_BYTES),
        _counted("the journal of what stood out", "", JOURNAL_ENTRIES, JOURNAL_BYTES),
        Share("Redis itself", "", 0, 0, SERVER_BYTES),
    ]


def _counted(what: str, setting: str, most: int, each_bytes: int) -> Share:
    """Return a share that is bounded by a number."""
    return Share(what, setting, most, each_bytes, most * each_bytes)


def memory_advice(settings: Settings, most_bytes: int, policy: str) -> list[str]:
    """
    Return what is wrong with a Redis that may take *most_bytes*, 0 for any, in a line each.

    *policy* is what it does then, as its maxmemory-policy has it.
    """
    lines = []
    wanted = sum(each.most_bytes for each in shares(settings))
    if most_bytes and wanted > most_bytes:
        largest = max(shares(settings), key=lambda each: each.most_bytes)
        lines.append(
            f"Redis has maxmemory {_mb(most_bytes)}, and the bounds of these settings come to"
            f" {_mb(wanted)}: set maxmemory {_mb(wanted)}, or less of {largest.setting}, which is"
            f" {_mb(largest.most_bytes)} of it (docs/sizing.md)"
        )
    if most_bytes and not settings.limit_participants:
        lines.append(
            f"{name_of('limit_participants')}=0: nobody knows whether maxmemory"
            f" {_mb(most_bytes)} is enough, as last pushes have no bound"
        )
    if most_bytes and policy != "noeviction":
        lines.append(
            f"Redis has maxmemory-policy {policy}, by which participants and sessions are gone"
            " without a trace when it is full: set noeviction"
        )
    return lines


def _mb(size: int) -> str:
    """Return *size* as Redis's configuration takes it, rounded up."""
    return f"{-(-size // MIB)}mb"
