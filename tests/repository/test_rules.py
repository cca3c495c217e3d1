"""
The rules of collector-config/: promtool accepts them and runs their tests.

Alerts say what to do, have a runbook, and work with both namings; Alertmanager's example knows all.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rule_files import (
    ALERTS,
    CONFIG,
    KNOWN,
    ROOT,
    RULE_TESTS,
    RULES,
    load,
    metric_names,
    recorded,
    rules,
    run_promtool,
)
from series_names import LEVEL_NAMES, PARTICIPANT_NAMES

RUNBOOKS = ROOT / "docs/runbooks"
ALERT_RULES = [rule for path in ALERTS for rule in rules(path)]
NAMES = [rule["alert"] for rule in ALERT_RULES]
# The parts of each runbook, in this order.
SECTIONS = ["Symptom", "Meaning", "Look at", "Do"]


@pytest.mark.parametrize("name", ["prometheus.yaml", "prometheus-otlp.yaml"])
def test_prometheus_accepts_its_configuration(name: str) -> None:
    run_promtool("check", "config", CONFIG / name)


def test_prometheus_accepts_every_rule() -> None:
    run_promtool("check", "rules", "--lint-fatal", *RULES)


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_rules_do_what_their_tests_say(path: Path) -> None:
    run_promtool("test", "rules", path)


def test_every_rule_has_a_test() -> None:
    tested = "\n".join(path.read_text() for path in RULE_TESTS)
    names = {rule.get("record") or rule["alert"] for path in RULES for rule in rules(path)}
    assert len(names) > 50
    assert {name for name in names if not re.search(rf"\b{name}\b", tested)} == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do_first() -> None:
    for rule in ALERT_RULES:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, rule["alert"]
        assert rule["for"], rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        assert re.search(r"\b[Ff]irst\b", rule["annotations"]["description"]), rule["alert"]


@pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_runbook(rule: dict[str, Any]) -> None:
    page = ROOT / rule["annotations"]["runbook_url"]
    assert page == RUNBOOKS / f"{rule['alert']}.md"
    text = page.read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS


def test_every_runbook_is_of_an_alert_that_is_there() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")}
    assert pages - set(NAMES) == {"README", "dashboard-is-empty"}


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_what_a_runbook_names_is_there(page: Path) -> None:
    """Links lead to something, and the quoted metrics and alerts exist."""
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert (page.parent / target).exists(), target
    for alert in re.findall(r"\b(?:OtelJcmc|Jitsi)[A-Z]\w+", text):
        assert alert in NAMES, alert
    recorded_names = set[str]().union(*(recorded(path) for path in RULES))
    for quoted in re.findall(r"`((?:otel_jcmc|jitsi)[\w:]*)[^`]*`", text):
        assert quoted in KNOWN | recorded_names | {"otel_jcmc"}, quoted


def test_templates_of_alerts_are_of_the_plain_kind() -> None:
    """promtool reads a template but does not fill it in, so a mistake would show only at night."""
    plain = r" \$(?:value(?: \| humanize\w*)?|labels\.\w+) "
    for rule in ALERT_RULES:
        for text in rule["annotations"].values():
            for template in re.findall(r"\{\{(.*?)\}\}", text):
                assert re.fullmatch(plain, template), f"{rule['alert']}: {template}"


def test_rules_read_only_what_the_service_or_other_rules_have() -> None:
    known = KNOWN.union(*(recorded(path) for path in RULES))
    for path in RULES:
        for rule in rules(path):
            assert metric_names(rule["expr"]) - known == set(), rule


def test_rules_work_with_both_namings() -> None:
    """A rule that reads a series of one naming reads the other naming's, too."""
    named = PARTICIPANT_NAMES | LEVEL_NAMES
    for path in RULES:
        for rule in rules(path):
            read = metric_names(rule["expr"]) & named
            ours = {name for name in read if name.startswith("jitsi_jcmc_")}
            assert bool(ours) == bool(read - ours), rule


