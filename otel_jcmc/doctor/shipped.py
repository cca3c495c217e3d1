"""
Reads this version's rules and dashboard queries for rules.py and boards.py.

They are in shipped.json beside this file. `make generate` makes shipped.json from the rules and
dashboards in collector-config/.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

# Variable of a dashboard -> its value until a user chooses another value. `$__rate_interval` is a
# variable that Grafana itself sets.
VARIABLES: Final[Mapping[str, str]] = {
    "$participant": ".*",
    "$bridge": ".*",
    "$region": ".*",
    "$instance": ".*",
    "$__rate_interval": "1m",
}
CONFERENCE: Final = "$conference"


class Query(NamedTuple):
    """
    One query of a panel.

    Attributes:
        board, panel: the names of the dashboard and of the panel.
        expr: the query in PromQL, with Grafana's variables.
        reads: the names of the metrics in *expr*.
    """

    board: str
    panel: str
    expr: str
    reads: tuple[str, ...]

    @property
    def place(self) -> str:
        """The names of dashboard and panel, as a finding prints them."""
        return f"{self.board}: {self.panel}"


class Boards(NamedTuple):
    """
    The queries of the dashboards for one naming (a value of JCMC_NAMING).

    Attributes:
        conferences: the PromQL query that finds the conference with the most series.
        label: the name of the label whose value is the conference's name.
    """

    conferences: str
    label: str
    queries: tuple[Query, ...]


def fill(expr: str, chosen: Mapping[str, str]) -> str:
    """Return *expr* with values for its variables: from *chosen*, otherwise from VARIABLES."""
    for name, value in {**VARIABLES, **chosen}.items():
        expr = expr.replace(name, value)
    return expr


def digest_of(expr: str) -> str:
    """Return a digest of a rule's *expr* without white space, which Prometheus changes."""
    return blake2b(re.sub(r"\s", "", expr).encode(), digest_size=6).hexdigest()


def rules() -> dict[str, dict[str, str]]:
    """Return this version's rules: name of the file -> name of the rule -> expression's digest."""
    return dict(_shipped()["rules"])


def boards(naming: str) -> Boards:
    """Return the queries of the dashboards for a *naming*, such as `otel`."""
    of = _shipped()["boards"][naming]
    selector, label = of["conference"]
    queries = [Query(**{**each, "reads": tuple(each["reads"])}) for each in of["queries"]]
    return Boards(f"topk(1, count by ({label}) ({selector}))", label, tuple(queries))


@cache
def _shipped() -> dict[str, Any]:
    """Return the content of shipped.json, which is read only once."""
    found: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return found
