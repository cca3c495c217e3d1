"""Makes all checks of doctor, from the settings and the store to Prometheus."""

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

# The settings of the addresses on which a process listens. This shell and the service may have
# different values of these settings.
_OF_PLACE = frozenset(("JCMC_HOST", "JCMC_PORT", "JCMC_ADMIN_PORT", "JCMC_ADMIN_HOST"))


class Asked(NamedTuple):
    """
    The URLs that doctor asks; none ends with a slash.

    Attributes:
        url: the URL of the service's port for operators and scrapes.
        local_url: the URL of the service's port for browsers, without a proxy.
        public_url: the service's URL for browsers, through a proxy; None: no proxy.
        page_url: the URL of a conference's page; None: doctor does not check the page.
        prometheus_url: the URL of Prometheus; None: doctor does not check Prometheus.
    """

    url: str
    local_url: str
    public_url: str | None = None
    page_url: str | None = None
    prometheus_url: str | None = None


def examine(settings: Settings, asked: Asked) -> Iterator[Finding]:
    """Make the checks at the URLs *asked* and return the findings; *settings*: of this shell."""
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
            text = "doctor asked the service directly, and not by the URL that browsers use"
            yield left_open("page", text, "--public-url https://meet.example.org/metrics-collector")
        yield from leaving.scrape(portrait)
        yield from leaving.otlp(portrait)
        yield from leaving.traces(portrait)
        yield from leaving.logs(portrait)
    if asked.prometheus_url is not None:
        yield from prometheus(asked.prometheus_url, portrait)


def _settings(settings: Settings, portrait: Portrait | None) -> Iterator[Finding]:
    """Return findings about the service's settings; without *portrait*, about this shell's."""
    if portrait is None:
        yield well("settings", "this shell's are valid; the service may have others")
        lines = advice(settings)
    else:
        here, there = shown_settings(settings), portrait.settings
        names = {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)}
        if others := sorted(names - _OF_PLACE):
            text = f"the service and this shell differ in {', '.join(others)}"
            yield left_open("settings", text, "the lines below are about the service's settings")
        else:
            yield well("settings", "they are valid, and the service has the same")
        lines = portrait.told["advice"]
    for line in lines:
        yield left_open("settings", line)
