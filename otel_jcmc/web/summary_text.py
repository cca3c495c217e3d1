"""
Writes groups of sessions as JSON or CSV.

The groups that sessions/counts.py makes come in. Text goes out. An unknown value is null in JSON,
and empty in CSV.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from otel_jcmc.sessions.counts import UNKNOWN, Group
from otel_jcmc.sessions.summary import MOS_SCALE
from otel_jcmc.sessions.vitals import VITALS
from otel_jcmc.verdict.rules import State
from otel_jcmc.web.summary_query import AskedSummaries

STATES: Final = (*(state.name.lower() for state in State), UNKNOWN)
# For each group: the beginning of its period, its name, and its counts.
Groups = Sequence[tuple[str, str, Group]]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def groups_json(asked: AskedSummaries, groups: Groups) -> str:
    """Return one JSON object: the query *asked*, and *groups*."""
    told = {
        "from": asked.first.isoformat(),
        "to": asked.last.isoformat(),
        "by": asked.by,
        "per": asked.per,
        "groups": [_told(asked, *each) for each in groups],
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def groups_csv(asked: AskedSummaries, groups: Groups) -> str:
    """
    Return *groups* as CSV, one line for each group.

    The cell of `causes` has `cause=sessions` for each cause. The cell of `scopes` has `scope=share`
    for each scope.
    """
    written = io.StringIO()
    rows = [_flat(_told(asked, *each)) for each in groups]
    head = [*_flat(_told(asked, "", "", Group()))]
    writer = csv.DictWriter(written, head)
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def _told(asked: AskedSummaries, period: str, name: str, group: Group) -> dict[str, Any]:
    """Return *group*, which has this *name* and *period*, ready for JSON."""
    mos = group.mos_sum / group.mos_known / MOS_SCALE if group.mos_known else None
    return {
        "period": period or None,
        **({str(asked.by): name or None} if asked.by else {}),
        "sessions": group.sessions,
        "hours": group.hours,
        "bad_share": group.bad_share,
        "states": {word: group.states[word] for word in STATES},
        "causes": dict(_ordered(group.causes)),
        "scopes": {
            scope: round(tenths / sum(group.scopes.values()), 4)
            for scope, tenths in _ordered(group.scopes)
        },
        **{
            vital: {
                "average": of.average,
                "worst": None if of.worst is None else of.worst / of.scale,
                "bad_share": of.bad_share,
            }
            for vital, of in zip(VITALS, group.vitals, strict=True)
        },
        "audio_mos": None if mos is None else round(mos, 2),
        "failed": group.failed,
        "outages": group.outages,
        "freezes": group.freezes,
    }


def _ordered(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the pairs of word and count in *counts*, the largest count first."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _flat(told: dict[str, Any]) -> dict[str, Any]:
    """Return column -> cell for CSV, from the group *told*, which is ready for JSON."""
    flat: dict[str, Any] = {}
    for key, value in told.items():
        if key in ("causes", "scopes"):
            flat[key] = " ".join(f"{word}={count}" for word, count in value.items())
        elif isinstance(value, dict):
            flat |= {f"{key}.{word}": each for word, each in value.items()}
        else:
            # If a name from a page looks like a formula, an apostrophe before it makes a
            # spreadsheet show it as text.
            is_formula = isinstance(value, str) and value.startswith(_FORMULA)
            flat[key] = f"'{value}" if is_formula else value
    return flat
