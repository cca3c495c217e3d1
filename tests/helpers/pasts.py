"""Minutes of past sessions, for tests of pages: single samples, and whole sessions."""

from typing import Any

from past import NOON, Past, numbers

from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Push
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.sessions.totals import Time, Totals, VitalTotal
from otel_jcmc.verdict.journal import Entry

MINUTE = 60_000
UPLINK, DOWNLINK = 7, 2
# Ids in the catalogue.
CONFERENCE, REGION, NAME, BROWSER, BRIDGE = 64, 69, 70, 71, 98
BRIDGE_STOOD_OUT = Entry(
    "bridge", "jvb-3", "eu", NOON + 2 * MINUTE, NOON + 4 * MINUTE, 0.75, (6, 8, 8, 8)
)


def minute(n: int, state: int | None = 0, cause: int = 0, bridge: str = "", **told: Any) -> Sample:
    """Return the sample of the minute that ends *n* minutes after noon, with the numbers *told*."""
    at = NOON + n * MINUTE
    stretch = Stretch(600, state, cause, *(("eu", "jvb-3") if state == 2 else ()))
    pushes = [Push(at - ago, state, cause) for ago in range(50_000, -1, -10_000)]
    attributes = {CONFERENCE: "board", BRIDGE: bridge} if bridge else None
    own = numbers(**({"f1": 90} | told))
    return Sample(at, own, attributes=attributes, stretches=[stretch], pushes=pushes)


def lasting(good: int, bad: int = 0, cause: int = 0) -> Totals:
    """Return the totals of this many *good* and *bad* minutes."""
    vitals = [VitalTotal(900 * 3000, 3000, 0, 300), VitalTotal(0, 3000, 0, 0), VitalTotal()]
    times: list[Time] = [(good * 600, 0, 0)]
    if bad:
        times.append((bad * 600, 2, cause))
    return Totals(vitals, times, [2, None, None], 1)


def over(past: Past, minutes: int, start: int = 0, **told: Any) -> str:
    """Return a session of *minutes* from *start* minutes after noon on, which ends with a leave."""
    began = NOON + start * MINUTE
    end = {"last_ms": began + minutes * MINUTE, "ended_ms": began + minutes * MINUTE}
    return past.session(began, **({"reason": "left"} | end | told))
