"""
Checks that Prometheus can answer the dashboards' queries, and has the series in these queries.

An empty panel is not always an error: perhaps no call is bad, or no page pushes its bridge. This
file therefore does not list the panels that may be empty. Instead, it takes the names of all series
that the service exports at this moment. If a panel's query reads one of these series and Prometheus
does not have this series, the finding is an error.
"""

from collections.abc import Collection, Iterator
from time import sleep, time
from typing import Final

from otel_jcmc.catalogue.levels import FAMILIES, Level
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.config.settings import Settings, name_of
from otel_jcmc.doctor import shipped
from otel_jcmc.doctor.findings import Finding, left_open, listed, well, wrong
from otel_jcmc.doctor.promql import Api, QueryFails
from otel_jcmc.doctor.service import Portrait
from otel_jcmc.doctor.shipped import CONFERENCE, Query
from otel_jcmc.metrics.prometheus import metric_name

_PREFIX: Final[str] = Settings.model_fields["metrics_prefix"].default
_VERDICTS, _PARTICIPANTS, _SERVICE = (
    f"/metrics/{page}" for page in ("verdicts", "participants", "service")
)
_OF_LEVELS: Final = {
    *(_PREFIX + row.field for row in FAMILIES),
    *(metric_name(row.otel_name, row.otel_unit) for row in FAMILIES),
}
# The longest wait for a series to arrive in Prometheus. It is longer than any sensible scrape
# interval, and an operator who runs doctor would not wait longer.
_MOST_SECONDS: Final = 60.0
# The approximate time between a scrape and the first query that finds the scraped values.
_MARGIN_SECONDS: Final = 2.0
_LIMITS: Final = "read Prometheus's log; query.max-samples and query.timeout are its limits"
_ROAD: Final = "does a Collector on the way drop or rename it? docs/roads.md has the names"


def boards(
    api: Api, portrait: Portrait, names: Collection[str] | None, until: float
) -> Iterator[Finding]:
    """
    Return findings about the dashboards: failing queries, and series that Prometheus lacks.

    *names* are the names of all series that the service exports; None: not known. Prometheus should
    have these series by *until*, a Unix time in seconds. Raises the exceptions of `Api.labels`.
    """
    settings = portrait.settings
    naming = settings["JCMC_NAMING"]
    if naming == Naming.JCMC and settings[name_of("metrics_prefix")] != _PREFIX:
        text = f"the dashboards read {_PREFIX}..., but {name_of('metrics_prefix')} is different"
        yield left_open("prometheus", text, "replace the prefix in the dashboards and the rules")
        return
    queries = shipped.boards(naming).queries
    failing = _failing(api, naming)
    if failing:
        places = listed([*dict.fromkeys(query.place for query in failing)], between="; ")
        error = next(iter(failing.values()))
        yield wrong("prometheus", f"it can't answer {places}: {error}", _LIMITS)
    if names is None:
        yield left_open("prometheus", "the service does not say which series it exports")
        return
    lacking = _lacking(
        api, {name for each in queries for name in each.reads if name in names}, until
    )
    if lacking:
        # Some participants may have left during the wait. Prometheus need not have their series.
        lacking &= portrait.names() or frozenset()
    for page in (_VERDICTS, _PARTICIPANTS, _SERVICE):
        if of_page := {name for name in lacking if _page_of(name) == page}:
            yield _empty(portrait, page, of_page, queries)
    if not lacking and not failing:
        yield well("prometheus", f"it has all series that the dashboards in {naming}/ read")
    yield from _unsaid(portrait, names)


def _failing(api: Api, naming: str) -> dict[Query, str]:
    """Return the queries of *naming*'s dashboards that Prometheus can't answer: query -> error."""
    of = shipped.boards(naming)
    found: dict[Query, str] = {}
    chosen = {}
    for query in of.queries:
        if CONFERENCE in query.expr and CONFERENCE not in chosen:
            labels = api.labels(of.conferences)
            name = labels[0].get(of.label, "") if labels else ""
            chosen[CONFERENCE] = name.translate(_ESCAPES)
        try:
            api.labels(shipped.fill(query.expr, chosen))
        except QueryFails as error:
            found[query] = str(error)
    return found


_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def _lacking(api: Api, names: set[str], until: float) -> set[str]:
    """
    Wait until Prometheus has series with all *names*, but not much longer than *until*.

    Returns the names of which Prometheus then still has no series.
    """
    until = min(until, time() + _MOST_SECONDS) + _MARGIN_SECONDS
    while names := {name for name in names if not _has(api, name)}:
        if time() > until:
            break
        sleep(1)
    return names


def _has(api: Api, name: str) -> bool:
    """Return whether Prometheus has series *name*; True if it has too many to answer the query."""
    try:
        return api.has(name)
    except QueryFails:
        return True


def _page_of(name: str) -> str:
    """Return, of the scrape paths that export the series *name*, the path with fewest series."""
    if name in _OF_LEVELS:
        return _VERDICTS
    return (
        _SERVICE
        if name.startswith(("otel_jcmc_", "jitsi_fleet_", "jitsi_jcmc_fleet_"))
        else _PARTICIPANTS
    )


def _empty(portrait: Portrait, page: str, names: set[str], queries: tuple[Query, ...]) -> Finding:
    """Return the finding that panels are empty because Prometheus lacks the series *names*."""
    places = dict.fromkeys(each.place for each in queries if names.intersection(each.reads))
    panels = listed([*places], between="; ")
    text = f"it has no {listed(sorted(names), 3)}, so these are empty: {panels}"
    scraped = f"scrape {page}, or /metrics, and check metric_relabel_configs of the job"
    return wrong("prometheus", text, scraped if portrait.has_exporter("prometheus") else _ROAD)


def _unsaid(portrait: Portrait, names: Collection[str]) -> Iterator[Finding]:
    """Return findings about panels for which the service exports no series at this moment."""
    told = portrait.settings["JCMC_SERIES"].split(",")
    if untold := [level.value for level in Level if level not in told]:
        text = f"panels of {', '.join(untold)} stay empty: JCMC_SERIES does not name them"
        yield left_open("prometheus", text)
    elif not any(_page_of(name) == _PARTICIPANTS and name.startswith("jitsi_") for name in names):
        yield left_open("prometheus", "no participant is live: ask again during a conference")
