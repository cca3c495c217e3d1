"""The command line: its help, its answers to wrong words, its exit codes."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest
from harness import Service, push_body

from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.command.arguments import make_parser
from otel_jcmc.command.parsing import parse
from otel_jcmc.config.settings import Settings

COMMANDS = (
    *("serve", "check", "doctor", "catalogue", "simulate"),
    *("sessions", "summary", "conference"),
)


def ran(
    *words: str, folder: Path | None = None, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command with *words* in *folder*."""
    return subprocess.run(
        [sys.executable, "-m", "otel_jcmc", *words],
        env=os.environ | environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def parsed(words: list[str]) -> Any:
    """Return the arguments in *words*."""
    return parse(*make_parser(), words)


def help_of(name: str) -> str:
    """Return the help of a command, with each option on one line."""
    _, commands = make_parser()
    return re.sub(r"\n {6,}", " ", commands[name].format_help())


# Help


def test_every_command_is_in_the_help_and_in_the_docs() -> None:
    parser, commands = make_parser()
    assert set(commands) == {*COMMANDS, "export"}
    shown = re.findall(r"^    ([a-z]+)\s+\S", parser.format_help(), re.MULTILINE)
    assert shown == list(COMMANDS)
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `otel-jcmc ([a-z]+)` \|", page, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    lines = re.findall(r"^  (-.*|id .*|name .*)$", help_of(name), re.MULTILINE)
    assert lines
    for line in lines:
        assert re.search(r" {2,}\S.{3,}", line), line


def examples_of(parser: ArgumentParser) -> list[str]:
    """Return the examples in a help, without their comments."""
    shown = re.findall(r"^  (.*?otel-jcmc .*)$", parser.epilog or "", re.MULTILINE)
    return [re.sub(r" +#.*", "", each) for each in shown]


def test_every_example_of_a_help_can_be_typed() -> None:
    parser, commands = make_parser()
    tried = set()
    for each in (parser, *(commands[name] for name in COMMANDS)):
        examples = [line for line in examples_of(each) if "COMMAND" not in line]
        assert examples, each.prog
        for line in examples:
            words = shlex.split(re.split(r" [|>] ", line)[0])
            after = words[words.index("otel-jcmc") + 1 :]
            assert parsed(after).command == after[0]
            tried.add(after[0])
    assert tried == set(COMMANDS)


# Wrong words


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sesions", "otel-jcmc: error: there is no command sesions: is sessions meant?"),
        ("chekc", "otel-jcmc: error: there is no command chekc: is check meant?"),
        ("help", "otel-jcmc: error: there is no command help: is --help meant?"),
        # Nobody types the arguments of processes that serve starts.
        ("exprot", "otel-jcmc: error: there is no command exprot"),
        ("--vresion", "otel-jcmc: error: there is no option --vresion: is --version meant?"),
        (
            "sessions --conferance standup",
            "otel-jcmc sessions: error: there is no option --conferance: is --conference meant?",
        ),
        (
            "simulate --partcipants=3",
            "otel-jcmc simulate: error: there is no option --partcipants: is --participants meant?",
        ),
        ("serve --xyzzy", "otel-jcmc serve: error: there is no option --xyzzy"),
        ("check all", "otel-jcmc check: error: too many arguments: all"),
        (
            "summary --by bridg",
            (
                "otel-jcmc summary: error: argument --by: bridg is not one of region, bridge,"
                " browser, network, relay, end, sender: is bridge meant?"
            ),
        ),
        (
            "summary --per wek",
            (
                "otel-jcmc summary: error: argument --per: wek is not one of day, week, all:"
                " is week meant?"
            ),
        ),
        ("simulate --for long", "otel-jcmc simulate: error: argument --for: long is not a number"),
        (
            "simulate --participants 2.5",
            "otel-jcmc simulate: error: argument --participants: 2.5 is not a whole number",
        ),
        (
            "sessions --limit many",
            "otel-jcmc sessions: error: argument --limit: many is not a whole number",
        ),
        ("sessions --limit -1", "otel-jcmc sessions: error: argument --limit: -1 is less than 1"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(shlex.split(line))
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--state", "god"], "state must be good, fair, bad or unknown; is good meant?"),
        (["--cause", "uplnik"], "; is uplink meant?"),
        (["--end", "expird"], "; is expired meant?"),
        (["--sort", "wrost"], "sort must be newest or worst; is worst meant?"),
    ],
)
def test_so_is_a_wrong_word_that_the_service_is_asked_by(
    shared_service: Service, words: list[str], told: str
) -> None:
    asked = ran("sessions", "--url", shared_service.url, *words)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.endswith(f"{told}\n")


def test_so_is_a_story() -> None:
    told = ran("simulate", "--story", "brigde")
    assert told.returncode == 1
    assert told.stderr.endswith("; is bridge meant?\n")


# Exit codes


