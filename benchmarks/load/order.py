"""The load generator's order and its result, as in its command line and its JSON."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Order:
    """
    What is asked for; see above.

    Attributes:
        first: number of the first of the *participants*; they take turns.
        pushes: ends a closed loop, 0: *seconds* do.
        body: `wire` or `client`, see bodies.py.
        lean: the head of a request is as little as a push needs.
    """

    url: str = ""
    participants: int = 1000
    first: int = 0
    connections: int = 64
    rate: float = 0
    seconds: float = 0
    pushes: int = 0
    body: str = "wire"
    lean: bool = False
    timeout_seconds: float = 10


@dataclass
class Result:
    """
    What came of it.

    Attributes:
        answers: status -> pushes.
        errors: why there was no answer -> pushes.
        reopened: connections that had to be opened again.
        p50, p90, p99, longest: latency in ms, NaN of none.
        late_p99: how late this process itself was with a push that was meant for a time, in ms.
        cpu: role -> seconds; `generator` is this process.
    """

    answers: dict[str, int]
    errors: dict[str, int]
    reopened: int
    seconds: float
    p50: float
    p90: float
    p99: float
    longest: float
    late_p99: float
    head_bytes: float
    body_bytes: float
    cpu: dict[str, float] = field(default_factory=dict)

    @property
    def pushes(self) -> int:
        """Pushes that were answered."""
        return sum(self.answers.values())

    @property
    def faults(self) -> dict[str, int]:
        """What was not answered 200, by status or reason."""
        others = {status: count for status, count in self.answers.items() if status != "200"}
        return others | self.errors


def to_json(result: Result) -> dict[str, Any]:
    """Return *result* for JSON, which has no NaN."""
    return {
        name: None if value != value else value  # noqa: PLR0124  # NaN
        for name, value in asdict(result).items()
    }


def from_json(told: dict[str, Any]) -> Result:
    """Return the result that `to_json` made *told* of."""
    known: dict[str, Any] = {
        name: math.nan if value is None else value for name, value in told.items()
    }
    return Result(**known)
