"""
What a client pushes, and what Prometheus then reads: pairs of files in golden/, compared exactly.

golden/README.md says how to write them again after a wanted change.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from exposition import samples
from harness import Service
from series_names import PARTICIPANT_NAMES

pytestmark = pytest.mark.xdist_group("golden")

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(path.name.removesuffix(".push.json") for path in GOLDEN.glob("*.push.json"))
ENDING = {"jcmc": ".prom", "otel": ".otel.prom"}


@pytest.fixture(scope="module", params=ENDING)
def naming(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def empty_service(naming: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service of each naming, empty before each case."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, JCMC_NAMING=naming) as running:
        yield running


def of_participants(service: Service) -> str:
    """Scrape, and return the participants' families."""
    # Not splitlines: the text of a label may contain other line separators.
    lines = service.get("/metrics/participants").body.split("\n")
    return "".join(f"{line}\n" for line in lines if re.match("(# (HELP|TYPE) )?jitsi_", line))


@pytest.mark.parametrize("case", CASES)
def test_a_push_is_seen_like_this(empty_service: Service, naming: str, case: str) -> None:
    push = json.loads(GOLDEN.joinpath(f"{case}.push.json").read_text())
    assert of_participants(empty_service) == ""
    answer = empty_service.push(GOLDEN.joinpath(f"{case}.push.json").read_bytes())
    seen = of_participants(empty_service)
    leave = {
        "default_labels": push["default_labels"],
        "session": {"id": push["session"]["id"], "end": {"reason": "left"}},
    }
    assert empty_service.push(leave).status == 200
    assert answer.status == 200
    assert "session_ended" not in answer.body, "another case has the same session"
    file = GOLDEN / f"{case}{ENDING[naming]}"
    if os.environ.get("GOLDEN") == "write":
        file.write_bytes(seen.encode())
        return
    assert seen == file.read_bytes().decode()


def test_every_case_is_there_in_both_namings() -> None:
    assert {path.name for path in GOLDEN.glob("*.prom")} == {
        f"{case}{ending}" for case in CASES for ending in ENDING.values()
    }


def test_the_cases_hold_every_metric_of_both_namings() -> None:
    """Some case must push each new metric."""
    names = {
        sample.name
        for path in GOLDEN.glob("*.prom")
        for sample in samples(path.read_bytes().decode())
    }
    assert names == PARTICIPANT_NAMES
