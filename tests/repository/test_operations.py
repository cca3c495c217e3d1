"""docs/operations.md quotes log lines, metrics, reasons and alerts exactly."""

import ast
import functools
import re
from pathlib import Path

import pytest

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.intake.limits import _SAID

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
WRONG = PAGE[PAGE.index("## When something goes wrong") : PAGE.index("## What to publish")]
QUOTED = re.findall(r"`([^`]+)`", WRONG)
AREAS = ("store: ", "otlp: ", "limits: ", "connections: ", "snapshot: ", "gauge ")
LINES = sorted({text for text in QUOTED if text.startswith(AREAS)})
ALERTS = sorted({text for text in QUOTED if text.startswith("OtelJcmc")})
METRICS = sorted({text.partition("{")[0] for text in QUOTED if text.startswith("otel_jcmc_")})


@functools.cache
def log_formats() -> list[str]:
    """Return every text in the sources from which a log line may be made."""
    texts = [f"limits: {said}" for said in _SAID.values()]
    for path in (ROOT / "otel_jcmc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Constant(value=str(text)):
                    texts.append(text)
                case ast.JoinedStr(values=parts):
                    known = (
                        part.value if isinstance(part, ast.Constant) else "%s" for part in parts
                    )
                    texts.append("".join(map(str, known)))
    return [text for text in texts if text.startswith(AREAS) and text not in {*AREAS, "limits: %s"}]


ANY, NUMBER = "\0", "\1"


def is_made_of(line: str, text: str) -> bool:
    """Say whether *text* can become *line*, in which `...` stands for anything."""
    told = line.replace("...", ANY)
    made = re.sub(r"%(\.0f|d)", NUMBER, text).replace("%s", ANY)

    @functools.cache
    def meet(at: int, of: int) -> bool:
        one, other = told[at : at + 1], made[of : of + 1]
        if ANY in {one, other}:
            return (bool(one) and meet(at + 1, of)) or (bool(other) and meet(at, of + 1))
        if other == NUMBER:
            return one.isdigit() and (meet(at + 1, of) or meet(at + 1, of + 1))
        return one == other and (not one or meet(at + 1, of + 1))

    return meet(0, 0)


@pytest.mark.parametrize("line", LINES)
def test_a_log_line_that_is_quoted_is_one_of_the_sources(line: str) -> None:
    assert any(is_made_of(line, text) for text in log_formats())


def test_a_line_that_is_none_is_found() -> None:
    for line in ("store: Redis is tired", "otlp: the receiver", "connections: all places ..."):
        assert not any(is_made_of(line, text) for text in log_formats())


def test_the_page_quotes_every_kind_of_line() -> None:
    assert {line.split(" ")[0] for line in LINES} == {area.strip() for area in AREAS}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_that_is_named_is_there(alert: str) -> None:
    rules = (ROOT / "collector-config/rules/alerts-service.yaml").read_text()
    assert f"- alert: {alert}\n" in rules


def test_every_alert_on_the_service_is_named() -> None:
    rules = (ROOT / "collector-config/rules/alerts-service.yaml").read_text()
    there = set(re.findall(r"- alert: (OtelJcmc\w+)", rules))
    # Alerts about sizes and absence: their own text is complete.
    silent = {"OtelJcmcScrapeNearLimit", "OtelJcmcNobodyPushes", "OtelJcmcPushesRefused"}
    assert there - set(ALERTS) == silent


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_that_is_named_is_there(metric: str) -> None:
    assert f"`{metric}`" in (ROOT / "docs" / "metrics.md").read_text()


def test_a_reason_that_is_named_is_one() -> None:
    told = set(re.findall(r"(?:503|429|40[13]) (?:`\w+`, )*`(\w+)`", WRONG))
    assert told >= {"store_unavailable", "store_full", "store_busy", "stopping", "newcomer_rate"}
    assert told <= {str(reason) for reason in Reason}
