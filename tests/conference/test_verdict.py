"""
Whose call is bad and why: a conference of three through a bridge, from browsers to Prometheus.

Each of the three has a transport of its own to the bridge. Everything happens to ada. Two pushes
after it can be known, her cause must be right; the others must never have one.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest
from conference.conference import Tab, opened_tab, running_site
from conference.doorway import Doorway, running_doorway
from conference.prosody import BRIDGE_FOCUS, Prosody, running_bridge
from conference.relay import SOUND, Conditions, Relay
from e2e.parts import Prometheus
from harness import Service, eventually
from playwright.sync_api import Browser

NAMES = ("ada", "bob", "cid")
LOSSY = Conditions(loss_percent=20)
FAR = Conditions(delay_seconds=0.3)
DEAD = Conditions(is_dead=True)
# What a scrape may come after the push that it tells of.
SCRAPED_SECONDS = 1.5
# Causes that say that it is this participant's own.
OWN = {"downlink", "uplink", "path", "outage", "device", "downlink_or_received", "pair"}


@dataclass
class Meeting:
    """
    The conference.

    Attributes:
        pushes: by tab, when each push has come, in seconds since 1970.
    """

    tabs: dict[str, Tab]
    prometheus: Prometheus
    relay: Relay
    doorway: Doorway
    pushes: dict[str, list[float]]

    def wait(self, seconds: float) -> None:
        """Let time pass, and the browsers' events come."""
        self.tabs["ada"].page.wait_for_timeout(1000 * seconds)

    def causes(self, tab: str, since: float) -> dict[float, str]:
        """Return what is told of a tab, by the times of the scrapes that found it."""
        series = f'jitsi_jcmc_verdict{{participant_id="{self.tabs[tab].participant}"}}[3m]'
        found = self.prometheus.ask("query", query=series)["result"]
        return {
            float(at): one["metric"]["cause"]
            for one in found
            for at, _ in one["values"]
            if float(at) > since
        }

    def are_good(self) -> bool:
        """Say whether the last thing told of each is that the call is good."""
        room = self.tabs["ada"].room
        told = self.prometheus.query(f'jitsi_jcmc_verdict_state{{roomname="{room}"}}')
        return [*told.values()] == [0.0] * len(NAMES)

    def pushes_until(self, cause: str, tab: str, since: float) -> int:
        """Wait until *cause* is told of a tab; how many pushes that has taken."""

        def first() -> float | None:
            self.wait(0.1)
            return min(
                (at for at, told in self.causes(tab, since).items() if told == cause), default=None
            )

        at = eventually(first, 30)
        assert at is not None
        count = sum(since < pushed <= at for pushed in self.pushes[tab])
        print(f"{cause} of {tab}: {count} pushes, {at - since:.1f} s")
        return count

    def reaches(self, scope: str, tab: str) -> bool:
        """Say whether the last scrape has *scope* for what is wrong with a tab."""
        self.wait(0.1)
        participant = self.tabs[tab].participant
        series = f'jitsi_jcmc_verdict{{participant_id="{participant}",scope="{scope}"}}'
        return self.prometheus.value(series) == 1

    def blamed(self, tab: str, since: float) -> set[str]:
        """Return which causes of its own are told of a tab, when all scrapes have come."""
        self.wait(SCRAPED_SECONDS)
        return OWN & set(self.causes(tab, since).values())


@pytest.fixture(scope="module")
def meeting(
    browser: Browser,
    road: Service,
    relay: Relay,
    prosody: Prosody,
    prometheus: Prometheus,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Meeting]:
    """Return three who hear and see each other through the bridge, and are known to be well."""
    pushes: dict[str, list[float]] = {name: [] for name in NAMES}
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(running_bridge(prosody, tmp_path_factory.mktemp("bridge") / "log"))
        doorway = enter(running_doorway(road.url, lambda tab, push: pushes[tab].append(push["t"])))
        site = enter(running_site(f"{doorway.url}/client-file", relay))
        tabs = {name: enter(opened_tab(browser, site, name)) for name in NAMES}
        for tab in tabs.values():
            tab.open("verdict", prosody.url, BRIDGE_FOCUS)
            tab.join()
        meeting = Meeting(tabs, prometheus, relay, doorway, pushes)
        eventually(meeting.are_good, 60)
        yield meeting


@pytest.fixture
def since(meeting: Meeting) -> Iterator[float]:
    """Return when it begins, all being well; in the end ada's link is sound again."""
    eventually(meeting.are_good, 60)
    yield time.time()
    link = meeting.relay.link("ada")
    link.up.conditions = link.down.conditions = SOUND
    meeting.doorway.cut.clear()


def test_who_loses_on_the_way_up_has_an_uplink_and_the_others_receive_it(
    meeting: Meeting, since: float
) -> None:
    meeting.relay.link("ada").up.conditions = LOSSY
    # The bridge reports each second: a push may come before that.
    assert meeting.pushes_until("uplink", "ada", since) <= 3
    for other in ("bob", "cid"):
        assert meeting.pushes_until("received", other, since) <= 3
        assert meeting.blamed(other, since) == set()
    assert meeting.blamed("ada", since) == {"uplink"}
    # Everybody is looked at every ten seconds: then it is known who spoils it for whom.
    for tab in NAMES:
        eventually(partial(meeting.reaches, "sender", tab), 30)


def test_who_loses_on_the_way_down_has_a_downlink_and_nobody_else_is_blamed(
    meeting: Meeting, since: float
) -> None:
    meeting.relay.link("ada").down.conditions = LOSSY
    assert meeting.pushes_until("downlink", "ada", since) <= 2
    assert meeting.blamed("ada", since) == {"downlink"}
    assert [meeting.blamed(other, since) for other in ("bob", "cid")] == [set(), set()]


def test_who_is_far_away_has_a_long_path_and_nobody_else_is_blamed(
    meeting: Meeting, since: float
) -> None:
    link = meeting.relay.link("ada")
    link.up.conditions = link.down.conditions = FAR
    # Chromium measures it every 2.5 s.
    assert meeting.pushes_until("path", "ada", since) <= 4
    assert meeting.blamed("ada", since) == {"path"}
    assert [meeting.blamed(other, since) for other in ("bob", "cid")] == [set(), set()]


def test_who_was_cut_off_pushes_and_all_had_an_outage_and_nobody_else_is_blamed(
    meeting: Meeting, since: float
) -> None:
    link = meeting.relay.link("ada")
    link.up.conditions = link.down.conditions = DEAD
    meeting.doorway.cut.add("ada")
    meeting.wait(12)
    back = time.time()
    link.up.conditions = link.down.conditions = SOUND
    meeting.doorway.cut.clear()
    assert meeting.pushes_until("outage", "ada", back) <= 2
    # After it Chromium begins with few bits: for some seconds the picture is smaller than wanted.
    assert meeting.blamed("ada", since) <= {"outage", "uplink"}
    assert [meeting.blamed(other, since) for other in ("bob", "cid")] == [set(), set()]