def test_no_rule_knows_the_name_of_a_job() -> None:
    for path in RULES:
        for rule in rules(path):
            assert "job=" not in rule["expr"], rule


def test_nothing_that_is_shipped_reads_a_former_name() -> None:
    former = recorded(CONFIG / "rules/former-names.yaml")
    assert len(former) == 6
    for path in RULES:
        if path.stem != "former-names":
            for rule in rules(path):
                assert metric_names(rule["expr"]) & former == set(), rule


def test_an_alert_comes_before_the_sample_limit() -> None:
    found = {rule["alert"]: rule for rule in ALERT_RULES}
    alert = found["OtelJcmcScrapeNearLimit"]
    assert "> 480000" in alert["expr"]
    assert "refused at 600,000" in alert["annotations"]["summary"]


# Alertmanager.


def matched(matcher: str) -> set[str]:
    """Return the alerts that one matcher of an alert's name selects."""
    name, pattern = re.fullmatch(r'(alertname=~?)"(.*)"', matcher).groups()  # type: ignore[union-attr]
    return {
        each for each in NAMES if re.fullmatch(pattern if "~" in name else re.escape(pattern), each)
    }


def inhibited(source: str) -> set[str]:
    """Return the alerts that are held back while *source* fires."""
    found = set[str]()
    for rule in load(CONFIG / "alertmanager.yaml")["inhibit_rules"]:
        if any(source in matched(each) for each in rule["source_matchers"]):
            found = found.union(*(matched(each) for each in rule["target_matchers"]))
    return found


def run_amtool(*arguments: str | Path) -> str:
    """Run amtool and return its output; fail with that if it complains."""
    cached = ROOT / ".cache/alertmanager/usr/bin/amtool"
    amtool = shutil.which("amtool") or (str(cached) if cached.exists() else None)
    if amtool is None:
        pytest.fail("amtool is missing: run tests/real-parts.sh alertmanager", pytrace=False)
    command = [amtool, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    return done.stdout


def test_amtool_accepts_the_alertmanagers_example() -> None:
    run_amtool("check-config", CONFIG / "alertmanager.yaml")


@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "on-call"), ("warning", "team"), ("info", "nobody")]
)
def test_an_alert_goes_to_whom_its_severity_says(severity: str, receiver: str) -> None:
    file = CONFIG / "alertmanager.yaml"
    labels = ["alertname=JitsiBridgeStandsOut", f"severity={severity}"]
    said = run_amtool("config", "routes", "test", "--config.file", file, *labels)
    assert said.strip() == receiver


def test_every_matcher_of_an_inhibition_means_an_alert() -> None:
    for rule in load(CONFIG / "alertmanager.yaml")["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            assert matched(matcher), matcher


def test_what_hangs_on_a_dead_service_is_not_told() -> None:
    silenced = inhibited("OtelJcmcAbsent")
    assert silenced >= {"JitsiFleetStandsOut", "JitsiJoinsFailing", "OtelJcmcLooksMissing"}
    assert "OtelJcmcAbsent" not in silenced
    assert "OtelJcmcStoreAway" not in silenced
    assert "OtelJcmcPushesFailing" in inhibited("OtelJcmcStoreAway")


def test_a_fleet_silences_its_regions_and_bridges() -> None:
    assert inhibited("JitsiFleetStandsOut") == {
        "JitsiRegionStandsOut",
        "JitsiBridgeStandsOut",
        "JitsiRelayStandsOut",
        "JitsiBrowserStandsOut",
        "JitsiConferenceStandsOut",
        "JitsiOutages",
    }
    # A conference that stands out beside a bridge is on another one.
    assert inhibited("JitsiBridgeStandsOut") == set()


def test_every_severity_has_a_receiver() -> None:
    route = load(CONFIG / "alertmanager.yaml")["route"]
    told = {match for each in route["routes"] for match in each["matchers"]}
    severities = {rule["labels"]["severity"] for rule in ALERT_RULES}
    assert told == {f'severity="{each}"' for each in severities}
