"""Each program of `make collector` accepts its files of collector-config/."""

import shutil
from pathlib import Path

import pytest
from collector.built import run
from rule_files import CONFIG, RULE_TESTS, RULES

PROMETHEUS = sorted(CONFIG.glob("prometheus*.yaml"))
COLLECTOR = sorted(CONFIG.glob("otelcol-*.yaml"))


@pytest.mark.parametrize("path", COLLECTOR, ids=lambda path: path.stem)
def test_the_collector_takes_the_file_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTLP_BACKEND", "backend.example.org:4317")
    run("otelcol", "validate", f"--config={path}")


def test_a_file_with_a_word_too_many_is_not_taken(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    text = (CONFIG / "otelcol-otlp.yaml").read_text()
    wrong.write_text(text.replace("metric_expiration:", "metric_expires:"))
    with pytest.raises(pytest.fail.Exception, match="metric_expires"):
        run("otelcol", "validate", f"--config={wrong}")


@pytest.mark.parametrize("path", PROMETHEUS, ids=lambda path: path.stem)
def test_prometheus_takes_the_file_as_it_is(path: Path) -> None:
    run("promtool", "check", "config", "--lint=all", "--lint-fatal", path)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_prometheus_takes_the_rules(path: Path) -> None:
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", path)


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_rules_do_there_what_their_tests_say(path: Path, tmp_path: Path) -> None:
    shutil.copytree(CONFIG / "rules", tmp_path / "rules")
    copy = tmp_path / "rules" / "tests" / path.name
    # Prometheus 3 divides in another order: 2.9999999999999996 where 2 had 3. Debian's promtool
    # does not know `fuzzy_compare`.
    copy.write_text(f"fuzzy_compare: true\n{copy.read_text()}")
    run("promtool", "test", "rules", copy)


def test_alertmanager_takes_the_file_as_it_is() -> None:
    run("amtool", "check-config", CONFIG / "alertmanager.yaml")
