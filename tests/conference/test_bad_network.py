"""What the network loses and delays, and for which participant Prometheus shows it."""

from conference.conference import Tab
from conference.conftest import Meet
from conference.relay import Relay
from e2e.parts import Prometheus
from harness import eventually

LOSS_PERCENT = 10.0
# Until the other side has reported the loss, and two pushes have told of it.
SETTLED_SECONDS = 8
WINDOW_SECONDS = 20
DELAY_MS = 150.0


def average(prometheus: Prometheus, metric: str, tab: Tab) -> tuple[float, float]:
    """Return a participant's average over the window, and how many samples it is of."""
    series = f'{metric}{{participant_id="{tab.participant}"}}[{WINDOW_SECONDS}s]'
    known = prometheus.value(f"avg_over_time({series})")
    count = prometheus.value(f"count_over_time({series})")
    assert known is not None
    assert count is not None
    return known, count


def test_loss_on_the_way_up_is_told_of_who_sends_and_of_nobody_else(
    meet: Meet, prometheus: Prometheus, relay: Relay
) -> None:
    ada, bob = meet("ada", "bob")
    with relay.impaired("ada", LOSS_PERCENT) as uplink:
        before = ada.count_uplink()
        ada.page.wait_for_timeout(1000 * (SETTLED_SECONDS + WINDOW_SECONDS))
        after = ada.count_uplink()
        metric = "jitsi_jcmc_packetloss_upload"
        told = {tab.name: average(prometheus, metric, tab) for tab in (ada, bob)}
    lost = 100 * (after.lost - before.lost) / (after.sent - before.sent)
    print(f"{before} {after}: {lost:.1f} % lost; told {told}; {uplink}")

    assert after.sent - before.sent > 500
    assert 5 < lost < 15, "the relay's loss, as the browser has it"
    # The other side reports on sound every 5 s: of samples every 2 s two in five know.
    assert all(count >= WINDOW_SECONDS * 0.2 for _, count in told.values())
    assert 5 < told["ada"][0] < 15
    assert told["bob"][0] < 3


def test_delay_on_the_way_up_is_told_of_both_whose_round_trip_it_is(
    meet: Meet, prometheus: Prometheus, relay: Relay
) -> None:
    tabs = meet("ada", "bob")
    series = [f'jitsi_jcmc_transport_rtt{{participant_id="{tab.participant}"}}' for tab in tabs]

    def rtts_ms() -> list[float]:
        return [prometheus.value(one) or 0.0 for one in series]

    eventually(lambda: all(0 < rtt < DELAY_MS for rtt in rtts_ms()), 60)
    with relay.impaired("ada", delay_seconds=DELAY_MS / 1000):
        eventually(lambda: all(DELAY_MS <= rtt < 2 * DELAY_MS for rtt in rtts_ms()), 60)
