"""`otel-jcmc summary`: its table of groups, and as a process with a running service."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import imported
import pytest
import redis
from harness import Service

from otel_jcmc.command.summary import bar, table
from otel_jcmc.sessions.summary import Summary, packed
from otel_jcmc.store.embedded import EmbeddedStore

DAY = datetime.now(UTC).date() - timedelta(days=3)


def group(name: str | None, bad_share: float | None = None, **told: Any) -> dict[str, Any]:
    return {
        "period": "2026-11-23",
        "bridge": name,
        "sessions": 120,
        "hours": 34.52,
        "bad_share": bad_share,
        "states": {"good": 100, "fair": 10, "bad": 8, "unknown": 2},
        "causes": {"uplink": 7, "outage": 1},
        "quality": {"average": 91.4},
        "loss": {"average": 0.734},
        "audio_mos": 4.213,
        **told,
    }


NOTHING = {
    "states": {"good": 0, "fair": 0, "bad": 0, "unknown": 120},
    "causes": {},
    "quality": {"average": None},
    "loss": {"average": None},
    "audio_mos": None,
}


def test_groups_are_a_table_with_a_bar() -> None:
    groups = [
        group("jvb-3", 0.125),
        group(None, None, **NOTHING),
        group("jvb-1\x1b[2J", 0.0062, period="2026-11-30"),
    ]
    told = {"by": "bridge", "per": "week", "groups": groups}
    rest = "   8 of 118  uplink        91  0.73 %  4.21"
    first = "week        bridge     sessions  hours  bad of time       bad calls  most by"
    last = "2026-11-30  jvb-1\N{REPLACEMENT CHARACTER}[2J       120   34.5        0.6 %  ▏"
    assert table(told).splitlines() == [
        f"{first}  quality    loss   MOS",
        f"2026-11-23  jvb-3           120   34.5       12.5 %  ██▌{rest}",
        "            ?               120   34.5",
        f"{last}  {rest}",
    ]


def test_all_together_is_one_line() -> None:
    told = {"by": None, "per": "all", "groups": [group(None, 0.3)]}
    assert table(told, is_utf=False).splitlines() == [
        "sessions  hours  bad of time          bad calls  most by  quality    loss   MOS",
        "     120   34.5       30.0 %  ######   8 of 118  uplink        91  0.73 %  4.21",
    ]


def test_nothing_is_said_so() -> None:
    told: dict[str, Any]
    told = {"by": None, "per": "all", "groups": [], "from": "2026-10-30", "to": "2026-11-29"}
    assert table(told) == "no sessions ended from 2026-10-30 to 2026-11-29"


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, ""), (0.01, "▎"), (0.05, "█"), (0.25, "█████"), (0.5, "█" * 10), (1, "█" * 10)],
)
def test_a_bar_is_full_where_half_of_the_time_was_bad(share: float, expected: str) -> None:
    assert bar(share) == expected


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    server = EmbeddedStore(tmp_path_factory.mktemp("s", numbered=True) / "r")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        row = packed(Summary(1, 36_000, "left", bridge="jvb-3", state=0, times=[(36_000, 0, 0)]))
        client.rpush(f"jcmc:{{01}}:past:{DAY}", row)
        client.hset("jcmc:{01}:past", f"past:{DAY}", 100)
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, REDIS_URL=server.url, JCMC_SUMMARY_DAYS="30") as running:
        yield running
    server.stop()


def summary(folder: Path, *arguments: str) -> tuple[int, str, str]:
    ran = imported.run("summary", *arguments, folder=folder)
    return ran.returncode, ran.stdout, ran.stderr


def test_the_command_asks_the_service(service: Service, tmp_path: Path) -> None:
    code, said, _ = summary(tmp_path, "--url", service.url, "--by", "bridge", "--per", "day")
    assert code == 0
    assert said.splitlines()[1].split() == [
        *(DAY.isoformat(), "jvb-3", "1", "1.0", "0.0", "%", "0", "of", "1")
    ]
    code, said, _ = summary(tmp_path, "--url", service.url, "--since", "-1d", "--json")
    assert json.loads(said)["groups"] == []
    code, said, _ = summary(tmp_path, "--url", service.url, "--since", "3d", "--csv")
    assert next(csv.DictReader(io.StringIO(said)))["sessions"] == "1"


def test_what_can_not_be_is_one_line(service: Service, tmp_path: Path) -> None:
    code, said, error = summary(tmp_path, "--url", service.url, "--since", "soon")
    assert (code, said) == (1, "")
    assert "400 from must be a day, like " in error
    assert error.count("\n") == 1
