"""
Shows all participants of a conference over time, for `otel-jcmc conference NAME --at TIME`.

The input is the arguments. The output is a line for each participant, with a bar that shows how the
call was at each time, and below them the things that stood out. NAME may be only a part of the
name; if several conferences match, their names are listed.
"""

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, Final
from urllib.parse import quote

from otel_jcmc.command.asking import ask_at, ask_service
from otel_jcmc.command.bars import bar, has_colours, legend, signs_here
from otel_jcmc.command.running_service import PAGE, RunningService, printable
from otel_jcmc.command.tables import columns, lasted, local_time, verdict_text, who_text, width
from otel_jcmc.command.zone import zone_of
from otel_jcmc.config.settings import Settings

# In characters: the longest name and the longest verdict shown, and the shortest bar.
_LONGEST_NAME, _LONGEST_HOW, _LEAST_BAR = 16, 25, 20
_AT: Final = "%H:%M:%S"


def show(arguments: Namespace, settings: Settings) -> int:
    """Show a conference of the service at --url, or of the service in *settings*."""
    return ask_service(_run, arguments, settings)


def run(arguments: Namespace, url: str, token: str) -> int:
    """Show the conference in *arguments*, from the service at *url*; return the exit code."""
    return ask_at(_run, arguments, url, token)


def _run(arguments: Namespace, service: RunningService) -> None:
    """Show the conference whose name matches; if several match, list their names."""
    name, zone = zone_of(arguments.tz)
    query = {"at": arguments.at, "tz": name if arguments.at else None}
    found = _named(arguments.name, query, service)
    if len(found) > 1:
        print("\n".join(_choices(found)))
        return
    conference = next(iter(found), arguments.name)
    told = service.read(f"/conferences/{quote(conference, safe='')}", query)
    if arguments.json:
        print(json.dumps(told, indent=1))
    else:
        print("\n".join(_lines(told, zone)))


def _named(part: str, query: dict[str, Any], service: RunningService) -> Counter[str]:
    """
    Return name -> number of sessions, for the conferences with *part* in their names.

    These are the conferences at the time in *query*; if there was none, those before that time.
    """
    at, tz = query["at"] or "now", query["tz"]
    for times in ({"from": at, "to": at}, {"to": at}):
        asked = {"conference": part, "tz": tz, "limit": PAGE, **times}
        page = service.read("/sessions", asked)["sessions"]
        found = Counter(each["conference"] for each in page if each["conference"])
        if part in found:
            return Counter({part: found[part]})
        if found:
            return found
    return Counter()


def _choices(found: Counter[str]) -> Iterator[str]:
    """Return lines that list the conferences that match, for the user to choose one."""
    yield f"{len(found)} conferences: name one of them"
    for name, count in found.most_common():
        yield f"  {printable(name)}  {count} session{'' if count == 1 else 's'}"


def _lines(told: dict[str, Any], zone: tzinfo) -> Iterator[str]:
    """Return the lines to print about the conference in *told*, the service's answer."""
    start, end = (datetime.fromisoformat(told[each]).timestamp() for each in ("from", "to"))
    count = told["people_count"]
    until = "now" if told["goes_on"] else local_time(told["to"], zone, f"{_AT} %Z")
    yield (
        f"{printable(told['conference'])}, {local_time(told['from'], zone, f'%Y-%m-%d {_AT}')}"
        f" to {until}, {lasted(end - start)}, {count} session{'' if count == 1 else 's'}"
    )
    rows = [_row(each) for each in told["people"]]
    names = columns(rows, (0, 1, 2), max(_LEAST_BAR, width() - _LEAST_BAR - 2)).split("\n")
    margin = max(map(len, names), default=0) + 1
    room = max(_LEAST_BAR, width() - margin - 1)
    signs, is_coloured = signs_here(), has_colours()
    yield f"{'':{margin}} {_axis(told, zone, room)}"
    for text, each in zip(names, told["people"], strict=True):
        bands = [(band[0], band[1], band[2]) for band in each["bands"]]
        drawn = bar(bands, 0, max(end - start, 1), room, signs, is_coloured=is_coloured)
        yield f"{text:<{margin}} {drawn}".rstrip()
    if count > len(rows):
        yield f"and {count - len(rows)} more"
    yield legend(signs)
    yield from _stood_out(told["stood_out"], zone)


def _row(each: dict[str, Any]) -> tuple[str, str, str]:
    """Return a participant's name, bridge or region, and verdict; long texts are shortened."""
    scope = (each.get("verdict") or {}).get("scope")
    how = ", ".join(filter(None, [verdict_text(each), scope if scope != "participant" else ""]))
    place = printable(each["bridge"] or each["region"] or "")
    return who_text(each)[:_LONGEST_NAME], place[:_LONGEST_NAME], how[:_LONGEST_HOW]


def _axis(told: dict[str, Any], zone: tzinfo, room: int) -> str:
    """Return a line with the times at both ends of the bars, and a `v` at the time of --at."""
    first, last = (local_time(told[each], zone, _AT) for each in ("from", "to"))
    if room < len(first) + len(last) + 1:
        return first
    cells = list(f"{first}{last:>{room - len(first)}}")
    start, end, at = (
        datetime.fromisoformat(told[each]).timestamp() for each in ("from", "to", "at")
    )
    if start <= at <= end:
        cell = min(room - 1, int((at - start) / max(end - start, 1) * room))
        if cells[cell] == " ":
            cells[cell] = "v"
    return "".join(cells)


def _stood_out(entries: list[dict[str, Any]], zone: tzinfo) -> Iterator[str]:
    """Return a line for each thing that stood out during the conference."""
    if not entries:
        yield "nothing stood out in what these participants share"
        return
    yield "what stood out:"
    for each in entries:
        onset, end = (local_time(each[name], zone, _AT) for name in ("onset", "end"))
        name = f" {printable(each['name'])}" if each["name"] else ""
        yield f"  {onset} to {end}  {each['scope']}{name}, {100 * each['share']:.0f} % bad"
