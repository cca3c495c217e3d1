"""The board "Now": is it bad, where, and whose fault is it."""

from otel_jcmc.catalogue import levels
from otel_jcmc.catalogue.levels import Label
from tools.dashboards import parts, worst
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
)


def now_board(names: Names) -> Json:
    """Return the board in one naming."""
    variables = [
        parts.service_url(),
        query_variable(
            "region",
            "Region",
            f"label_values({names.family(levels.REGIONS)}, {names.label(Label.REGION)})",
            is_many=True,
        ),
        query_variable(
            "bridge",
            "Bridge",
            f"label_values({names.family(levels.BRIDGES)}, {names.label(Label.BRIDGE)})",
            is_many=True,
        ),
    ]
    return board(
        parts.NOW_UID + names.suffix,
        "Jitsi calls: now",
        "Whose calls are bad, where, and whose fault it is. docs/verdict.md explains the words.",
        variables,
        row(
            4,
            parts.service_stat(),
            parts.looks_stat(),
            _bad_stat(names),
            _people_stat(names),
            _conferences_stat(),
            _joins_stat(),
        ),
        row(8, _standing_out(names)),
        row(8, _by_cause(names), _by_state(names)),
        row(8, _shares(names, levels.REGIONS, Label.REGION), worst.bridges(names)),
        row(9, worst.worst_conferences(names), _shares(names, levels.BRIDGES, Label.BRIDGE)),
        row(10, worst.worst_participants(names)),
        row(8, *_spread(names), title="How pushes are spread, by the region of the bridge"),
    )


def _fleet(names: Names, *matchers: str) -> str:
    """Return everybody by state and cause, once, however many replicas are scraped."""
    by = f"{names.label(Label.STATE)}, {names.label(Label.CAUSE)}"
    return f"max by ({by}) ({names.family(levels.FLEET, *matchers)})"


def _bad_stat(names: Names) -> Json:
    return stat(
        "Bad, of those known",
        f"sum({_fleet(names, parts.bad(names))}) / sum({_fleet(names, parts.known(names))})",
        "Share of participants whose call is bad, of those of whom that is known.",
        unit="percentunit",
        colours={0.05: YELLOW, 0.2: RED},
    )


def _people_stat(names: Names) -> Json:
    return stat(
        "Participants", f"sum({_fleet(names)})", "Who has pushed lately, recorders included."
    )


def _conferences_stat() -> Json:
    return stat("Conferences", "max(otel_jcmc_conferences)", "Of those participants.")


def _joins_stat() -> Json:
    failed = 'sum(increase(otel_jcmc_joins_total{outcome="failed"}[15m]))'
    return stat(
        "Joins that failed, 15 min",
        f"{failed} / (sum(increase(otel_jcmc_joins_total[15m])) > 0) or vector(0)",
        "Of all who tried to join in the last 15 minutes. Causes: the board The service.",
        unit="percentunit",
        colours={0.05: YELLOW, 0.1: RED},
    )


def _standing_out(names: Names) -> Json:
    """Return the table of what stands out."""
    what = (Label.SCOPE, Label.NAME, Label.REGION)
    by = ", ".join(names.label(label) for label in what)

    def people(word: str) -> str:
        matcher = f'{names.label(Label.COVERAGE)}="{word}"'
        return f"max by ({by}) ({names.family(levels.STANDING_OUT_COVERAGE, matcher)})"

    return table(
        "What stands out: this is to blame",
        "The fleet, regions, bridges, conferences: what is wider says it for all that is in it."
        " Beside them TURN servers, browsers, and who spoils others (sender). Bad, known, reporting"
        " and present are people, at its worst. Empty: bad calls"
        " have nothing in common, or no call is bad.",
        Column("Scope", names.label(Label.SCOPE)),
        Column("Name", names.label(Label.NAME), url=parts.conference_url(names, "Name")),
        Column("Region", names.label(Label.REGION)),
        Column(
            "Share",
            expr=f"max by ({by}) ({names.family(levels.STANDING_OUT)})",
            unit="percentunit",
            colours={0: YELLOW, 0.5: RED},
        ),
        Column(
            "Since",
            expr=f"1000 * min by ({by}) ({names.family(levels.STANDING_OUT_SINCE)})",
            unit="dateTimeFromNow",
        ),
        Column("Bad", expr=people("bad")),
        Column("Known", expr=people("known")),
        Column("Reporting", expr=people("reporting")),
        Column("Present", expr=people("present")),
        sort="Share",
    )


def _by_cause(names: Names) -> Json:
    cause = names.label(Label.CAUSE)
    return lines(
        "Bad participants by cause",
        "Why: outage, downlink and uplink are networks, received is what others send, device is the"
        " participant's computer, path a long way, pair a direct call.",
        Query(f"sum by ({cause}) ({_fleet(names, parts.bad(names))})", f"{{{{{cause}}}}}"),
        is_stacked=True,
    )


def _by_state(names: Names) -> Json:
    state = names.label(Label.STATE)
    return lines(
        "Participants by state",
        "Unknown is not good: alone, muted, the first seconds, a page that reports too little.",
        Query(f"sum by ({state}) ({_fleet(names)})", f"{{{{{state}}}}}"),
        is_stacked=True,
        colours=parts.STATE_COLOURS,
    )


def _shares(names: Names, family: levels.Family, which: Label) -> Json:
    """Return the share of bad over time, of each chosen region or bridge."""
    label = names.label(which)
    return lines(
        f"Bad by {which.value}, of those known",
        f"The variable {which.value} chooses. Calls between two have neither.",
        Query(parts.share(names, family, label, f'{label}=~"${which.value}"'), f"{{{{{label}}}}}"),
        unit="percentunit",
        most=1,
    )


def _spread(names: Names) -> list[Json]:
    """Return what the fleet's histograms say, which each replica counts of what it has taken."""
    region = names.label(Label.REGION)
    legend = f"{{{{{region}}}}}"

    def rate(of: str, by: str = region) -> str:
        return f"sum by ({by}) (rate({of}[$__rate_interval]))"

    def within(of: str) -> str:
        return f"histogram_quantile(0.95, {rate(names.buckets(of), f'le, {region}')})"

    outage, mos = "outage_down", "audio_mos"
    # Prometheus writes 0.0 where it scrapes, and 0 where it takes OTLP.
    without = rate(names.buckets(outage, 'le=~"0|0.0"'))
    badly = rate(names.buckets(mos, 'le="3.1"'))
    return [
        lines(
            "Round trip of 95 of 100 pushes",
            "As far as the buckets tell it.",
            Query(within("round_trip_time"), legend),
            unit=names.unit("round_trip_time"),
        ),
        lines(
            "Loss down of 95 of 100 pushes",
            "As far as the buckets tell it.",
            Query(within("packetloss_download"), legend),
            unit=names.unit("packetloss_download"),
        ),
        lines(
            "Pushes with bad sound",
            "MOS of at most 3.1, of all of which it is known.",
            Query(f"{badly} / {rate(names.count(mos))}", legend),
            unit="percentunit",
        ),
        lines(
            "Pushes in an outage",
            "Of all that know whether there is one.",
            Query(f"1 - {without} / {rate(names.count(outage))}", legend),
            unit="percentunit",
        ),
    ]
