"""
Shows, exports or erases sessions of a running service, for `otel-jcmc sessions`.

The input is the arguments. The output is a table, one session with a plot, JSON, JSON lines or CSV.
The command asks the service by HTTP and not Redis, because only the service can use an embedded
store. It needs the token for readers, if there is one.
"""

import json
import sys
from argparse import Namespace
from typing import Any, Final
from urllib.parse import quote

from otel_jcmc.command.asking import ask_at, ask_service
from otel_jcmc.command.one_session import session_lines
from otel_jcmc.command.progress import Progress
from otel_jcmc.command.running_service import PAGE, CannotShow, RunningService, printable
from otel_jcmc.command.tables import (
    columns,
    end_text,
    lasted_text,
    local_time,
    rating_text,
    scope_text,
    verdict_text,
    vital_text,
    who_text,
    width,
    without_empty,
)
from otel_jcmc.command.zone import zone_of
from otel_jcmc.config.settings import Settings
from otel_jcmc.store.sid import began_ms, is_short_sid, short_sid

# The options that filter or sort the list of sessions, by their names in the service's API.
FILTERS: Final = (
    *("conference", "participant", "client_id", "region", "bridge", "browser"),
    *("end", "state", "cause", "sort"),
)
_PLOT_WIDTH: Final = 80
_NOTHING: Final = "no sessions (the service keeps them for JCMC_HISTORY_HOURS)"
_BY_NAME: Final = "; display names only with COLLECT_USERNAME=true"


def show(arguments: Namespace, settings: Settings) -> int:
    """Show sessions of the service at --url, or of the service in *settings*."""
    return ask_service(_run, arguments, settings)


def run(arguments: Namespace, url: str, token: str) -> int:
    """Do what *arguments* ask for, with the service at *url*; return the exit code."""
    return ask_at(_run, arguments, url, token)


def _run(arguments: Namespace, service: RunningService) -> None:
    """Do what *arguments* ask for: erase sessions, show one session, export or list sessions."""
    if arguments.delete:
        _delete(arguments, service)
    elif arguments.id:
        _show(arguments, service)
    elif arguments.csv or arguments.jsonl:
        _export(arguments, service)
    else:
        found, is_more = _list(arguments, service)
        if arguments.json:
            print(json.dumps({"sessions": found}, indent=1))
        else:
            print(_table(found, arguments, is_more=is_more))


def _query(arguments: Namespace) -> dict[str, Any]:
    """Return the parameters of the request for a list of sessions, from *arguments*."""
    times = {"from": arguments.from_, "to": arguments.to}
    query = {name: getattr(arguments, name) for name in FILTERS} | times
    return query | {"tz": zone_of(arguments.tz)[0] if any(times.values()) else None}


def _list(arguments: Namespace, service: RunningService) -> tuple[list[dict[str, Any]], bool]:
    """Return the first sessions that match, as many as --limit, and whether there are more."""
    query = _query(arguments)
    found: list[dict[str, Any]] = []
    after = None
    most = 50 if arguments.limit is None else arguments.limit
    while len(found) < most:
        limit = min(PAGE, most - len(found))
        page = service.read("/sessions", {**query, "limit": limit, "after": after})
        found += page["sessions"]
        after = page["next"]
        if after is None:
            break
    return found, after is not None


def _export(arguments: Namespace, service: RunningService) -> None:
    """Write all sessions that match to stdout as CSV or JSON lines, with a progress bar."""
    query = {**_query(arguments), "format": "csv" if arguments.csv else "jsonl"}
    done = 0
    with service.stream("/sessions", query | {"limit": arguments.limit}) as (headers, pieces):
        progress = Progress(int(headers.get("x-total-count", "0")), "sessions")
        for piece in pieces:
            sys.stdout.buffer.write(piece)
            done += piece.count(b"\n")
            progress.show(done)
        progress.end()