def test_the_exit_codes_are_those_of_the_help() -> None:
    shown = ran("--help")
    told = re.findall(r"^  (\d+) +\S", shown.stdout.partition("exit codes:")[2], re.MULTILINE)
    assert told == ["0", "1", "2", "130"]
    assert shown.returncode == 0
    assert ran("check", JCMC_PORT="many").returncode == 1
    assert ran("sessions", "--url", "http://127.0.0.1:1").returncode == 1
    assert ran("check", "--jsn").returncode == 2
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        # Processes that a shell starts in the background ignore Ctrl-C, and so do their children.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        waiting = subprocess.Popen([sys.executable, "-m", "otel_jcmc", "sessions", "--url", url])
        signal.signal(signal.SIGINT, before)
        asked, _ = silent.accept()
        with asked:
            asked.recv(1)
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(timeout=30) == 130


# JSON


def test_the_catalogue_as_json_is_the_table() -> None:
    told = json.loads(ran("catalogue", "--json").stdout)["metrics"]
    assert len(told) == len(METRICS)
    quality = next(each for each in told if each["field"] == "connectionquality")
    assert quality == {
        "id": 1,
        "field": "connectionquality",
        "unit": "score",
        "minimum": 0,
        "maximum": 100,
        "otel_name": "jitsi.client.connection.quality",
        "otel_unit": "{score}",
    }


def test_check_as_json_says_the_same(tmp_path: Path) -> None:
    environ = {
        "JCMC_PORT": "4000",
        "OTEL_METRICS_EXPORTER": "otlp",
        "JCMC_SCRAPE_TOKEN": "hunter2hunter2hunter2",
    }
    asked = ran("check", "--json", folder=tmp_path, **environ)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "hunter2" not in asked.stdout
    told = json.loads(asked.stdout)
    settings = {each["name"]: each for each in told["settings"]}
    assert len(settings) == len(Settings.model_fields)
    assert settings["JCMC_PORT"] == {"name": "JCMC_PORT", "value": "4000", "is_set": True}
    assert settings["JCMC_HOST"]["is_set"] is False
    assert [note[:40] for note in told["notes"]] == ["a Collector's prometheus exporter should"]
    lines = ran("check", folder=tmp_path, **environ).stdout.splitlines()
    assert told["about"] == [line.removeprefix("# ") for line in lines if line.startswith("#")]


# Which settings, and which service


def test_check_says_whose_settings_it_shows(tmp_path: Path) -> None:
    told = (
        "# these are the settings of this shell and of {}: a running service keeps the"
        " settings that it was started with"
    )
    assert ran("check", folder=tmp_path).stdout.splitlines()[-1] == told.format(
        f"no {tmp_path}/.env"
    )
    (tmp_path / ".env").write_text("JCMC_PORT=4000\n")
    assert ran("check", folder=tmp_path).stdout.splitlines()[-1] == told.format(f"{tmp_path}/.env")


ONE_PUSH = ("--participants", "2", "--conferences", "1", "--for", "0.5")


@pytest.mark.parametrize("by_file", [True, False])
def test_simulate_asks_the_service_of_the_settings_here(
    short_path: Path, tmp_path: Path, *, by_file: bool
) -> None:
    with Service(short_path, JCMC_ADMIN_PORT="0") as service:
        environ = {
            "JCMC_HOST": "127.0.0.1",
            "JCMC_PORT": service.url.rpartition(":")[2],
            "JCMC_ADMIN_PORT": service.admin_url.rpartition(":")[2],
        }
        if by_file:
            lines = [f"{name}={text}\n" for name, text in environ.items()]
            (tmp_path / ".env").write_text("".join(lines))
            environ = {}
        told = ran("simulate", *ONE_PUSH, folder=tmp_path, **environ)
    assert told.returncode == 0, told.stdout + told.stderr


def test_a_url_is_the_same_for_whoever_pushes_and_whoever_reads(shared_service: Service) -> None:
    shared_service.push(push_body("urlurl00", "one-url"))
    for url in (shared_service.url, f"{shared_service.url}/"):
        assert ran("simulate", *ONE_PUSH, "--url", url).returncode == 0
        read = ran("sessions", "--conference", "one-url", "--json", "--url", url)
        assert json.loads(read.stdout)["sessions"]
    # A past conference, too.
    assert ran("simulate", *ONE_PUSH, "--url", f"{shared_service.url}/metrics/push").returncode == 0


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:3000", "/metrics/push"),
        ("http://127.0.0.1:3000/", "/metrics/push"),
        ("https://meet.example.org/metrics-collector", "/metrics-collector/metrics/push"),
        ("https://meet.example.org/metrics-collector/", "/metrics-collector/metrics/push"),
        ("https://meet.example.org/metrics-collector/push", "/metrics-collector/push"),
        ("http://127.0.0.1:3000/metrics/push", "/metrics/push"),
        ("http://127.0.0.1:3000/metrics/push?by=me", "/metrics/push?by=me"),
    ],
)
def test_where_a_url_leads_a_push(url: str, path: str) -> None:
    from otel_jcmc.simulate.client import Target

    assert Target(url).start == f"POST {path} HTTP/1.1\r\n"
