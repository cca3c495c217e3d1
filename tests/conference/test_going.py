"""
A participant that goes disappears from Prometheus: at once if the browser can say so, otherwise by
expiry.

Times are those of Prometheus's scrapes, one a second, whatever else the machine does.
"""

from typing import NamedTuple

import pytest
from conference.conference import STATS_INTERVAL_MS, Tab
from conference.conftest import EXPIRATION_SECONDS, Meet, numbers, seen
from e2e.parts import Prometheus
from harness import eventually

GONE_SECONDS = 2.0
# What a push and a scrape may take on a busy machine.
SLACK_SECONDS = 1.5


class Gone(NamedTuple):
    """When two scrapes were, one after the other: the last that found somebody, and the next."""

    last_seen: float
    first_missed: float


def scrapes(prometheus: Prometheus, series: str) -> dict[float, float]:
    """Return the values of *series* by the times of the scrapes that found it."""
    found = prometheus.ask("query", query=f"{series}[5m]")["result"]
    return {float(at): float(value) for one in found for at, value in one["values"]}


def gone(prometheus: Prometheus, tab: Tab) -> Gone:
    """Wait until nothing is told of a participant."""
    eventually(lambda: not numbers(prometheus, tab), 60)
    # The call's own quality: it is told as long as anything is.
    last_seen = max(
        scrapes(prometheus, f'jitsi_jcmc_connectionquality{{participant_id="{tab.participant}"}}')
    )

    def missed() -> list[float]:
        ups = scrapes(prometheus, 'up{job="conference"}')
        return [at for at, is_up in ups.items() if is_up and at > last_seen]

    return Gone(last_seen, min(eventually(missed)))


@pytest.mark.parametrize("way", ["leave", "close"])
def test_who_leaves_is_gone_at_once_and_the_others_stay(
    meet: Meet, prometheus: Prometheus, way: str
) -> None:
    ada, bob = meet("ada", "bob")
    left_at = bob.leave() if way == "leave" else bob.close()
    first_missed = gone(prometheus, bob).first_missed - left_at
    # Alone she has no numbers any more, and goes on with her session.
    assert len(ada.sessions()) == 1
    print(f"{way}: gone {first_missed:.2f} s after")
    assert first_missed < GONE_SECONDS


def test_who_is_killed_stays_until_the_time_is_over_and_no_longer(
    meet: Meet, prometheus: Prometheus
) -> None:
    _, bob = meet("ada", "bob")
    pushed_at = bob.kill()
    last_seen, first_missed = gone(prometheus, bob)
    print(f"killed: {last_seen - pushed_at:.2f} to {first_missed - pushed_at:.2f} s after a push")
    assert first_missed - pushed_at > EXPIRATION_SECONDS - SLACK_SECONDS
    assert last_seen - pushed_at < EXPIRATION_SECONDS + SLACK_SECONDS


def test_who_comes_back_is_there_again_in_a_new_session(meet: Meet, prometheus: Prometheus) -> None:
    _, bob = meet("ada", "bob")
    bob.leave()
    gone(prometheus, bob)
    bob.join()
    eventually(lambda: seen(prometheus, bob), 60)
    eventually(lambda: len(bob.sessions()) == 2)


def test_who_is_left_alone_shows_no_old_numbers_until_a_third_one_comes(
    meet: Meet, prometheus: Prometheus
) -> None:
    """The library falls silent; the client says so within an interval, and goes on."""
    ada, bob = meet("ada", "bob")
    left_at = bob.leave()
    alone = gone(prometheus, ada)
    print(f"alone: last seen {alone.last_seen - left_at:.2f} s after")
    assert alone.last_seen - left_at < STATS_INTERVAL_MS / 1000 + SLACK_SECONDS

    (cid,) = meet("cid")
    eventually(lambda: numbers(prometheus, ada), 60)
    assert len(ada.sessions()) == 1
    assert len({ada.participant, bob.participant, cid.participant}) == 3
    assert not seen(prometheus, bob)
