"""The dashboards of collector-config/, checked without Grafana."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from boards import CHOSEN, DASHBOARDS, Asked, load, queries
from rule_files import CONFIG, KNOWN, metric_names, recorded, run_promtool

ALL = [asked for path in DASHBOARDS for asked in queries(path)]
# Panels about the present: their values disappear at once.
OF_NOW = {"stat", "table"}


@pytest.fixture(params=DASHBOARDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return each board."""
    return load(request.param)


def test_each_naming_has_the_same_boards() -> None:
    names = {(path.parent.name, path.stem) for path in DASHBOARDS}
    assert names == {
        (naming, name) for naming in ("jcmc", "otel") for name in ("now", "conference", "service")
    }
    assert len(ALL) > 100


def test_every_query_parses(tmp_path: Path) -> None:
    found = [{"record": f"panel:{number}", "expr": asked.expr} for number, asked in enumerate(ALL)]
    written = tmp_path / "dashboards.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": found}]}))
    run_promtool("check", "rules", written)


@pytest.mark.parametrize("asked", ALL, ids=lambda asked: f"{asked.board}-{asked.panel}")
def test_a_query_needs_no_rule_but_those_of_bridges(asked: Asked) -> None:
    """So an imported board works alone."""
    bridges = recorded(CONFIG / "rules/bridges.yaml")
    read = metric_names(asked.expr)
    assert read - KNOWN - bridges == set()
    other = "jitsi_jcmc_" if asked.board.startswith("otel") else "jitsi_client_"
    assert {name for name in read if name.startswith(other)} == set()


@pytest.mark.parametrize("asked", ALL, ids=lambda asked: f"{asked.board}-{asked.panel}")
def test_what_is_now_is_asked_at_once_and_a_range_does_not_choose(asked: Asked) -> None:
    assert asked.is_instant == (asked.kind in OF_NOW)
    if not asked.is_instant:
        assert not re.search(r"\b(?:topk|bottomk)\b", asked.expr)


def test_a_board_can_be_imported_anywhere(board: dict[str, Any]) -> None:
    """It asks for the data source, and each panel uses the chosen one."""
    (asked,) = board["__inputs"]
    assert (asked["name"], asked["pluginId"]) == ("DS_PROMETHEUS", "prometheus")
    (source,) = [each for each in board["templating"]["list"] if each["type"] == "datasource"]
    assert source["current"]["value"] == "${DS_PROMETHEUS}"
    text = json.dumps([board["panels"], board["templating"]])
    uids = re.findall(r'"datasource": \{"type": "prometheus", "uid": "([^"]*)"\}', text)
    assert set(uids) == {"${datasource}"}
    assert text.count('"datasource": ') == len(uids)


def test_every_variable_that_is_used_is_there(board: dict[str, Any]) -> None:
    names = {each["name"] for each in board["templating"]["list"]}
    text = json.dumps([board["panels"], board["templating"]])
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"DS_PROMETHEUS"}
    assert {name for name in used if not name.startswith("__")} <= names | {"1"}
    assert {f"${name}" for name in names} <= {*CHOSEN, "$datasource", "$service_url"}


def test_links_lead_to_boards_that_are_there(board: dict[str, Any]) -> None:
    uids = {load(path)["uid"] for path in DASHBOARDS}
    assert len(uids) == len(DASHBOARDS)
    for uid in re.findall(r"/d/(\w+)/", json.dumps(board["panels"])):
        assert uid in uids
        assert uid.endswith("_otel") == board["uid"].endswith("_otel")


def test_a_link_names_a_column_that_is_there(board: dict[str, Any]) -> None:
    for panel in board["panels"]:
        columns = {
            each["matcher"]["options"] for each in panel.get("fieldConfig", {}).get("overrides", [])
        }
        for column in re.findall(r"__data\.fields\.(\w+)", json.dumps(panel)):
            assert column in columns, panel["title"]


def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    taken = set[tuple[int, int]]()
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_what_to_do_is_on_the_first_screen(board: dict[str, Any]) -> None:
    """On each board, the first thing is whether the service is there at all."""
    first = board["panels"][0]
    assert (first["title"], first["gridPos"]["y"]) == ("Service", 0)
    assert first["targets"][0]["expr"] == "min(otel_jcmc_store_up) or vector(-1)"
