"""`otel-jcmc simulate --story`: the service sees the crowd, and the file has the truth."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import Service

COMMAND = (sys.executable, "-m", "otel_jcmc", "simulate", "--story")


def simulate(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=60
    )


def test_a_story_reaches_the_service_and_the_truth_is_written(
    tmp_path: Path, short_path: Path
) -> None:
    truth = tmp_path / "truth.jsonl"
    before = time.time()
    # From one address, only two could push.
    with Service(short_path, JCMC_LIMIT_ADDRESS_PARTICIPANTS="2") as service:
        ran = simulate(
            *("bridge", "--conferences", "2", "--room-size", "3", "--for", "4", "--seed", "2"),
            *("--interval", "2", "--truth", str(truth), "--url", f"{service.url}/metrics/push"),
        )
        accepted = sum(service.series('otel_jcmc_pushes_total{outcome="accepted"').values())
    assert ran.returncode == 0, ran.stderr
    assert "at most 6 at a time, conferences 2" in ran.stdout
    assert f"answers       200: {accepted:.0f}\n" in ran.stdout
    assert accepted >= 12
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert (lines[0]["stands_out"], lines[0]["name"]) == ("fleet", "")
    assert {line["scope"] for line in lines[1:]} == {"fleet"}
    assert {line["bridge"] for line in lines[1:]} == {"jvb-eu-west-1"}
    for line in lines:
        assert before + 1 <= line["from"] < line["to"] <= time.time()
    assert set(lines[1]) == {
        *("from", "to", "who", "client_id", "room", "bridge", "region", "is_original"),
        *("state", "cause", "scope"),
    }


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nothing"], "no story nothing: there are outage, "),
        (["quiet", "--interval", "5"], "an interval of 2 or 10 seconds"),
        (["quiet", "--conferences", "0"], "must be above 0"),
        (["quiet", "--originals", "2"], "originals 0 to 1"),
        (["quiet", "--truth", "/nowhere/truth"], "/nowhere/truth can't be written"),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_line(arguments: list[str], why: str) -> None:
    ran = simulate(*arguments)
    assert ran.returncode == 1
    assert why in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
