"""
Reads a scrape in tests with Prometheus' own client library, and checks it with promtool.

`Sample` is one series with its value. `exposed` returns the participants' series of one conference,
without the labels that all of them share.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from harness import Service
from prometheus_client.parser import text_string_to_metric_families
from series_names import OURS

IDENTITY = ("roomname", "client_id", "participant_id")
# The counts of a push_body(), which is like the original's: it has no upload loss.
HISTOGRAMS = {
    "jitsi_jcmc_fleet_packetloss_download",
    "jitsi_jcmc_fleet_round_trip_time",
}
ROOT = Path(__file__).parents[2]


class Sample(NamedTuple):
    """One series and its value."""

    name: str
    labels: dict[str, str]
    value: float


def samples(text: str) -> list[Sample]:
    """Return every sample of an exposition in the text format."""
    return [
        Sample(sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def scraped(service: Service, page: str = "/metrics") -> list[Sample]:
    """Scrape a *page*, and return every sample."""
    answer = service.get(page)
    assert answer.status == 200, answer
    return samples(answer.body)


def exposed(service: Service, conference: str) -> list[Sample]:
    """Scrape, and return the pushed series of *conference*, without prefix and identity labels."""
    return [
        each for each in _series_of(service, conference) if f"jitsi_jcmc_{each.name}" not in OURS
    ]


def said(service: Service, conference: str) -> list[Sample]:
    """Scrape, and return the service's own series of *conference*, as `exposed` does."""
    return [each for each in _series_of(service, conference) if f"jitsi_jcmc_{each.name}" in OURS]


def _series_of(service: Service, conference: str) -> list[Sample]:
    answer = service.get("/metrics/participants")
    assert answer.status == 200, answer
    written = conference.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    # Most lines of a scrape are of other tests, and the library is slow.
    lines = [line for line in answer.body.split("\n") if f'roomname="{written}"' in line]
    return [
        Sample(
            sample.name.removeprefix("jitsi_jcmc_"),
            {name: text for name, text in sample.labels.items() if name not in IDENTITY},
            sample.value,
        )
        for sample in samples("".join(f"{line}\n" for line in lines))
        if sample.labels.get("roomname") == conference
    ]


def values(service: Service, conference: str) -> dict[str, float]:
    """Scrape, and return the values of *conference* by name; each name must be there once."""
    found = exposed(service, conference)
    names = [sample.name for sample in found]
    assert len(names) == len(set(names)), names
    return {sample.name: sample.value for sample in found}


def assert_only_histograms(exposition: str) -> None:
    """
    Check that the scrape has no pushed values except histograms, which count this process's pushes.

    The participants and their states come from Redis.
    """
    types = re.findall(r"^# TYPE (jitsi_\S+) (\S+)$", exposition, re.MULTILINE)
    assert dict(types) == dict.fromkeys(HISTOGRAMS, "histogram")
    names = re.findall(r"^(jitsi_\w+)", exposition, re.MULTILINE)
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in names} == HISTOGRAMS


def promtool_complaints(exposition: str) -> str:
    """Return the complaints of `promtool check metrics` about *exposition*; empty: none."""
    unpacked = ROOT / ".cache/prometheus/usr/bin/promtool"
    promtool = shutil.which("promtool") or (str(unpacked) if unpacked.exists() else None)
    if promtool is None:
        pytest.fail("promtool is missing: run tests/real-parts.sh prometheus", pytrace=False)
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=exposition,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"exit {done.returncode}")
