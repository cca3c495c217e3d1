"""
Checks whether our metrics reach Prometheus by scrapes or by OTLP, if the operator gives its URL.

rules.py checks the rules that Prometheus has loaded. boards.py checks the dashboards' queries.

Source: Prometheus, HTTP API (targets).
"""

from collections.abc import Iterator
from time import time
from typing import Any, Final
from urllib.parse import urlsplit

from otel_jcmc.doctor.asking import Unreachable
from otel_jcmc.doctor.boards import boards
from otel_jcmc.doctor.findings import Finding, well, wrong
from otel_jcmc.doctor.promql import Api, QueryFails
from otel_jcmc.doctor.rules import rules
from otel_jcmc.doctor.service import Portrait

_JOBS: Final = "give it the jobs of collector-config/prometheus.yaml"
_ROADS: Final = (
    "does it scrape the Collector's page, or take OTLP itself, and is that where"
    " OTEL_EXPORTER_OTLP_ENDPOINT leads? docs/roads.md has the files of each road"
)
# Words in the error of a Prometheus target -> what the operator can do.
_ERRORS: Final = {
    "sample limit exceeded": "raise sample_limit of the job, or export less: JCMC_SERIES",
    "body size limit exceeded": "raise body_size_limit of the job, or scrape in shares",
    "context deadline exceeded": "raise scrape_timeout of the job, or scrape in shares",
    "HTTP status 401": "give the job JCMC_SCRAPE_TOKEN as its credentials",
    "HTTP status 403": "Prometheus's address is not private: ALLOW_PRIVATE_SCRAPE_ONLY,"
    " JCMC_SCRAPE_TOKEN",
    "HTTP status 404": "OTEL_METRICS_EXPORTER must name prometheus; with JCMC_ADMIN_PORT the"
    " target must have that port",
    "connection refused": "the service does not listen at the job's target",
}
# A value needs at most about this long through a Collector. The Collector scrapes every 15 s
# (otelcol-scrape.yaml), and then waits until its batch is complete.
_COLLECTOR_SECONDS: Final = 25.0
_BUILD: Final = "otel_jcmc_build_info"


def prometheus(url: str, portrait: Portrait | None) -> Iterator[Finding]:
    """Check the Prometheus at *url*: its targets, its rules and the dashboards' queries."""
    try:
        yield from _looked_at(Api(url), portrait)
    except Unreachable as away:
        remedy = "is --prometheus its URL, such as http://127.0.0.1:9090? Is it overloaded?"
        yield wrong("prometheus", f"it does not answer at {url}: {away}", remedy)
    except QueryFails as error:
        yield wrong("prometheus", f"it can't answer: {error}", "read Prometheus's log")


def _looked_at(api: Api, portrait: Portrait | None) -> Iterator[Finding]:
    """Make all checks of a Prometheus that answers; raises the exceptions of `Api.get`."""
    # Doctor asks the service for its series first, so that Prometheus has time to scrape them.
    names, asked_at = portrait.names() if portrait else None, time()
    targets = api.get("targets?state=active")["activeTargets"]
    groups = api.get("rules")["groups"]
    ours, has_us = _ours(api, targets, portrait), api.has(_BUILD)
    sick = [each for each in ours if each["health"] == "down"]
    yield from _targets(ours, sick, portrait, has_us=has_us)
    yield from rules(groups, api)
    if portrait is not None and not sick and (ours or has_us):
        seconds = max(map(_interval, ours), default=_road_seconds(portrait))
        yield from boards(api, portrait, names, asked_at + seconds)


def _targets(
    ours: list[dict[str, Any]],
    sick: list[dict[str, Any]],
    portrait: Portrait | None,
    *,
    has_us: bool,
) -> Iterator[Finding]:
    """
    Check whether our metrics reach Prometheus.

    *ours* are the targets of Prometheus that are our service. *sick* are the targets among *ours*
    that Prometheus can't scrape. *has_us*: whether Prometheus has our metrics.
    """
    for each in sick:
        error = each["lastError"]
        remedy = next((todo for word, todo in _ERRORS.items() if word in error), _JOBS)
        text = f"it can't scrape {each['scrapeUrl'].partition('?')[0]}: {error}"
        yield wrong("prometheus", text, remedy)
    if ours and not sick:
        yield well("prometheus", f"it scrapes {len(ours)} target(s) of otel_jcmc, all are up")
    elif not ours and has_us:
        yield well(
            "prometheus", "it has otel_jcmc's metrics, and gets them by another road than a scrape"
        )
    elif not ours and portrait is not None and portrait.has_exporter("otlp"):
        yield wrong(
            "prometheus", "it has no metric of otel_jcmc, neither by scrape nor by OTLP", _ROADS
        )
    elif not ours:
        yield wrong("prometheus", "it does not scrape otel_jcmc", _JOBS)


def _ours(
    api: Api, targets: list[dict[str, Any]], portrait: Portrait | None
) -> list[dict[str, Any]]:
    """Return the *targets* that are our service by their job, path, address or series."""
    told = {each.get("instance") for each in api.labels(f"last_over_time({_BUILD}[1h])")}
    address = urlsplit(portrait.url).netloc if portrait else ""
    return [
        each
        for each in targets
        if "jcmc" in each["labels"].get("job", "")
        or "/metrics/verdicts" in each["scrapeUrl"]
        or each["labels"].get("instance") in told
        or urlsplit(each["scrapeUrl"]).netloc == address
    ]


def _interval(target: dict[str, Any]) -> float:
    """Return the scrape interval of a *target* in seconds; Prometheus writes it like `1m30s`."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    seconds, number = 0.0, ""
    for each in str(target.get("scrapeInterval", "")).replace("ms", ""):
        if each in units:
            seconds, number = seconds + units[each] * float(number or 0), ""
        else:
            number += each
    return seconds


def _road_seconds(portrait: Portrait) -> float:
    """Return after how many seconds a value reaches Prometheus by a Collector or by OTLP."""
    interval_ms = portrait.settings.get("OTEL_METRIC_EXPORT_INTERVAL", "0")
    return max(_COLLECTOR_SECONDS, float(interval_ms) / 1000)
