"""
The Grafana dashboards, made of the catalogue: three boards in each naming.

`files` returns what collector-config/grafana/dashboards holds. No expression needs a recording
rule, but for what bridges say of themselves, so a board that is imported alone works.
"""

import json

from otel_jcmc.catalogue.rows import Naming
from tools.dashboards.conference import conference_board
from tools.dashboards.names import Names
from tools.dashboards.now import now_board
from tools.dashboards.service import service_board


def files() -> dict[str, str]:
    """Return path below the folder of dashboards -> JSON."""
    found = {}
    for naming in Naming:
        names = Names(naming)
        for name, make in _BOARDS.items():
            text = json.dumps(make(names), indent=1, ensure_ascii=False)
            found[f"{naming.value}/{name}.json"] = f"{text}\n"
    return found


_BOARDS = {"now": now_board, "conference": conference_board, "service": service_board}
