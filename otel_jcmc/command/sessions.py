"""
`otel-jcmc sessions`: sessions of a running service on the terminal.

In go the arguments, out come a table, one session with a plot, JSON or CSV. All of it is asked of
the service by HTTP, by whoever may read there: the store that it has started itself is nobody
else's.
"""

import json
import re
import shutil
import sys
from argparse import Namespace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from otel_jcmc.command.environment import url_of
from otel_jcmc.command.plot import ASCII, BLOCKS, Point, Signs, plot
from otel_jcmc.command.running_service import PAGE, CannotShow, RunningService, printable
from otel_jcmc.config.settings import Settings
from otel_jcmc.store.sid import began_ms, is_short_sid, short_sid

_is_ago: Final = re.compile(r"\d+[smhd]").fullmatch
# Which range of an interval a metric has, and which end of it is the worst.
_RANGES: Final = {
    "connectionquality": "quality",
    "packetloss_total": "loss",
    "transport_rtt": "round_trip",
}
_TOPS: Final = {"connectionquality": 100.0}


def show(arguments: Namespace, settings: Settings) -> int:
    """Show the sessions of the service that runs with these settings, or of another one."""
    from otel_jcmc.config.settings import to_text

    scheme = "https" if settings.tls_certificate_file else "http"
    url = url_of(scheme, settings.host, settings.port)
    if settings.admin_port is not None:
        url = url_of(scheme, settings.admin_host, settings.admin_port)
    return run(arguments, url, to_text(settings.read_token or ""))


def run(arguments: Namespace, url: str, token: str) -> int:
    """Do what *arguments* say at the service of *url*; return the exit code."""
    # Whatever a terminal can't show of a name must not end in a traceback.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        _run(arguments, RunningService(arguments.url or url, token))
    except CannotShow as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: Namespace, service: RunningService) -> None:
    """Do one of the four things there are to do."""
    if arguments.delete:
        _delete(arguments, service)
    elif arguments.id:
        _show(arguments, service)
    elif arguments.csv:
        raise CannotShow("--csv is of one session: name it by its id")
    else:
        found = _list(arguments, service)
        print(json.dumps({"sessions": found}, indent=1) if arguments.json else _table(found))


def _list(arguments: Namespace, service: RunningService) -> list[dict[str, Any]]:
    """Return the newest sessions that are asked for."""
    query = {
        "conference": arguments.conference,
        "client_id": arguments.client_id,
        "from": _time(arguments.from_),
        "to": _time(arguments.to),
    }
    found: list[dict[str, Any]] = []
    after = None
    while len(found) < arguments.limit:
        limit = min(PAGE, arguments.limit - len(found))
        page = service.read("/sessions", {**query, "limit": limit, "after": after})
        found += page["sessions"]
        after = page["next"]
        if after is None:
            break
    return found


def _time(text: str | None) -> str | None:
    """Return a time as it is asked for; `2h` is `-2h`."""
    return f"-{text}" if text and _is_ago(text) else text


