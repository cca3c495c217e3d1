"""
The rules and dashboards of collector-config/ as this version has them, for who asks Prometheus.

Made by `make generate` of the files themselves (shipped.json, beside this file).
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

# What the variables of a dashboard are while nobody has chosen anything, and Grafana's own.
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
    What one panel asks.

    Attributes:
        board, panel: where it stands.
        expr: PromQL, with variables.
        reads: the metrics in it.
    """

    board: str
    panel: str
    expr: str
    reads: tuple[str, ...]

    @property
    def place(self) -> str:
        """The panel, as it is told of."""
        return f"{self.board}: {self.panel}"


class Boards(NamedTuple):
    """
    The dashboards of one naming.

    Attributes:
        conferences: PromQL of the conference to look at, the one with the most series.
        label: which of its labels is the name.
    """

    conferences: str
    label: str
    queries: tuple[Query, ...]


def fill(expr: str, chosen: Mapping[str, str]) -> str:
    """Return *expr* with its variables as *chosen*, the others as nobody has chosen."""
    for name, value in {**VARIABLES, **chosen}.items():
        expr = expr.replace(name, value)
    return expr


def digest_of(expr: str) -> str:
    """Return a digest of a rule's *expr*, the same as of the text that Prometheus makes of it."""
    return blake2b(re.sub(r"\s", "", expr).encode(), digest_size=6).hexdigest()


def rules() -> dict[str, dict[str, str]]:
    """Return file -> rule -> digest of what it asks."""
    return dict(_shipped()["rules"])


def boards(naming: str) -> Boards:
    """Return the dashboards of a *naming*."""
    of = _shipped()["boards"][naming]
    selector, label = of["conference"]
    queries = [Query(**{**each, "reads": tuple(each["reads"])}) for each in of["queries"]]
    return Boards(f"topk(1, count by ({label}) ({selector}))", label, tuple(queries))


@cache
def _shipped() -> dict[str, Any]:
    """Return the document."""
    found: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return found
