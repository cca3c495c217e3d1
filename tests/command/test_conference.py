"""`otel-jcmc conference`, and `sessions` for many at once, with a running service."""

import csv
import io
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import Service
from past import NOON, Past, numbers

from otel_jcmc.command import conference, sessions, zone
from otel_jcmc.command.arguments import _add_conference, _add_sessions
from otel_jcmc.command.bars import ASCII_BARS, BARS, bar
from otel_jcmc.command.parsing import join_times
from otel_jcmc.command.progress import Progress
from otel_jcmc.command.tables import columns, without_empty
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Push
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.sessions.totals import Totals, VitalTotal
from otel_jcmc.store.embedded import EmbeddedStore

MINUTE = 60_000
DOWNLINK = 2
Shown = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with a conference of two, one of them bad, and others by that name."""
    server = EmbeddedStore(tmp_path_factory.mktemp("s", numbered=True) / "r")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        _fill(Past(client))
        path = client.connection_pool.connection_kwargs["path"]
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, REDIS_URL=f"unix://{path}") as running:
        yield running
    server.stop()


def _fill(past: Past) -> None:
    """Write the participants."""

    def minute(n: int, state: int, cause: int = 0) -> Sample:
        at = NOON + n * MINUTE
        pushes = [Push(at - ago, state, cause) for ago in range(50_000, -1, -10_000)]
        stretches = [Stretch(600, state, cause)]
        return Sample(at, numbers(f1=90), stretches=stretches, pushes=pushes)

    end = NOON + 10 * MINUTE
    for later_ms, who, log, bad in (
        (0, "ann", [minute(n, 2 if n in (5, 6) else 0, DOWNLINK) for n in range(1, 11)], 1200),
        (1, "b\x1bb", [minute(n, 0) for n in range(1, 6)], 0),
    ):
        vitals = [VitalTotal(90 * 60_000, 6000, bad, 200), VitalTotal(), VitalTotal()]
        times = [(6000 - bad, 0, 0), (bad, 2, DOWNLINK)]
        past.session(
            NOON + later_ms,
            "board",
            participant=who,
            last_ms=end,
            ended_ms=end,
            reason="left",
            attributes={69: "eu"},
            log=tuple(log),
            totals=Totals(vitals, [each for each in times if each[0]], [None] * 3),
        )
    for n in range(60):
        past.session(NOON - 90 * MINUTE - n, f"keyboard-{n % 2}", participant=f"p{n}")


@pytest.fixture
def show(service: Service, capsys: pytest.CaptureFixture[str]) -> Shown:
    """Return a function that runs one of the two commands."""

    def shown(command: str, *arguments: str) -> tuple[int, str, str]:
        parser = ArgumentParser()
        of = {"conference": (_add_conference, conference), "sessions": (_add_sessions, sessions)}
        add, module = of[command]
        add(parser)
        code = module.run(parser.parse_args(join_times([*arguments])), service.url, "")
        return code, *capsys.readouterr()

    return shown


def test_a_meeting_is_a_bar_for_each_of_its_people(show: Shown) -> None:
    code, out, err = show("conference", "board", "--at", "2036-03-01 12:05", "--tz", "UTC")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "board, 2036-03-01 12:00:00 to 12:10:00 UTC, 10 min, 2 sessions"
    assert lines[1].split() == ["12:00:00", "v", "12:10:00"]
    ann, bob = lines[2:4]
    assert ann.startswith("ann  eu  bad: downlink  ")
    assert bob.startswith("b\ufffdb  eu  good")
    assert max(map(len, lines)) <= 100
    bars = [line[len("ann  eu  bad: downlink  ") - 1 :] for line in (ann, bob)]
    # Two of ten minutes; one was there for only five of them.
    assert bars[0].count("█") / len(bars[0]) == pytest.approx(0.2, abs=0.04)
    assert len(bars[1]) / len(bars[0]) == pytest.approx(0.5, abs=0.03)
    assert set(bars[1].strip()) == {"▁"}
    assert lines[4] == "▁ good  ▄ fair  █ bad  ░ not known  blank: absent"
    assert lines[5] == "nothing stood out that these participants share"


def test_a_part_of_a_name_is_enough_where_one_has_it(show: Shown) -> None:
    at = ("--at", "2036-03-01T12:05:00Z")
    assert show("conference", "BOAR", *at)[1].startswith("board, ")
    assert json.loads(show("conference", "boa", *at, "--json")[1])["people_count"] == 2


def test_where_several_have_it_they_are_listed(show: Shown) -> None:
    code, out, _ = show("conference", "board-", "--at", "2036-03-01T12:05:00Z")
    assert code == 0
    assert out.splitlines() == [
        "2 conferences: name one of them",
        "  keyboard-0  30 sessions",
        "  keyboard-1  30 sessions",
    ]


def test_where_none_has_it_that_is_told(show: Shown) -> None:
    code, out, err = show("conference", "nobody")
    assert (code, out) == (1, "")
    assert "404 history has no such conference at that time or before" in err


def test_a_list_says_that_there_are_more_and_how_to_go_on(show: Shown) -> None:
    out = show("sessions", "--conference", "key", "--limit", "3")[1].splitlines()
    assert len(out) == 6
    assert out[-1] == "more sessions match: --limit 30, or --csv for all"
    assert "more" not in show("sessions", "--conference", "board", "--limit", "62")[1]


def test_all_that_are_found_are_written_as_lines(
    service: Service, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for flag in ("--csv", "--jsonl"):
        parser = ArgumentParser()
        _add_sessions(parser)
        arguments = parser.parse_args(["--conference", "keyboard", flag])
        assert sessions.run(arguments, service.url, "") == 0
        sys.stdout.flush()
        out, err = (each.decode() for each in capfdbinary.readouterr())
        assert err == ""
        rows: Iterable[Any] = map(json.loads, out.splitlines())
        if flag == "--csv":
            rows = csv.DictReader(io.StringIO(out))
        assert {row["participant_id"] for row in rows} == {f"p{n}" for n in range(60)}


def test_a_bar_has_the_worst_of_each_piece() -> None:
    bands = [(0.0, 40.0, "good"), (40.0, 41.0, "bad"), (41.0, 50.0, "fair"), (80.0, 100.0, "good")]
    assert bar(bands, 0, 100, 10, ASCII_BARS) == "----#   --"
    assert bar(bands, 0, 100, 100, BARS)[39:42] == "▁█▄"
    assert bar([(0.0, 0.0, "unknown")], 0, 10, 5, ASCII_BARS) == "?"
    assert bar([], 0, 10, 5, ASCII_BARS) == ""
    painted = bar(bands[1:2], 40, 41, 2, ASCII_BARS, is_coloured=True)
    assert painted == "\x1b[31m#\x1b[0m" * 2


def test_the_zone_is_the_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert zone.zone_of(None)[0] == "Europe/Berlin"
    monkeypatch.delenv("TZ")
    assert zone._machine_zone(link) == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "EST5EDT4,M3")
    assert zone._machine_zone(link) in ("+0000", "-0500", "-0400")


def test_no_progress_is_drawn_where_errors_go_to_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Progress(10, "sessions")
    progress.show(5)
    progress.end()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    progress = Progress(10, "sessions")
    progress.show(5)
    progress.end()
    half = "[###############...............] 5 of 10 sessions"
    assert capsys.readouterr().err == f"\r{half}\r\x1b[K"


def test_a_table_cuts_names_first_and_leaves_out_what_says_nothing() -> None:
    rows = [("id", "conference", "empty", "how"), ("1", "a-very-long-name", "", "bad: uplink")]
    told = without_empty(rows)
    assert told[0] == ["id", "conference", "how"]
    assert columns(told, (1,), 80).splitlines()[1] == "1   a-very-long-name  bad: uplink"
    assert columns(told, (1,), 28).splitlines()[1] == "1   a-very-long  bad: uplink"
    # On an even narrower terminal.
    assert columns(told, (1,), 18).splitlines()[1] == "1   a-very-l  bad:"