def _table(found: list[dict[str, Any]], arguments: Namespace, *, is_more: bool) -> str:
    """Return *found* as a table that fits the terminal."""
    if not found:
        return _NOTHING + (_BY_NAME if arguments.participant else "")
    name, zone = zone_of(arguments.tz)
    days = {local_time(each["started"], zone, "%Y-%m-%d") for each in found}
    form = "%H:%M" if len(days) == 1 else "%m-%d %H:%M"
    rows = [("id", "began", "conference", "who", "how", "bad/of", "qual", "loss %", "rtt ms")]
    rows += [
        (
            short_sid(each["id"]),
            local_time(each["started"], zone, form),
            printable(each["conference"] or "?"),
            who_text(each),
            _how(each),
            lasted_text(each),
            vital_text(each, "quality", ".0f"),
            vital_text(each, "loss", ".2g"),
            vital_text(each, "round_trip", ".0f"),
        )
        for each in found
    ]
    # If the table is too wide, the columns `conference`, `who` and `how` are shortened.
    table = columns(without_empty(rows), (2, 3, 4), width())
    day = f"{min(days)}, " if len(days) == 1 else ""
    said = f"{len(found)} session{'' if len(found) == 1 else 's'}; {day}times of {name}; mean/worst"
    if is_more:
        said += f"\nthere are more: --limit {10 * len(found)}, or --csv for all"
    return f"{table}\n{said}"


def _how(each: dict[str, Any]) -> str:
    """Return verdict, scope and rating, and how the session ended if unusual or without verdict."""
    scope = scope_text(each)
    verdict = verdict_text(each)
    end = end_text(each)
    is_odd = end.startswith(("failed", "kicked"))
    parts = [verdict, scope if scope != "participant" else "", end if is_odd or not verdict else ""]
    return ", ".join(filter(None, [*parts, rating_text(each)]))


def _show(arguments: Namespace, service: RunningService) -> None:
    """Print the session that *arguments* name: its lines with plots, its JSON or its CSV."""
    path = f"/sessions/{quote(_find(arguments.id, service), safe='')}"
    if arguments.jsonl:
        raise CannotShow("--jsonl is for a list; use --json or --csv for one session")
    if arguments.csv or arguments.json:
        kind = "csv" if arguments.csv else "json"
        sys.stdout.buffer.write(service.ask(path, {"format": kind}))
        return
    told = service.read(path, {"metrics": arguments.metric})
    zone = zone_of(arguments.tz)[1]
    wide = width() if sys.stdout.isatty() else _PLOT_WIDTH
    print("\n".join(session_lines(told, told["metrics"], zone, wide)))


def _find(sid: str, service: RunningService) -> str:
    """
    Return the whole id of a session; *sid* is that id, or only its end, as the table shows it.

    Raises:
        CannotShow: several sessions match.
    """
    if not is_short_sid(sid):
        return sid
    began = f"{began_ms(sid) / 1000:.3f}"
    after, found = None, []
    while True:
        query = {"from": began, "to": began, "limit": PAGE, "after": after}
        page = service.read("/sessions", query)
        found += [each["id"] for each in page["sessions"] if each["id"].endswith(sid)]
        after = page["next"]
        # The service lists the newest sessions first, so all sessions after these began earlier.
        if after is None or began_ms(after) < began_ms(sid):
            break
    if len(found) > 1:
        raise CannotShow(f"{len(found)} sessions match: {', '.join(found)}")
    return found[0] if found else sid


def _delete(arguments: Namespace, service: RunningService) -> None:
    """Erase all sessions of a client, after the user has confirmed it."""
    if not arguments.client_id:
        raise CannotShow("--delete needs --client-id: the client whose sessions to erase")
    others = [name for name in FILTERS if name not in ("client_id", "conference")]
    if arguments.id or any(getattr(arguments, each) for each in (*others, "from_", "to")):
        raise CannotShow("--delete erases all sessions of a client; only --conference narrows it")
    query = {"client_id": arguments.client_id, "conference": arguments.conference}
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise CannotShow("--delete asks before it erases: use --yes without a terminal")
        where = f" in {printable(arguments.conference)}" if arguments.conference else ""
        asked = f"Erase everything of {printable(arguments.client_id)}{where}? [y/N] "
        if input(asked).strip().lower() not in ("y", "yes"):
            raise CannotShow("nothing was erased")
    deleted = service.read("/sessions", query, "DELETE").get("deleted")
    print(f"{deleted} session{'' if deleted == 1 else 's'} erased")
