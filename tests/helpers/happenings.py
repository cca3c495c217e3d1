"""Pushes about events in calls, sent by HTTP: outages, failed joins and ratings."""

from collections.abc import Mapping
from typing import Any

from harness import push_body


def pushed(participant: str, out_ms: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a push of *participant*, in an outage of *out_ms* if that is given."""
    changes.setdefault("session", {"id": f"session-of-{participant}", "interval_ms": 2000})
    made = push_body(participant, **changes)
    if out_ms:
        made["metrics"]["outage_down"] = {"value": out_ms}
    return made


def failed_join(participant: str, **changes: Any) -> dict[str, Any]:
    """Return the only push of a *participant* whose join failed."""
    end = {"reason": "failed", "cause": "conference.iceFailed", "join_ms": 3000}
    told = {"id": f"session-of-{participant}", "end": end}
    return push_body(participant, session=told, **changes)


def rated(participant: str, stars: int, text: str = "") -> dict[str, Any]:
    """Return a push of *participant* who gives *stars* and writes *text*."""
    session: Mapping[str, Any] = {"id": f"session-of-{participant}", "interval_ms": 2000}
    made = push_body(participant, session={**session, **({"feedback": text} if text else {})})
    made["metrics"]["rating"] = {"value": stars}
    return made
