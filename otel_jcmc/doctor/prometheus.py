"""
Prometheus, where its URL is given: its targets, its rules, and what the dashboards ask it for.

Source: Prometheus, HTTP API (targets, rules, instant queries).
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from otel_jcmc.doctor.asking import Unreachable, ask
from otel_jcmc.doctor.findings import Finding, left_open, well, wrong
from otel_jcmc.doctor.service import Portrait

_JOBS: Final = "give it the jobs of collector-config/prometheus.yaml"
# What begins the error of a target, or is in it, and what to do.
_ERRORS: Final = {
    "sample limit exceeded": "raise sample_limit of the job, or tell of fewer: JCMC_SERIES",
    "body size limit exceeded": "raise body_size_limit of the job, or scrape in shares",
    "context deadline exceeded": "raise scrape_timeout of the job, or scrape in shares",
    "HTTP status 401": "give the job JCMC_SCRAPE_TOKEN as its credentials",
    "HTTP status 403": "Prometheus's address is not private: ALLOW_PRIVATE_SCRAPE_ONLY,"
    " JCMC_SCRAPE_TOKEN",
    "HTTP status 404": "OTEL_METRICS_EXPORTER must name prometheus; with JCMC_ADMIN_PORT the"
    " target is that port",
    "connection refused": "nobody listens at the job's target",
}


def prometheus(url: str, portrait: Portrait | None) -> Iterator[Finding]:
    """Return what Prometheus at *url* has of us."""
    try:
        targets = _get(url, "targets?state=active")["activeTargets"]
        rules = _get(url, "rules?type=alert")["groups"]
    except Unreachable as away:
        remedy = "--prometheus is its own URL, such as http://127.0.0.1:9090"
        yield wrong("prometheus", f"it does not answer at {url}: {away}", remedy)
        return
    ours = [each for each in targets if _is_ours(url, each)]
    sick = [each for each in ours if each["health"] == "down"]
    for each in sick:
        error = each["lastError"]
        remedy = next((todo for word, todo in _ERRORS.items() if word in error), _JOBS)
        text = f"it can't scrape {each['scrapeUrl'].partition('?')[0]}: {error}"
        yield wrong("prometheus", text, remedy)
    if not ours:
        yield wrong("prometheus", "it scrapes no otel_jcmc", _JOBS)
    elif not sick:
        yield well("prometheus", f"it scrapes {len(ours)} target(s) of otel_jcmc, all are up")
    alerts = [rule for group in rules for rule in group["rules"] if _is_alert(rule["name"])]
    if alerts:
        yield well("prometheus", f"{len(alerts)} of our alerts are loaded")
    else:
        remedy = "they are collector-config/rules/; the dashboards need none of them"
        yield left_open("prometheus", "none of our alerts are loaded", remedy)
    if ours and not sick:
        yield from _boards(url, portrait)


def _boards(url: str, portrait: Portrait | None) -> Iterator[Finding]:
    """Return whether what the dashboards ask for is there."""
    naming = portrait.settings.get("JCMC_NAMING", "jcmc") if portrait else "jcmc"
    asked = asked_by_boards(naming)
    empty = [each for each in asked if not _has(url, each)]
    if not empty:
        yield well("prometheus", f"what the dashboards in {naming}/ ask for is there")
        return
    if asked[0] not in empty and portrait is not None and not portrait.told["live"]:
        yield left_open("prometheus", f"nobody is live, so it has no {empty[0]}")
        return
    remedy = (
        f"import the boards of collector-config/grafana/dashboards/{naming}/, scrape /metrics or"
        " /metrics/verdicts and /metrics/participants, and see JCMC_SERIES"
    )
    yield wrong("prometheus", f"the dashboards will be empty: it has no {', '.join(empty)}", remedy)


def asked_by_boards(naming: str) -> list[str]:
    """Return one series for each page that the dashboards of *naming* live on, ours first."""
    if naming == "otel":
        return [
            "otel_jcmc_store_up",
            "jitsi_client_verdict_state",
            "jitsi_fleet_participants",
        ]
    return [
        "otel_jcmc_store_up",
        "jitsi_jcmc_verdict_state",
        "jitsi_jcmc_fleet_participants_state",
    ]


def _has(url: str, series: str) -> bool:
    """Say whether Prometheus has *series* now."""
    try:
        return bool(_get(url, f"query?query={quote(f'count({series})')}")["result"])
    except Unreachable:
        return False


def _is_ours(url: str, target: dict[str, Any]) -> bool:
    """Say whether *target* is one of ours: by its series, or its job's name or path."""
    labels = target["labels"]
    if "jcmc" in labels.get("job", "") or "/metrics/verdicts" in target["scrapeUrl"]:
        return True
    chosen = ",".join(f'{name}="{labels[name]}"' for name in ("job", "instance"))
    return _has(url, f"otel_jcmc_build_info{{{chosen}}}") or _has(
        url, f"last_over_time(otel_jcmc_build_info{{{chosen}}}[1h])"
    )


def _is_alert(name: str) -> bool:
    return name.startswith(("OtelJcmc", "Jitsi"))


def _get(url: str, path: str) -> Any:
    """
    Return the data of an answer of the HTTP API.

    Raises:
        Unreachable: there is none.
    """
    answer = ask(f"{url}/api/v1/{path}")
    told = answer.json()
    if answer.status != 200 or not isinstance(told, dict) or "data" not in told:
        raise Unreachable(f"what answers is no Prometheus ({answer.status})")
    return told["data"]
