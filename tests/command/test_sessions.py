"""`otel-jcmc sessions`, as a process, with a running service."""

import csv
import io
import json
import os
import pty
import select
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
import redis
from harness import CLIENT_ID, Service
from past import NOON, Past, numbers

from otel_jcmc.command.arguments import _add_sessions
from otel_jcmc.command.parsing import join_times
from otel_jcmc.command.sessions import run
from otel_jcmc.command.tables import lasted_text
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.totals import Totals, VitalTotal
from otel_jcmc.store.embedded import EmbeddedStore

TOKEN = "a-token-for-people-who-read"
WHO = {73: "Windows", 74: "10", 71: "Chrome", 72: "126.0.0.0", 69: "eu-west"}
# Of an hour: ten minutes bad by the uplink; quality 75.3, at worst 10.
TOTALS = Totals(
    [
        VitalTotal(753 * 36_000, 36_000, 6000, 100),
        VitalTotal(100 * 36_000, 36_000, 0, 500),
        VitalTotal(113 * 36_000, 36_000, 0, 180),
    ],
    [(30_000, 0, 0), (6000, 2, 7)],
    [None, None, None],
)
ODD = "evil\x1b[2Jroom"


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Return a Redis for one module, with some sessions."""
    server = EmbeddedStore(tmp_path_factory.mktemp("s", numbered=True) / "r")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        yield Past(client)
    server.stop()


@pytest.fixture(scope="module")
def sid(past: Past) -> str:
    """Return a session of an hour, with a gap of ten minutes, and loss at its end."""
    log = tuple(
        Sample(
            NOON + n * 30_000,
            numbers(f1=90 if n < 100 else 20, f12=1, f13=[30, 50 + n]),
            [80 if n < 100 else 10, 5, 60 + n],
            [95 if n < 100 else 30, 0, 30],
        )
        for n in range(1, 121)
        if not 40 <= n < 60
    )
    end = NOON + 3_600_000
    past.session(NOON - 5000, ODD, participant="bob", last_ms=NOON)
    return past.session(
        NOON,
        "standup",
        last_ms=end,
        ended_ms=end,
        reason="left",
        attributes=WHO,
        log=log,
        totals=TOTALS,
    )


@pytest.fixture(scope="module")
def service(past: Past, sid: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service on it, which has *sid*."""
    assert sid
    path = past.client.connection_pool.connection_kwargs["path"]
    with Service(
        tmp_path_factory.mktemp("s", numbered=True),
        REDIS_URL=f"unix://{path}",
        JCMC_READ_TOKEN=TOKEN,
    ) as running:
        yield running


def sessions(
    service: Service, *arguments: str, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command with *service* as the service of the settings, or at *url*."""
    return subprocess.run(
        [sys.executable, "-m", "otel_jcmc", "sessions", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        cwd=service.folder,
        env={
            **service.environ,
            "JCMC_PORT": service.url.rpartition(":")[2],
            "PYTHONIOENCODING": "utf-8",
            **environ,
        },
        timeout=20,
        check=False,
    )


class Ran(NamedTuple):
    """The result of a command in this process; a process of its own takes half a second."""

    code: int
    out: str
    err: str


@pytest.fixture
def show(service: Service, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Return a function that runs the command."""

    def shown(*arguments: str) -> Ran:
        parser = ArgumentParser()
        _add_sessions(parser)
        code = run(parser.parse_args(join_times([*arguments])), service.url, "")
        return Ran(code, *capsys.readouterr())

    return shown


def test_a_table_has_the_newest_first(service: Service, sid: str) -> None:
    before = f"{NOON - 5000:011x}{sid[-5:]}"
    ran = sessions(service, "--tz", "Europe/Berlin")
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "id                began  conference    who  how          bad/of     qual   loss %  rtt ms",
        f"{sid[-16:]}  13:00  standup       ada  bad: uplink  10m/1:00h  75/10  1/5     113/180",
        f"{before}  12:59  evil\ufffd[2Jroom  bob  expired      -/5s",
        "2 sessions; 2036-03-01, times of Europe/Berlin; mean/worst",
    ]


@pytest.mark.parametrize(
    ("bad", "lasted", "reason", "text"),
    [
        (None, 60.0, "left", "-/1m"),
        (0.0, 60.0, "left", "0/1m"),
        (30.0, 60.0, None, "30s/1m+"),
        # The first push covers ten seconds before the session.
        (20.0, 12.0, "left", "12s/12s"),
    ],
)
def test_nobody_is_bad_for_longer_than_he_was_there(
    bad: float | None, lasted: float, reason: str | None, text: str
) -> None:
    seconds = {"bad": bad} if bad is not None else None
    told = {"seconds": seconds, "duration_seconds": lasted, "end_reason": reason}
    assert lasted_text(told) == text


