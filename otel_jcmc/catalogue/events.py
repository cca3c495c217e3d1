"""
All events that are sent as log records, one row each. An event is described nowhere else.

intake/noticing.py notices the events of participants. logs/onsets.py notices when something, such
as a bridge, begins or ceases to stand out (to have unusually many bad calls). logs/records.py makes
log records from the events that both files notice. The severities are OpenTelemetry's (logs data
model).
"""

from enum import IntEnum
from typing import Final, NamedTuple


class Severity(IntEnum):
    """SeverityNumber of a record; the name of the member is the SeverityText."""

    INFO = 9
    WARN = 13
    ERROR = 17


class Event(NamedTuple):
    """
    One kind of event.

    Attributes:
        name: the record's event_name.
        brief: the record's body; it names no person.
        attributes: the event's own attributes. The record also has attributes of the participant
            and its place, such as the region.
    """

    name: str
    severity: Severity
    brief: str
    attributes: tuple[str, ...]


OUTAGE_SECONDS: Final = "jitsi.session.outage.duration"
JOIN_CAUSE: Final = "jitsi.session.end.cause"
RATING: Final = "jitsi.session.feedback.rating"
FEEDBACK_TEXT: Final = "jitsi.session.feedback.text"
SCOPE: Final = "jitsi.verdict.scope"
NAME: Final = "jitsi.standing_out.name"
SHARE: Final = "jitsi.standing_out.share"
SECONDS: Final = "jitsi.standing_out.duration"
# Numbers of participants from which the share was computed. The gauge
# `jitsi.standing_out.participants` has the same numbers.
COVERAGE: Final = tuple(
    f"jitsi.standing_out.participants.{each}" for each in ("bad", "known", "reporting", "present")
)

OUTAGE_BEGAN: Final = Event(
    "jitsi.session.outage.began", Severity.WARN, "An outage began", (OUTAGE_SECONDS,)
)
OUTAGE_ENDED: Final = Event(
    "jitsi.session.outage.ended", Severity.INFO, "An outage ended", (OUTAGE_SECONDS,)
)
JOIN_FAILED: Final = Event(
    "jitsi.session.join.failed", Severity.ERROR, "A join failed", (JOIN_CAUSE,)
)
RATED: Final = Event(
    "jitsi.session.feedback.given",
    Severity.INFO,
    "A call was rated",
    (RATING, FEEDBACK_TEXT),
)
STANDING_BEGAN: Final = Event(
    "jitsi.standing_out.began",
    Severity.WARN,
    "Something stands out",
    (SCOPE, NAME, "jitsi.region", SHARE, *COVERAGE),
)
STANDING_ENDED: Final = Event(
    "jitsi.standing_out.ended",
    Severity.INFO,
    "Something no longer stands out",
    (SCOPE, NAME, "jitsi.region", SHARE, *COVERAGE, SECONDS),
)
EVENTS: Final = (
    OUTAGE_BEGAN,
    OUTAGE_ENDED,
    JOIN_FAILED,
    RATED,
    STANDING_BEGAN,
    STANDING_ENDED,
)
EVENT_OF: Final = {each.name: each for each in EVENTS}
