"""
What is told of more than one participant: a gauge a row, by level.

A level is what JCMC_SERIES chooses by. Above participants the number of series follows from
bounds, not from who comes: states and causes are closed lists, and what is beyond a bound is
`other`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """Of how many a series tells."""

    PARTICIPANTS = "participants"
    CONFERENCES = "conferences"
    BRIDGES = "bridges"
    REGIONS = "regions"
    FLEET = "fleet"
    HISTOGRAMS = "histograms"


class Label(StrEnum):
    """A label of such a series: its name in the `jcmc` naming."""

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
        field: its name in the `jcmc` naming, without the prefix.
        labels: in the order in which they are told.
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
    "Participants of a conference by state: good, fair, bad, unknown",
    (Label.CONFERENCE, Label.STATE),
)
BRIDGES: Final = Family(
    Level.BRIDGES,
    "bridge_participants_state",
    "jitsi.bridge.participants",
    _COUNT,
    "Participants on a bridge by state, the bad ones by cause",
    (Label.BRIDGE, Label.REGION, Label.STATE, Label.CAUSE),
)
REGIONS: Final = Family(
    Level.REGIONS,
    "region_participants_state",
    "jitsi.region.participants",
    _COUNT,
    "Participants on a region's bridges by state, the bad ones by cause",
    (Label.REGION, Label.STATE, Label.CAUSE),
)
FLEET: Final = Family(
    Level.FLEET,
    "fleet_participants_state",
    "jitsi.fleet.participants",
    _COUNT,
    "All participants by state, the bad ones by cause",
    (Label.STATE, Label.CAUSE),
)
_WHAT: Final = (Label.SCOPE, Label.NAME, Label.REGION)
STANDING_OUT: Final = Family(
    Level.FLEET,
    "standing_out",
    "jitsi.standing_out",
    "1",
    "The share of bad of what stands out now: fleet, region, bridge, relay, browser, conference or"
    " sender",
    _WHAT,
)
STANDING_OUT_SINCE: Final = Family(
    Level.FLEET,
    "standing_out_since_seconds",
    "jitsi.standing_out.since",
    "s",
    "Since when it stands out, in seconds since 1970",
    _WHAT,
)
STANDING_OUT_COVERAGE: Final = Family(
    Level.FLEET,
    "standing_out_participants",
    "jitsi.standing_out.participants",
    _COUNT,
    "Of whom that is said, at its worst: bad, of known, of reporting, of present",
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
# What is beyond a bound.
OTHER: Final = "other"
