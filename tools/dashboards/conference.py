"""The board "A conference": everyone in the room, on one axis."""

from otel_jcmc.catalogue import attributes, levels
from otel_jcmc.catalogue.levels import Label
from tools.dashboards import parts
from tools.dashboards.boards import board, query_variable, row
from tools.dashboards.names import Names
from tools.dashboards.panels import (
    RED,
    YELLOW,
    Column,
    Json,
    Query,
    lines,
    stat,
    table,
    timeline,
)


def conference_board(names: Names) -> Json:
    """Return the board in one naming."""
    state = names.metric("verdict_state", f'{names.conference}="$conference"')
    return board(
        parts.CONFERENCE_UID + names.suffix,
        "Jitsi calls: a conference",
        "Everyone in one room. Needs the participants' own series (/metrics/participants).",
        [
            parts.service_url(),
            parts.conference_variable(names),
            query_variable(
                "participant",
                "Participant",
                f"label_values({state}, {names.participant})",
                is_many=True,
            ),
        ],
        row(4, *_stats(names)),
        row(9, _states(names)),
        row(7, _who(names)),
        *(
            row(8, *(_metric(names, *each) for each in pair), title=title)
            for title, pair in _SECTIONS
        ),
        row(8, _by_state(names), _reporting(names)),
    )


def _in_room(names: Names, *matchers: str) -> list[str]:
    return [f'{names.conference}="$conference"', *matchers]


def _chosen(names: Names) -> list[str]:
    return _in_room(names, f'{names.participant}=~"$participant"')


def _people(names: Names, *matchers: str) -> str:
    """Return how many are in the room, of some states."""
    of = names.family(levels.CONFERENCES, *_in_room(names, *matchers))
    return f"sum(max by ({names.label(Label.STATE)}) ({of}))"


def _stats(names: Names) -> list[Json]:
    state = names.label(Label.STATE)
    name = names.label(Label.NAME)
    scope = names.label(Label.SCOPE)
    standing = names.family(levels.STANDING_OUT, f'{scope}="conference"', f'{name}="$conference"')
    return [
        parts.service_stat(),
        stat(
            "Bad",
            _people(names, f'{state}="bad"'),
            "Participants whose call is bad now.",
            colours={1: YELLOW, 3: RED},
        ),
        stat("Reporting", _people(names), "Participants who push."),
        stat(
            "Present",
            f"max({names.metric('conference_participants', *_in_room(names))})",
            "As those see it who push; the others came with an app or a telephone.",
        ),
        stat(
            "Stands out",
            f"max({standing}) or vector(0)",
            "Whether the conference as a whole is to blame: the share of bad, 0 if it is not. Where"
            " its bridge, its region or the fleet is, it is not.",
            unit="percentunit",
            colours={0.01: RED},
        ),
    ]


def _states(names: Names) -> Json:
    of = names.metric("verdict_state", *_chosen(names))
    return timeline(
        "How each call was",
        "One band for each participant. No band: unknown state, or the participant is absent.",
        Query(f"max by ({names.participant}) ({of})", f"{{{{{names.participant}}}}}"),
        parts.STATE_WORDS,
    )


def _who(names: Names) -> Json:
    by = parts.identity_labels(names)
    browser, version = attributes.BROWSER_NAME, attributes.BROWSER_VERSION
    about = [
        names.attribute(each)
        for each in (attributes.BRIDGE, attributes.REGION, browser, version, attributes.OS_NAME)
    ]
    cause, scope = names.label(Label.CAUSE), names.label(Label.SCOPE)
    info = f"max by ({', '.join([by, *about])}) ({names.info(*_chosen(names))})"
    verdict = f"max by ({by}, {cause}, {scope}) ({names.verdict(*_chosen(names))})"
    state = f"max by ({by}) ({names.metric('verdict_state', *_chosen(names))})"
    third = Column("Client", names.client) if names.client else Column("Session", names.identity[2])
    titles = ("Bridge", "Region", "Browser", "Version", "System")
    return table(
        "Who is there, and what is wrong",
        "A click on a participant lists its sessions. Cause and scope are of those whose call is"
        " not good.",
        Column("Conference", names.conference),
        Column("Participant", names.participant, url=parts.session_url(names)),
        third,
        Column("Cause", cause),
        Column("Scope", scope),
        *(Column(title, label) for title, label in zip(titles, about, strict=True)),
        Column("State", expr=state, words=parts.STATE_WORDS),
        Column("Not good", expr=verdict, is_hidden=True),
        Column("Is there", expr=info, is_hidden=True),
        Column(
            "MOS", expr=f"max by ({by}) ({names.metric('audio_mos', *_chosen(names))})", decimals=1
        ),
        sort="State",
    )


def _metric(names: Names, title: str, field: str, about: str) -> Json:
    of = names.metric(field, *_chosen(names))
    return lines(
        title,
        about,
        Query(f"max by ({names.participant}) ({of})", f"{{{{{names.participant}}}}}"),
        unit=names.unit(field),
    )


def _by_state(names: Names) -> Json:
    state = names.label(Label.STATE)
    of = names.family(levels.CONFERENCES, *_in_room(names))
    return lines(
        "Participants by state",
        "Everybody in the room who pushes.",
        Query(f"max by ({state}) ({of})", f"{{{{{state}}}}}"),
        is_stacked=True,
        colours=parts.STATE_COLOURS,
    )


def _reporting(names: Names) -> Json:
    present = names.metric("conference_participants", *_in_room(names))
    return lines(
        "Who is there and who reports",
        "The difference came with a mobile app or a telephone, or its page has no client.",
        Query(f"max({present})", "present"),
        Query(_people(names), "reporting"),
    )


# Title of a section and its panels: title, metric, what it says.
_SECTIONS = (
    (
        "Sound and network",
        (
            ("MOS, estimated", "audio_mos", "How well each hears, 1 to 4.4. Under 3.1 is bad."),
            ("Round trip", "round_trip_time", "To the bridge, or to the peer. Over 400 ms is bad."),
            ("Outage down", "outage_down", "For how long nothing has arrived."),
        ),
    ),
    (
        "Packet loss",
        (
            (
                "Loss down",
                "packetloss_download",
                "Of what is sent to the participant. Over 5 % is bad.",
            ),
            ("Loss up", "packetloss_upload", "Of what the participant sends. The others hear it."),
            ("Outage up", "outage_up", "For how long nothing that is sent is known to arrive."),
        ),
    ),
    (
        "Jitter",
        (
            ("Jitter down", "jitter_download", "Of what arrives."),
            ("Jitter up", "jitter_upload", "Of what is sent."),
            ("Made-up sound", "audio_concealed", "Share of received sound that was made up."),
        ),
    ),
    (
        "Pictures",
        (
            ("Frozen video", "freeze_time", "Time that the worst received video stood still."),
            ("Frames per second, received", "framerate_download", "Of the worst video that moves."),
            ("Frames per second, sent", "framerate_upload", "Of the largest layer."),
        ),
    ),
    (
        "Bandwidth and computer",
        (
            ("Received", "bitrate_download", "All that the participant receives."),
            ("Sent", "bitrate_upload", "All that the participant sends."),
            (
                "Held down by the computer",
                "limitation_cpu",
                "Share of the time. Not told by Firefox.",
            ),
        ),
    ),
)