def _table(found: list[dict[str, Any]]) -> str:
    """Return *found* as a table, as wide as the terminal."""
    if not found:
        return "no sessions"
    rows = [("id", "began (UTC)", "lasted", "conference", "participant", "browser", "end")]
    rows += [
        (
            short_sid(each["id"]),
            each["started"][5:16].replace("T", " "),
            _lasted(each["duration_seconds"]),
            printable(each["conference"] or "?"),
            printable(" ".join(filter(None, [each["participant_id"] or "?", _role(each)]))),
            printable(_brief(each["browser"])),
            ", ".join(filter(None, [_end(each), _rating(each)])),
        )
        for each in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sys.stdout.isatty():
        # What people chose for names is cut first.
        beyond = sum(widths) + 2 * len(widths) - 2 - shutil.get_terminal_size().columns
        for column in (3, 4, 5):
            cut = max(0, min(beyond, widths[column] - 8))
            widths[column], beyond = widths[column] - cut, beyond - cut
    lines = (
        "  ".join(f"{cell[:width]:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _end(told: dict[str, Any]) -> str:
    """Return why a session ended, and of a failure its cause; empty: it goes on."""
    # A service of an earlier version tells no cause.
    return ": ".join(filter(None, [told["end_reason"], told.get("end_cause")]))


def _show(arguments: Namespace, service: RunningService) -> None:
    """Show one session."""
    path = f"/sessions/{quote(_find(arguments.id, service), safe='')}"
    if arguments.csv or arguments.json:
        kind = "csv" if arguments.csv else "json"
        sys.stdout.buffer.write(service.ask(path, {"format": kind}))
        return
    told = service.read(path, {"metrics": arguments.metric, "fill": "true"})
    began = told["started"][:19].replace("T", " ")
    end = _end(told) or "goes on"
    participant = " ".join(filter(None, [told["participant_id"], _role(told)]))
    lines = [
        _joined(", ", told["conference"], participant, told["region"]),
        _joined(" on ", told["browser"], told["system"]),
        f"{began} UTC, {_lasted(told['duration_seconds'])}, {end}; {told['samples_count']} samples",
        _summary(told["summary"]),
        _joined(": ", _rating(told), told.get("feedback")),
        "",
        f"{arguments.metric}{_explained(arguments.metric)}",
    ]
    width = shutil.get_terminal_size().columns
    points = _points(told, arguments.metric)
    drawn = plot(points, width, top=_TOPS.get(arguments.metric), signs=_signs())
    print("\n".join([*filter(None, lines[:5]), *lines[5:], *(drawn or ["was never known"])]))


def _role(session: dict[str, Any]) -> str:
    """Return in brackets what a session's page was, empty for an ordinary participant's."""
    # An older service says nothing of it.
    return f"({role})" if (role := session.get("role")) else ""


def _rating(session: dict[str, Any]) -> str:
    """Return how a session was rated, empty if it was not."""
    return f"rated {rating:g}" if (rating := session.get("rating")) else ""


def _find(sid: str, service: RunningService) -> str:
    """
    Return the whole id of a session; *sid* may be its end, as the table has it.

    Raises:
        CannotShow: there is none, or more than one.
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
        # Newest first: what follows had begun before.
        if after is None or began_ms(after) < began_ms(sid):
            break
    if len(found) > 1:
        raise CannotShow(f"there are {len(found)}: {', '.join(found)}")
    return found[0] if found else sid


def _points(told: dict[str, Any], metric: str) -> list[Point]:
    """Return what is drawn of a session: each sample from the one before, unless after a gap."""
    found: list[Point] = []
    which = _RANGES.get(metric)
    before = _seconds(told["started"])
    for sample in told["samples"]:
        value = sample["metrics"][metric]
        if isinstance(value, list):
            value = max((each for each in value if each is not None), default=None)
        ends = [sample[each][which] for each in ("worst", "best")] if which else [None, None]
        known = [each for each in ends if each is not None]
        end = _seconds(sample["time"])
        start = end - told["interval_seconds"] if "gap_seconds" in sample else min(before, end)
        found.append(
            Point(
                start,
                end,
                value,
                min(known, default=None),
                max(known, default=None),
            )
        )
        before = end
    return found


def _seconds(time: str) -> float:
    """Return a time of the service as Unix time."""
    return datetime.fromisoformat(time).timestamp()


def _delete(arguments: Namespace, service: RunningService) -> None:
    """Erase all there is of a client, when it is meant."""
    if not arguments.client_id:
        raise CannotShow("--delete wants --client-id: whose sessions are to be erased")
    if arguments.id or arguments.from_ or arguments.to:
        raise CannotShow("--delete erases all sessions of a client: by --conference at most")
    query = {"client_id": arguments.client_id, "conference": arguments.conference}
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise CannotShow("--delete asks before it erases: --yes where nobody can answer")
        where = f" in {printable(arguments.conference)}" if arguments.conference else ""
        asked = f"Erase all there is of {printable(arguments.client_id)}{where}? [y/N] "
        if input(asked).strip().lower() not in ("y", "yes"):
            raise CannotShow("nothing is erased")
    deleted = service.read("/sessions", query, "DELETE").get("deleted")
    print(f"{deleted} session{'' if deleted == 1 else 's'} erased")


def _summary(summary: dict[str, dict[str, float | None]]) -> str:
    """Return worst and mean of each vital that is known, as a line of 80 characters at most."""
    units = {"quality": "quality {}", "loss": "loss {} %", "round_trip": "round trip {} ms"}
    known = [
        units[name].format(f"{told['worst']:.3g} ({told['mean']:.3g})")
        for name, told in summary.items()
        if told["worst"] is not None and told["mean"] is not None
    ]
    return f"worst (mean): {', '.join(known)}" if known else ""


def _explained(metric: str) -> str:
    """Return what the plot of *metric* shows beside it."""
    signs = _signs()
    return f"  {signs.value} last  {signs.range} worst to best" if metric in _RANGES else ""


def _joined(between: str, *texts: str | None) -> str:
    """Return those of *texts* that there are."""
    return between.join(printable(each) for each in texts if each)


def _brief(browser: str | None) -> str:
    """Return a browser with the first number of its version."""
    return re.sub(r"(\d+)\.[\d.]*$", r"\1", browser or "")


def _lasted(seconds: float) -> str:
    """Return a duration as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes} min"


def _signs() -> Signs:
    """Return what the terminal's encoding has to draw with."""
    try:
        "".join(BLOCKS).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS
