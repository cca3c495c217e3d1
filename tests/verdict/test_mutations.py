"""If a rule of the verdict is removed, or two causes swapped, some check fails."""

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product
from math import inf
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from crowds.bed import hold
from crowds.counting import Outcome
from crowds.seats import Bench
from verdict import test_judge, test_standing
from verdict.test_judge import TROUBLES

from otel_jcmc.verdict import judge, rules, standing
from otel_jcmc.verdict.judge import Judge

CAUSES = (
    *("OUTAGE", "DOWNLINK", "RECEIVED", "DOWNLINK_OR_RECEIVED", "SLOW_RECEIVER", "PATH"),
    *("UPLINK", "SLOW_SENDER", "PAIR"),
)
STORIES = ("outage", "downlink", "received", "device", "path", "pair")
# The original's client tells too little of one bad sender among several.
LEAST = {"received": 0.8}
# Each choice of a cause is an `if` in one of these.
CHOICES = (
    "_of_received",
    "_of_sent",
    "_cause",
    "_explain",
    "_slow_receiver",
    "_waits",
    "_beyond",
    "_has_several_senders",
)
# Every threshold, with a value that switches its rule off.
DROPPED: dict[str, float] = {
    "share": 0,
    "fleet_conferences": 0,
    "times": 0,
    "z": 0,
    "networks": 0,
    "small_conferences": 0,
    "small_people": 0,
    "nearly_all": 0,
    "conference_bad": 0,
    "conference_share": 0,
    "most": 0,
    "reporting": 0,
    "told": 0,
}


def crowd_of(judge_: Judge) -> Outcome:
    """Return the results of *judge_* on a small crowd's stories."""
    total, bench = Outcome(), Bench(judge_)
    for story in STORIES:
        for seed in range(2):
            total.add(hold(story, 40, seed=seed, bench=bench))
    return total


def misses(outcome: Outcome) -> list[str]:
    """Return the causes that are found too rarely or too often."""
    words = {cause.word for cause in rules.CAUSES} - {rules.DOWNLINK_OR_RECEIVED.word}
    return sorted(
        word
        for word in words
        if (outcome.causes.recall(word) or 0) < LEAST.get(word, 0.9)
        or (outcome.causes.precision(word) or 0) < 0.95
    )


def swapped(one: str, other: str) -> Any:
    """Return the rules with two causes exchanged."""
    made = dict(vars(rules))
    made[one], made[other] = made[other], made[one]
    return SimpleNamespace(**made)


def test_the_rules_as_they_are_pass_the_crowds_check() -> None:
    assert misses(crowd_of(Judge())) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [pair for pair in combinations(CAUSES, 2) if pair != ("SLOW_RECEIVER", "SLOW_SENDER")],
)
def test_no_two_causes_can_be_swapped(
    one: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two that are not tried have the same word: the computer."""
    monkeypatch.setattr(judge, "rules", swapped(one, other))
    assert _wrong_examples() or misses(crowd_of(Judge()))


@pytest.mark.parametrize("field", [each.field for each in rules.symptoms()])
def test_no_symptom_can_be_dropped(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*thresholds: float) -> tuple[rules.Symptom, ...]:
        never = -inf if field == rules.MOS else inf
        return tuple(
            each._replace(fair=never, bad=never) if each.field == field else each
            for each in kept(*thresholds)
        )

    kept = rules.symptoms
    monkeypatch.setattr(rules, "symptoms", without)
    assert _wrong_examples() or misses(crowd_of(Judge()))


def _conditions(function: ast.FunctionDef) -> list[ast.If]:
    return [node for node in ast.walk(function) if isinstance(node, ast.If)]


def choices() -> Iterator[tuple[str, int]]:
    """Yield the choices in judge.py: the function, and the number of its condition."""
    for node in ast.walk(ast.parse(inspect.getsource(judge))):
        if isinstance(node, ast.FunctionDef) and node.name in CHOICES:
            for at in range(len(_conditions(node))):
                yield node.name, at


@pytest.mark.parametrize(("name", "at"), list(choices()))
def test_no_choice_of_a_cause_can_be_dropped(
    name: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutated = _without(name, at)
    monkeypatch.setattr(test_judge, "Judge", mutated.Judge)
    assert _fails(_wrong_examples) or _fails(lambda: misses(crowd_of(mutated.Judge())))


@pytest.mark.parametrize("threshold", DROPPED)
def test_no_threshold_of_what_stands_out_can_be_dropped(
    threshold: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = standing.THRESHOLDS._replace(**{threshold: DROPPED[threshold]})  # type: ignore[arg-type]
    monkeypatch.setattr(standing.standing_out, "__defaults__", (loose,))
    assert _failing_tests(test_standing)


def test_every_threshold_is_tried() -> None:
    """Except one: fewer than three bad conferences never exceed 20 % by Wilson's lower end."""
    assert {*DROPPED, "conferences"} == set(standing.THRESHOLDS._fields)
    thirds = [standing.lower_bound(2 / count, count) for count in range(2, 20)]
    assert max(thirds) < standing.THRESHOLDS.share


def _fails(check: Callable[[], Any]) -> bool:
    """Say whether *check* finds a fault; a rule may protect another one from an error."""
    try:
        return bool(check())
    except Exception:  # noqa: BLE001
        return True


def _wrong_examples() -> list[dict[str, Any]]:
    """Return the examples of test_judge.py that would fail."""
    wrong = [
        trouble
        for trouble, state, cause in TROUBLES
        if test_judge.said(test_judge.WELL | trouble) != (state, cause)
    ]
    return wrong + [{"test": name} for name in _failing_tests(test_judge)]


def _failing_tests(module: ModuleType) -> list[str]:
    """Return the failing tests of *module*, tried with all their arguments."""
    failing = []
    for name, test in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("test_"):
            continue
        tried = [partial(test, **arguments) for arguments in _tried_with(test)]
        failing += [name for each in tried if _fails(each)]
    return failing


def _tried_with(test: Any) -> Iterator[dict[str, Any]]:
    """Yield the arguments with which pytest calls *test*."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    sets = []
    for mark in marks:
        names, values = mark.args
        names = [names] if isinstance(names, str) else names
        sets.append(
            [dict(zip(names, each if len(names) > 1 else [each], strict=True)) for each in values]
        )
    for chosen in product(*sets):
        yield {name: value for each in chosen for name, value in each.items()}


def _without(name: str, at: int) -> Any:
    """Return judge.py with one condition of a function that never holds."""
    tree = ast.parse(inspect.getsource(judge))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            _conditions(node)[at].test = ast.Constant(value=False)
    made = ModuleType("mutated")
    code = compile(ast.fix_missing_locations(tree), "mutated", "exec")
    exec(code, made.__dict__)
    return made