def test_filters_are_flags(show: Callable[..., Ran]) -> None:
    for arguments, count in (
        (["--conference", "STAND"], 1),
        (["--participant", "bo"], 1),
        (["--browser", "chrome 126"], 1),
        (["--region", "eu-west"], 1),
        (["--end", "left"], 1),
        (["--end", "expired"], 1),
        (["--state", "bad"], 1),
        (["--cause", "uplink", "--state", "bad", "--conference", "up"], 1),
        (["--cause", "downlink"], 0),
        (["--sort", "worst"], 2),
        (["--from", "2036-03-01 13:30", "--tz", "Europe/Berlin"], 1),
        (["--from", "2036-03-01 12:00", "--to", "2036-03-01", "--tz", "Europe/Berlin"], 2),
        (["--client-id", CLIENT_ID], 2),
        (["--client-id", "x"], 0),
        (["--from", "2036-03-01T12:30:00Z"], 1),
        (["--from", "-2h"], 2),
        (["--to", "-2h"], 0),
        (["--to", "2h"], 0),
        (["--to", "2087985595"], 1),
        (["--limit", "1"], 1),
    ):
        assert len(json.loads(show(*arguments, "--json").out)["sessions"]) == count, arguments
    assert show("--client-id", "x").out == "no sessions\n"


def test_one_session_is_drawn_in_80_columns(service: Service, sid: str) -> None:
    ran = sessions(service, sid)
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[:7] == [
        "standup, ada, eu-west",
        "Chrome 126.0.0.0 on Windows 10",
        "2036-03-01 12:00:00 UTC, 1:00 h, left; 100 samples",
        "the call was bad, cause: uplink, scope: participant, bad for 10 min",
        "worst (mean): quality 10 (75.3), loss 5 (1) %, round trip 180 (113) ms",
        "",
        "connectionquality  █ last  ░ worst to best",
    ]
    assert max(map(len, lines[7:])) == 80
    assert lines[7].startswith("100 ┤")
    assert lines[-1].split() == ["12:00", "12:30", "13:00"]
    # Ten minutes of an hour are unknown.
    axis = lines[-2].strip().removeprefix("└")
    assert 11 <= axis.count(" ") <= 14
    assert set(axis) == {"─", " "}


def test_who_rated_a_call_and_who_was_no_ordinary_participant(
    show: Callable[..., Ran], past: Past
) -> None:
    rated = past.session(
        NOON - 7_200_000,
        "lecture",
        participant="eve",
        ended_ms=NOON - 7_000_000,
        reason="left",
        attributes={96: "visitor"},
    )
    base = past.base(rated)
    past.client.hset(f"{base}session:{rated}", "word", "2 choppy\x1b[2J, then nothing")
    _, line, _ = show("--conference", "lecture").out.splitlines()
    said = show(rated).out.splitlines()
    past.client.zrem(f"{base}sessions", rated)
    assert "  eve (visitor)  " in line
    assert "  left, rated 2  " in line
    assert said[0] == "lecture, eve (visitor)"
    assert "rated 2: choppy\ufffd[2J, then nothing" in said


def test_a_failure_is_shown_with_its_cause(show: Callable[..., Ran], past: Past) -> None:
    """In a conference of its own, long before the others, which are counted."""
    began = NOON - 86_400_000
    failed = past.session(began, "never", "x", ended_ms=began + 4000, reason="failed")
    key = f"{past.base(failed)}session:{failed}"
    try:
        past.client.hset(key, "cause", "ice_failed")
        assert "  failed: ice_failed  -/4s" in show("--conference", "never").out.splitlines()[1]
        assert "4 s, failed: ice_failed; 0 samples" in show(failed).out
    finally:
        past.client.zrem(f"{past.base(failed)}sessions", failed)


def test_the_end_of_an_id_is_enough(show: Callable[..., Ran], sid: str) -> None:
    assert show(sid[-16:]) == show(sid)
    assert "standup, ada" in show(sid).out


def test_where_blocks_can_not_be_shown_there_are_other_signs(service: Service, sid: str) -> None:
    ran = sessions(service, sid, PYTHONIOENCODING="ascii")
    assert ran.returncode == 0
    assert ran.stdout.isascii()
    assert "connectionquality  * last  : worst to best" in ran.stdout


@pytest.mark.parametrize("metric", ["packetloss_total", "transport_rtt"])
def test_another_metric_is_drawn(show: Callable[..., Ran], sid: str, metric: str) -> None:
    ran = show(sid, "--metric", metric)
    assert f"{metric}  █ last" in ran.out
    assert "█" in ran.out.partition("best\n")[2]


