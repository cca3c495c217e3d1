"""
Reads this version's rules and dashboards from shipped.json, for rules.py and boards.py.

`make generate` makes shipped.json, beside this file, from the files in collector-config/.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

# Variable of a dashboard -> value: the value before a reader of the dashboard has chosen another,
# or a value like the one that Grafana sets.
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
    One query of a panel of a dashboard.

    Attributes:
        board, panel: the names of the dashboard and the panel.
        expr: the query in PromQL, with variables of the dashboard.
        reads: the names of the metrics in *expr*.
    """

    board: str
    panel: str
    expr: str
    reads: tuple[str, ...]

    @property
    def place(self) -> str:
        """The names of the dashboard and the panel in one text, which findings show."""
        return f"{self.board}: {self.panel}"


class Boards(NamedTuple):
    """
    The queries of all dashboards for one value of JCMC_NAMING.

    Attributes:
        conferences: PromQL that finds the conference with the most series.
        label: the label that has the conference's name.
    """

    conferences: str
    label: str
    queries: tuple[Query, ...]


def fill(expr: str, chosen: Mapping[str, str]) -> str:
    """Return *expr* with a value in place of each variable, from *chosen* or from VARIABLES."""
    for name, value in {**VARIABLES, **chosen}.items():
        expr = expr.replace(name, value)
    return expr


def digest_of(expr: str) -> str:
    """Return a digest of a rule's *expr*; spaces, which Prometheus may change, have no effect."""
    return blake2b(re.sub(r"\s", "", expr).encode(), digest_size=6).hexdigest()


def rules() -> dict[str, dict[str, str]]:
    """Return file of rules -> name of the rule -> digest of its expression."""
    return dict(_shipped()["rules"])


def boards(naming: str) -> Boards:
    """Return the queries of all dashboards for *naming*, a value of JCMC_NAMING."""
    of = _shipped()["boards"][naming]
    selector, label = of["conference"]
    queries = [Query(**{**each, "reads": tuple(each["reads"])}) for each in of["queries"]]
    return Boards(f"topk(1, count by ({label}) ({selector}))", label, tuple(queries))


@cache
def _shipped() -> dict[str, Any]:
    """Return the content of shipped.json; the file is read only once."""
    found: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return found
