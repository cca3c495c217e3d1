"""
The gauges about more than one participant: of a conference, a bridge, a region or the fleet.

One row for each gauge. JCMC_SERIES chooses which levels are exported. The number of these series
does not grow with the number of participants: states and causes are closed lists, and settings
limit the conferences, bridges and regions. All conferences, bridges or regions beyond the limit
share the label value `other`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """The level of a series: from one participant to the whole fleet."""

    PARTICIPANTS = "participants"
    CONFERENCES = "conferences"
    BRIDGES = "bridges"
    REGIONS = "regions"
    FLEET = "fleet"
    HISTOGRAMS = "histograms"


class Label(StrEnum):
    """A label of a level's series: its name in the `jcmc` naming."""

    CONFERENCE = "roomname"
    BRIDGE = "bridge"
    REGION = "region"
    STATE = "state"
    CAUSE = "cause"
    SCOPE = "scope"
    NAME = "name"
    COVERAGE = "coverage"


OTEL_LABELS: Final = {
    Label.CONFERENCE: "jitsi.conference.name",
    Label.BRIDGE: "jitsi.bridge.name",
    Label.REGION: "jitsi.region",
    Label.STATE: "jitsi.verdict.state",
    Label.CAUSE: "jitsi.verdict.cause",
    Label.SCOPE: "jitsi.verdict.scope",
    Label.NAME: "jitsi.standing_out.name",
    Label.COVERAGE: "jitsi.standing_out.coverage",
}


@dataclass(frozen=True, slots=True)
class Family:
    """
    One gauge of a level.

    Attributes:
        field: the gauge's name in the `jcmc` naming, without the prefix.
        labels: the gauge's labels, in the order of output.
    """

    level: Level
    field: str
    otel_name: str
    otel_unit: str
    brief: str
    labels: tuple[Label, ...]


_COUNT: Final = "{participant}"
CONFERENCES: Final = Family(
    Level.CONFERENCES,
    "conference_participants_state",
    "jitsi.conference.participants",
    _COUNT,
    "Number of participants of a conference by state: good, fair, bad, unknown",
    (Label.CONFERENCE, Label.STATE),
)
BRIDGES: Final = Family(
    Level.BRIDGES,
    "bridge_participants_state",
    "jitsi.bridge.participants",
    _COUNT,
    "Number of participants on a bridge by state; bad ones also by cause",
    (Label.BRIDGE, Label.REGION, Label.STATE, Label.CAUSE),
)
REGIONS: Final = Family(
    Level.REGIONS,
    "region_participants_state",
    "jitsi.region.participants",
    _COUNT,
    "Number of participants on the bridges of a region by state; bad ones also by cause",
    (Label.REGION, Label.STATE, Label.CAUSE),
)
FLEET: Final = Family(
    Level.FLEET,
    "fleet_participants_state",
    "jitsi.fleet.participants",
    _COUNT,
    "Number of all participants by state; bad ones also by cause",
    (Label.STATE, Label.CAUSE),
)
_WHAT: Final = (Label.SCOPE, Label.NAME, Label.REGION)
STANDING_OUT: Final = Family(
    Level.FLEET,
    "standing_out",
    "jitsi.standing_out",
    "1",
    "Share of bad participants in each thing that stands out now: fleet, region, bridge, relay,"
    " browser, conference or sender",
    _WHAT,
)
STANDING_OUT_SINCE: Final = Family(
    Level.FLEET,
    "standing_out_since_seconds",
    "jitsi.standing_out.since",
    "s",
    "Unix time since when the thing stands out",
    _WHAT,
)
STANDING_OUT_COVERAGE: Final = Family(
    Level.FLEET,
    "standing_out_participants",
    "jitsi.standing_out.participants",
    _COUNT,
    "Number of participants behind the share at its worst: bad, known, reporting, present",
    (*_WHAT, Label.COVERAGE),
)
FAMILIES: Final = (
    CONFERENCES,
    BRIDGES,
    REGIONS,
    FLEET,
    STANDING_OUT,
    STANDING_OUT_SINCE,
    STANDING_OUT_COVERAGE,
)
# The label value of all conferences, bridges or regions beyond the limit of their setting.
OTHER: Final = "other"