def test_a_metric_that_was_never_known_is_told_so(show: Callable[..., Ran], sid: str) -> None:
    assert show(sid, "--metric", "freezes").out.endswith("\nfreezes\nwas never known\n")


def test_json_and_csv_are_those_of_the_service(service: Service, sid: str) -> None:
    assert json.loads(sessions(service, sid, "--json").stdout) == json.loads(
        service.get(f"/sessions/{sid}").body
    )
    rows = list(csv.DictReader(io.StringIO(sessions(service, sid, "--csv").stdout)))
    assert len(rows) == 100
    assert rows[-1]["connectionquality"] == "20.0"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["f" * 48], "no such session, or history no longer has it"),
        (["f" * 16], "no such session, or history no longer has it"),
        (["f" * 48, "--jsonl"], "--jsonl prints a list: for one session give --json or --csv"),
        (["--from", "soon"], "400 from must be a time: 14:00, yesterday 14:00, yesterday,"),
        (["--from", "14:00", "--tz", "Mars"], "--tz must be a time zone: Europe/Berlin,"),
        (["--state", "awful"], "400 state must be good, fair, bad or unknown"),
        (["x", "--metric", "y"], "400 metrics must be some of connectionquality,"),
        (["--delete"], "--delete needs --client-id, the client that it erases"),
        (["--delete", "--client-id", "x"], "--delete asks on a terminal before it erases"),
        (["--delete", "--client-id", "x", "--from", "-2h", "--yes"], "--delete erases everything"),
        (
            ["--url", "http://127.0.0.1:1"],
            "no answer from http://127.0.0.1:1: start the service",
        ),
        (["--url", "ftp://x"], "--url: ftp://x is not an http:// or https:// address"),
    ],
)
def test_what_can_not_be_is_one_line(
    show: Callable[..., Ran], arguments: list[str], line: str
) -> None:
    ran = show(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("otel-jcmc: ")
    assert line in ran.err
    assert len(ran.err.splitlines()) == 1


def test_the_port_that_is_not_for_browsers_is_asked_if_there_is_one(short_path: Path) -> None:
    with Service(short_path, JCMC_ADMIN_PORT="0") as split:
        port = split.admin_url.rpartition(":")[2]
        assert sessions(split, JCMC_ADMIN_PORT=port).stdout == "no sessions\n"


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[str]]]:
    """Return the address of one answer, and the heads that come."""
    heads: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            near, _ = listener.accept()
            with near:
                heads.append(near.recv(65_536).decode())
                near.sendall(answer)

        thread = Thread(target=work)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        thread.join()


def test_the_token_of_the_settings_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """To a service that does not demand one."""
    with answering(b"HTTP/1.1 401 No\r\ncontent-length: 5\r\n\r\nnever") as (url, heads):
        parser = ArgumentParser()
        _add_sessions(parser)
        assert run(parser.parse_args([]), url, TOKEN) == 1
    assert f"authorization: Bearer {TOKEN}\r\n" in heads[0]
    assert capsys.readouterr().err == f"otel-jcmc: {url}: 401 never\n"


def test_what_answers_and_is_something_else_is_told_so(show: Callable[..., Ran]) -> None:
    with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]") as (url, _):
        assert show("--url", url).err == f"otel-jcmc: {url} is not otel_jcmc\n"


def test_a_client_is_erased_without_a_question_when_told_so(
    show: Callable[..., Ran], past: Past
) -> None:
    past.session(NOON, "erase", client_id="some-client")
    ran = show("--delete", "--client-id", "some-client", "--yes")
    assert (ran.code, ran.out) == (0, "1 session erased\n")


@pytest.mark.parametrize(("said", "left"), [("y\n", 0), ("\n", 1)])
def test_a_client_is_erased_when_the_question_is_answered(
    service: Service, past: Past, said: str, left: int
) -> None:
    client_id = f"client-{len(said)}-{left}"
    past.session(NOON, "erase", client_id=client_id)
    ours, theirs = pty.openpty()
    environ = {**service.environ, "JCMC_PORT": service.url.rpartition(":")[2]}
    command = [sys.executable, "-m", "otel_jcmc", "sessions", "--delete", "--client-id", client_id]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=service.folder, env=environ
    ) as process:
        os.close(theirs)
        shown = ""
        while "[y/N]" not in shown:
            assert select.select([ours], [], [], 15)[0]
            shown += os.read(ours, 4096).decode()
        assert f"Erase everything of {client_id}?" in shown
        os.write(ours, said.encode())
        assert process.wait(timeout=15) == left
    os.close(ours)
    found = service.get(f"/sessions?client_id={client_id}").json()["sessions"]
    assert len(found) == left
