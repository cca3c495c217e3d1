"""Everything that doctor looks at, in the order of the road: one list of findings."""

from collections.abc import Iterator
from typing import NamedTuple

from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.config.shown import shown_settings
from otel_jcmc.doctor import leaving
from otel_jcmc.doctor.findings import Finding, left_open, well
from otel_jcmc.doctor.page import page, site_of
from otel_jcmc.doctor.prometheus import prometheus
from otel_jcmc.doctor.service import Portrait, find_service, pushes
from otel_jcmc.doctor.store import store

# Who runs where, and not how: a shell beside the service has others.
_OF_PLACE = frozenset(("JCMC_HOST", "JCMC_PORT", "JCMC_ADMIN_PORT", "JCMC_ADMIN_HOST"))


class Asked(NamedTuple):
    """
    What doctor is to look at; URLs end with no slash.

    Attributes:
        url: of the service, where it answers what is not for browsers.
        local_url: of the same, where browsers are answered.
        public_url: what browsers reach it by; None: it is not behind anything.
        page_url: of a conference's page; None: it is not looked at.
        prometheus_url: of Prometheus; None: it is not asked.
    """

    url: str
    local_url: str
    public_url: str | None = None
    page_url: str | None = None
    prometheus_url: str | None = None


def examine(settings: Settings, asked: Asked) -> Iterator[Finding]:
    """Return what is found, link by link; *settings* are those here."""
    portrait, of_service = find_service(asked.url, to_text(settings.read_token or ""))
    yield from _settings(settings, portrait)
    yield from store(settings, portrait)
    yield from of_service
    if portrait is not None:
        yield from pushes(portrait)
        yield from page(
            portrait, site_of(portrait, asked.public_url or asked.local_url, asked.page_url)
        )
        if asked.public_url is None:
            text = "this was asked of the service itself, and not as browsers reach it"
            yield left_open("page", text, "--public-url https://meet.example.org/metrics-collector")
        yield from leaving.scrape(portrait)
        yield from leaving.otlp(portrait)
        yield from leaving.traces(portrait)
        yield from leaving.logs(portrait)
    if asked.prometheus_url is not None:
        yield from prometheus(asked.prometheus_url, portrait)


def _settings(settings: Settings, portrait: Portrait | None) -> Iterator[Finding]:
    """Return what is likely to disappoint: of the service's settings, else of those here."""
    if portrait is None:
        yield well("settings", "they are good; the service's own may be others")
        lines = advice(settings)
    else:
        here, there = shown_settings(settings), portrait.settings
        names = {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)}
        if others := sorted(names - _OF_PLACE):
            text = f"the service has others than this shell: {', '.join(others)}"
            yield left_open("settings", text, "what follows is of the service's own")
        else:
            yield well("settings", "they are good, and those of the service")
        lines = portrait.told["advice"]
    for line in lines:
        yield left_open("settings", line)
