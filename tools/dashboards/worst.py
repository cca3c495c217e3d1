"""The tables of the board "Now": bridges, and who has the worst calls."""

from typing import Final

from otel_jcmc.catalogue import attributes, levels
from otel_jcmc.catalogue.levels import Label
from tools.dashboards import parts
from tools.dashboards.names import Names
from tools.dashboards.panels import RED, YELLOW, Column, Json, table

# From which share of bad on a cell is yellow, and red: what a bridge stands out by is 0.2.
_SHARE: Final = {0.1: YELLOW, 0.2: RED}
_WORST_CONFERENCES: Final = 20
_WORST_PARTICIPANTS: Final = 100
_PLACES: Final = ("bridge", "region")
_NUMBERS: Final = {
    "Loss down": "packetloss_download",
    "Loss up": "packetloss_upload",
    "Round trip": "round_trip_time",
    "Outage": "outage_down",
}


def bridges(names: Names) -> Json:
    """Return the table of bridges, with what they say of themselves where that is scraped."""
    label = names.label(Label.BRIDGE)
    chosen = f'{label}=~"$bridge"'
    by = f"{label}, {names.label(Label.STATE)}, {names.label(Label.CAUSE)}"

    def called(expr: str) -> str:
        return (
            expr
            if label == "bridge"
            else f'label_replace({expr}, "bridge", "$1", "{label}", "(.*)")'
        )

    def people(*matchers: str) -> str:
        of = names.family(levels.BRIDGES, chosen, *matchers)
        return called(f"sum by ({label}) (max by ({by}) ({of}))")

    def own(name: str) -> str:
        return f'bridge:jitsi_jvb_{name}:max{{bridge=~"$bridge"}}'

    return table(
        "Bridges",
        "Stress, endpoints and shutdown are what the bridge says of itself (rules/bridges.yaml);"
        " they are empty where no job scrapes bridges.",
        Column("Bridge", "bridge"),
        Column(
            "Share",
            expr=called(parts.share(names, levels.BRIDGES, label, chosen)),
            unit="percentunit",
            colours=_SHARE,
        ),
        Column("Bad", expr=people(parts.bad(names))),
        Column("Known", expr=people(parts.known(names))),
        Column("Participants", expr=people()),
        Column("Stress", expr=own("stress_level"), colours={0.7: YELLOW, 1: RED}, decimals=2),
        Column("Endpoints", expr=own("participants")),
        Column("Shuts down", expr=own("graceful_shutdown")),
        sort="Share",
    )


def worst_conferences(names: Names) -> Json:
    """Return the conferences with the most bad participants."""
    conference = names.conference
    by = f"{conference}, {names.label(Label.STATE)}"

    def people(*matchers: str) -> str:
        of = names.family(levels.CONFERENCES, *matchers)
        return f"sum by ({conference}) (max by ({by}) ({of}))"

    worst = f"topk({_WORST_CONFERENCES}, {people(parts.bad(names))} > 0)"
    return table(
        "Conferences with the most bad participants",
        f"At most {_WORST_CONFERENCES}. A click on one shows everybody in it.",
        Column("Conference", conference, url=parts.conference_url(names)),
        Column("Bad", expr=worst),
        Column("Known", expr=f"{people(parts.known(names))} and on ({conference}) {worst}"),
        Column("Participants", expr=f"{people()} and on ({conference}) {worst}"),
        sort="Bad",
    )


def worst_participants(names: Names) -> Json:
    """Return everybody whose call is bad, with the numbers that say so."""
    by = parts.identity_labels(names)
    place = (names.attribute(attributes.BRIDGE), names.attribute(attributes.REGION))
    chosen = names.info(
        *(f'{label}=~"${name}"' for label, name in zip(place, _PLACES, strict=True))
    )
    bad = f"({names.metric('verdict_state')} == 2 and on ({by}) {chosen})"

    def of(expr: str, *more: str) -> str:
        return f"max by ({', '.join([by, *more])}) ({expr} and on ({by}) {bad})"

    cause, scope = names.label(Label.CAUSE), names.label(Label.SCOPE)
    third = Column("Client", names.client) if names.client else Column("Session", names.identity[2])
    return table(
        "Participants whose call is bad",
        f"At most {_WORST_PARTICIPANTS}, of the chosen regions and bridges. Needs the participants'"
        " own series (/metrics/participants). A click on a participant lists its sessions.",
        Column("Conference", names.conference, url=parts.conference_url(names)),
        Column("Participant", names.participant, url=parts.session_url(names)),
        third,
        Column("Cause", cause),
        Column("Scope", scope),
        Column("Bridge", place[0]),
        Column("Region", place[1]),
        Column("Bad", expr=of(names.verdict(), cause, scope), is_hidden=True),
        Column("Where", expr=of(names.info(), *place), is_hidden=True),
        Column("MOS", expr=of(names.metric("audio_mos")), decimals=1),
        *(
            Column(title, expr=of(names.metric(field)), unit=names.unit(field))
            for title, field in _NUMBERS.items()
        ),
        sort="Conference",
        limit=_WORST_PARTICIPANTS,
    )
