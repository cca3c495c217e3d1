"""
`otel-jcmc sessions`: sessions of a running service on the terminal.

In go the arguments, out come a table, one session with a plot, JSON or CSV. All of it is asked of
the service by HTTP, by whoever may read there: the store that it has started itself is nobody
else's. Called by __main__.py.
"""

import json
import re
import shutil
import ssl
import sys
from argparse import Namespace
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from otel_jcmc.command.environment import url_of
from otel_jcmc.command.plot import ASCII, BLOCKS, Point, Signs, plot
from otel_jcmc.config.settings import Settings
from otel_jcmc.store.sid import began_ms, is_short_sid, short_sid
from otel_jcmc.version import __version__

SECONDS: Final = 30
PAGE: Final = 500
_is_ago: Final = re.compile(r"\d+[smhd]").fullmatch
# Which range of an interval a metric has, and which end of it is the worst.
_RANGES: Final = {
    "connectionquality": "quality",
    "packetloss_total": "loss",
    "transport_rtt": "round_trip",
}
_TOPS: Final = {"connectionquality": 100.0}


class CannotShow(Exception):
    """What was asked for can't be had; the message is one line."""


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
        _run(arguments, _RunningService(arguments.url or url, token))
    except CannotShow as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: Namespace, service: "_RunningService") -> None:
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


class _RunningService:
    """A running service, asked by HTTP."""

    def __init__(self, url: str, token: str) -> None:
        """Ask at *url*, with *token* if there is one."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CannotShow(f"--url: {url} is no http:// or https:// address")
        self.url = url.rstrip("/")
        self._headers = {"user-agent": f"otel-jcmc/{__version__}"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def ask(self, path: str, query: dict[str, Any], method: str = "GET") -> bytes:
        """
        Return the body of the answer.

        Raises:
            CannotShow: there is none, or it is a refusal.
        """
        parts = urlsplit(self.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        told = urlencode({name: each for name, each in query.items() if each is not None})
        connection = kind(parts.netloc, timeout=SECONDS)
        try:
            connection.request(method, f"{parts.path}{path}?{told}", headers=self._headers)
            answer = connection.getresponse()
            body = answer.read()
        except ssl.SSLError as error:
            raise CannotShow(f"{self.url}: {error.reason}") from None
        except (OSError, HTTPException):
            raise CannotShow(
                f"nobody answers at {self.url}: start it with `otel-jcmc serve`, or say with --url"
                " where it is"
            ) from None
        finally:
            connection.close()
        if answer.status != 200:
            first = _shown(body.decode(errors="replace").partition("\n")[0])
            raise CannotShow(f"{self.url}: {answer.status} {first}")
        return body

    def read(self, path: str, query: dict[str, Any], method: str = "GET") -> dict[str, Any]:
        """
        Return the answer, which is JSON.

        Raises:
            CannotShow: it is none.
        """
        try:
            told = json.loads(self.ask(path, query, method))
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise CannotShow(f"{self.url} is not otel_jcmc")
        return told


def _list(arguments: Namespace, service: _RunningService) -> list[dict[str, Any]]:
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
            _shown(each["conference"] or "?"),
            _shown(each["participant_id"] or "?"),
            _shown(_brief(each["browser"])),
            each["end_reason"] or "",
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


def _show(arguments: Namespace, service: _RunningService) -> None:
    """Show one session."""
    path = f"/sessions/{quote(_find(arguments.id, service), safe='')}"
    if arguments.csv or arguments.json:
        kind = "csv" if arguments.csv else "json"
        sys.stdout.buffer.write(service.ask(path, {"format": kind}))
        return
    told = service.read(path, {"metrics": arguments.metric, "fill": "true"})
    began = told["started"][:19].replace("T", " ")
    end = told["end_reason"] or "goes on"
    lines = [
        _joined(", ", told["conference"], told["participant_id"], told["region"]),
        _joined(" on ", told["browser"], told["system"]),
        f"{began} UTC, {_lasted(told['duration_seconds'])}, {end}; {told['samples_count']} samples",
        _summary(told["summary"]),
        "",
        f"{arguments.metric}{_explained(arguments.metric)}",
    ]
    width = shutil.get_terminal_size().columns
    points = _points(told, arguments.metric)
    drawn = plot(points, width, top=_TOPS.get(arguments.metric), signs=_signs())
    print("\n".join([*filter(None, lines[:4]), *lines[4:], *(drawn or ["was never known"])]))


def _find(sid: str, service: _RunningService) -> str:
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


def _delete(arguments: Namespace, service: _RunningService) -> None:
    """Erase all there is of a client, when it is meant."""
    if not arguments.client_id:
        raise CannotShow("--delete wants --client-id: whose sessions are to be erased")
    if arguments.id or arguments.from_ or arguments.to:
        raise CannotShow("--delete erases all sessions of a client: by --conference at most")
    query = {"client_id": arguments.client_id, "conference": arguments.conference}
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise CannotShow("--delete asks before it erases: --yes where nobody can answer")
        where = f" in {_shown(arguments.conference)}" if arguments.conference else ""
        asked = f"Erase all there is of {_shown(arguments.client_id)}{where}? [y/N] "
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
    return between.join(_shown(each) for each in texts if each)


def _brief(browser: str | None) -> str:
    """Return a browser with the first number of its version."""
    return re.sub(r"(\d+)\.[\d.]*$", r"\1", browser or "")


def _lasted(seconds: float) -> str:
    """Return a duration as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes} min"


def _shown(text: str) -> str:
    """Return *text* without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _signs() -> Signs:
    """Return what the terminal's encoding has to draw with."""
    try:
        "".join(BLOCKS).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS
