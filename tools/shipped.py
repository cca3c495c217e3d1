"""
What doctor knows of collector-config/: otel_jcmc/doctor/shipped.json, since no wheel has the files.

In come the rules and the dashboards, out goes one JSON document: of each rule where it stands and a
digest of what it asks, of each dashboard what its panels ask and which metrics that reads.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from otel_jcmc.doctor.shipped import digest_of
from tools.promql import metric_names


def shipped(rules: Path, dashboards: dict[str, str]) -> str:
    """Return the document, of the files of the folder *rules* and of path -> *dashboards*."""
    told = {"rules": _rules(rules), "boards": _boards(dashboards)}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _rules(folder: Path) -> dict[str, dict[str, str]]:
    """Return file -> rule -> digest."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.yaml")):
        of_file = found.setdefault(path.name, {})
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                of_file[rule.get("alert") or rule["record"]] = digest_of(rule["expr"])
    return found


def _boards(dashboards: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return naming -> what to take a conference from, and the queries."""
    found: dict[str, dict[str, Any]] = {}
    for path, text in dashboards.items():
        naming, _, file = path.partition("/")
        made = json.loads(text)
        of_naming = found.setdefault(naming, {"conference": [], "queries": []})
        for variable in made["templating"]["list"]:
            if variable["name"] == "conference":
                inside = variable["definition"].removeprefix("label_values(").removesuffix(")")
                of_naming["conference"] = inside.rsplit(", ", 1)
        of_naming["queries"] += [
            {
                "board": file.removesuffix(".json"),
                "panel": panel["title"],
                "expr": target["expr"],
                "reads": sorted(metric_names(target["expr"])),
            }
            for panel in made["panels"]
            for target in panel.get("targets", ())
        ]
    return found
