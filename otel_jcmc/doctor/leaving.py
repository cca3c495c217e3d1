"""Checks each output of the service: when a receiver last took data, or why it took none."""

from collections.abc import Iterator
from typing import Final

from otel_jcmc.doctor.findings import Finding, left_open, well, wrong
from otel_jcmc.doctor.service import LONG_SECONDS, Portrait, ago

_SCRAPE: Final = (
    "give Prometheus the jobs of collector-config/prometheus.yaml; its page /targets shows"
    " failures; doctor reads them with --prometheus"
)
_CUT: Final = (
    "Prometheus closed the connection: raise its scrape_timeout or body_size_limit, or scrape in"
    " shares (docs/operations.md)"
)
_DOOR: Final = {
    "address": "Prometheus's address is not private (ALLOW_PRIVATE_SCRAPE_ONLY)",
    "token_missing": "Prometheus sends no token: give it JCMC_SCRAPE_TOKEN as its credentials",
    "token_wrong": "Prometheus's token is not JCMC_SCRAPE_TOKEN",
    "busy": "too many scrapes ran at once (JCMC_LIMIT_SCRAPES)",
}
# Words in the error of a receiver -> what the operator can do.
_WORDS: Final = {
    "HTTP 401": "the receiver wants credentials: OTEL_EXPORTER_OTLP_HEADERS",
    "HTTP 403": "the receiver does not take these credentials: OTEL_EXPORTER_OTLP_HEADERS",
    "HTTP 404": "the path is wrong: OTEL_EXPORTER_OTLP_ENDPOINT is the receiver's base, without"
    " /v1/metrics",
    "HTTP 413": "raise the receiver's limit: client_max_body_size of nginx,"
    " max_request_body_size of a Collector",
    "HTTP 3": "the endpoint redirects, and the service follows no redirect: set the final URL",
    "RESOURCE_EXHAUSTED": "raise max_recv_msg_size_mib of the Collector",
    "UNAUTHENTICATED": "the receiver wants credentials: OTEL_EXPORTER_OTLP_HEADERS",
    "rejects": "read the receiver's log",
    "Redis": "see the findings about the store",
}
_AWAY: Final = "is the receiver up, and do OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL fit it?"


def scrape(portrait: Portrait) -> Iterator[Finding]:
    """Return findings about scrapes: when the last scrape came, or why no scrape came."""
    if not portrait.has_exporter("prometheus"):
        yield left_open("scrape", "OTEL_METRICS_EXPORTER does not name prometheus")
        return
    told = portrait.told
    age, failed_at = portrait.age("scraped_at"), told["scrape_failed_at"]
    if failed_at and failed_at > (told["times"]["scraped_at"] or 0) and portrait.is_ready:
        yield wrong("scrape", "Prometheus did not read the last one to its end", _CUT)
    elif age is None or age > LONG_SECONDS:
        doors = [_DOOR[each] for each in told["scrapes_refused"] if each in _DOOR]
        text = "none since the service started" if age is None else f"the last one was {ago(age)}"
        if doors:
            yield wrong("scrape", f"{text}; the service refused some", "; ".join(doors))
        elif portrait.has_exporter("otlp"):
            remedy = "fine if you use OTLP alone; OTEL_METRICS_EXPORTER then needs no prometheus"
            yield left_open("scrape", text, remedy)
        else:
            yield wrong("scrape", text, _SCRAPE)
    else:
        yield well("scrape", f"the last one was {ago(age)}")


def otlp(portrait: Portrait) -> Iterator[Finding]:
    """Return findings about metrics by OTLP: when the receiver last took some, or why not."""
    if not portrait.has_exporter("otlp"):
        return
    words = portrait.told["words"]
    why = words.get("otlp") or words.get("own")
    age = portrait.age("exported_at")
    if why and (portrait.is_ready or not why.startswith("Redis")):
        yield wrong("otlp", f"the receiver does not take metrics: {why}", _remedy(why))
    elif age is None:
        text = "the service has sent nothing yet: ask again after OTEL_METRIC_EXPORT_INTERVAL"
        yield left_open("otlp", text)
    else:
        yield well("otlp", f"the receiver last took metrics {ago(age)}")


def traces(portrait: Portrait) -> Iterator[Finding]:
    """Return findings about spans: when the receiver last took spans, or why it did not."""
    if portrait.settings.get("OTEL_TRACES_EXPORTER") == "otlp":
        none = "no session has become a span since the service started"
        yield _waiting(portrait, "traces", "spans", none)


def logs(portrait: Portrait) -> Iterator[Finding]:
    """Return findings about events: when the receiver last took events, or why it did not."""
    if portrait.settings.get("OTEL_LOGS_EXPORTER") == "otlp":
        none = "no event has happened since the service started"
        yield _waiting(portrait, "logs", "events", none)


def _waiting(portrait: Portrait, topic: str, what: str, none: str) -> Finding:
    """
    Return a finding about the spans or events (*what*) that wait in Redis for their receiver.

    *none* is the finding's text if the receiver has not taken any spans or events yet.
    """
    why, waiting = portrait.told["words"].get(what), portrait.told.get(f"{what}_waiting") or 0
    age = portrait.age(f"{what}_at")
    if why:
        return wrong(topic, f"{waiting} {what} wait: the receiver {why}", _remedy(why))
    if age is None:
        return left_open(topic, none)
    return well(topic, f"the receiver last took {what} {ago(age)}")


def _remedy(why: str) -> str:
    """Return what the operator can do about *why*, the error of a receiver."""
    return next((remedy for word, remedy in _WORDS.items() if word in why), _AWAY)
