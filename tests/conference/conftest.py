"""Fixtures of the conferences: the whole road from a fake camera to Prometheus."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from conference.conference import Tab, opened_tab, running_browser, running_site
from conference.prosody import Prosody, running_prosody
from conference.relay import Relay, running_relay
from e2e.parts import Prometheus, running_prometheus
from harness import Service, eventually
from playwright.sync_api import Browser
from series_names import OURS

Meet = Callable[..., list[Tab]]

EXPIRATION_SECONDS = 10


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as running:
        yield running


@pytest.fixture(scope="session")
def road(prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a running service that Prometheus scrapes every second."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with (
        Service(folder, METRICS_EXPIRATION=str(EXPIRATION_SECONDS)) as service,
        prometheus.scraping("conference", service.url),
    ):
        yield service


@pytest.fixture(scope="session")
def prosody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    with running_prosody(tmp_path_factory.mktemp("prosody")) as running:
        yield running


@pytest.fixture(scope="session")
def xmpp(prosody: Prosody) -> str:
    return prosody.url


@pytest.fixture(scope="session")
def relay() -> Iterator[Relay]:
    with running_relay() as running:
        yield running


@pytest.fixture(scope="session")
def site(road: Service, relay: Relay) -> Iterator[str]:
    with running_site(f"{road.url}/client-file", relay) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium; not for the whole run, because later tests could run no loop."""
    with running_browser() as chromium:
        yield chromium


@pytest.fixture
def meet(
    browser: Browser, site: str, xmpp: str, room: str, prometheus: Prometheus
) -> Iterator[Meet]:
    """Return a function that lets participants join, until Prometheus knows them."""
    with ExitStack() as stack:

        def join(*names: str) -> list[Tab]:
            tabs = [stack.enter_context(opened_tab(browser, site, name)) for name in names]
            for tab in tabs:
                tab.open(room, xmpp)
                tab.join()
            eventually(lambda: all(seen(prometheus, tab) for tab in tabs), 60)
            return tabs

        yield join


def seen(prometheus: Prometheus, tab: Tab) -> dict[str, float]:
    """Return the series of a participant, without the labels that all of them have."""
    identity = ("participant_id", "roomname", "client_id")
    return prometheus.query(f'{{job="conference",participant_id="{tab.participant}"}}', *identity)


def numbers(prometheus: Prometheus, tab: Tab) -> dict[str, float]:
    """Return the same without the series that the service itself derives."""
    found = seen(prometheus, tab)
    return {name: value for name, value in found.items() if name.partition("{")[0] not in OURS}
