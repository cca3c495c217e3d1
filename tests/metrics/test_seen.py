"""metrics/seen.py: what the verdict needs of a participant, from the contents of Redis."""

from typing import Any

import pytest
from harness import CLIENT_ID
from people import apart, value_of

from otel_jcmc.metrics.seen import who_is
from otel_jcmc.store.participant import from_value, to_write
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

WHO = {64: "standup", 65: CLIENT_ID, 66: "ada"}
BRIDGE = {98: "jvb-1"}
DIRECT = {102: "true"}
OURS, ORIGINAL = {101: "otel_jcmc"}, {101: "original"}
TO_PEER, TO_BRIDGE = {13: [[20, {85: "true"}]]}, {13: [[20, {85: "false"}]]}


def seen(*told: dict[int, Any]) -> Any:
    """Return what is known of a participant with these values."""
    all_: dict[int, Any] = dict(WHO)
    for each in told:
        all_ |= each
    report = Report("standup", CLIENT_ID, "ada", Session("", -1, 0, ""), *apart(all_))
    made = from_value(value_of(to_write(report, 30_000)))
    assert made is not None
    return who_is(made.stay)


def test_everything_that_others_may_share_is_read() -> None:
    browser = {71: "Chrome", 72: "126.0.6478.61"}
    found = seen(TO_BRIDGE, BRIDGE, browser, {69: "eu", 100: "turn-1", 99: "a1b2c3", 92: "bob"})
    assert found.place == Place("standup", "jvb-1", "eu", "Chrome 126", "turn-1")
    assert (found.participant, found.network, found.source) == ("ada", "a1b2c3", "bob")


@pytest.mark.parametrize(
    ("told", "is_direct"),
    [
        ([TO_PEER, OURS], True),
        ([TO_BRIDGE, OURS], False),
        ([TO_BRIDGE, BRIDGE, OURS], False),
        # An outage: no path is known, and the last one counts.
        ([OURS, BRIDGE], False),
        ([OURS, DIRECT], True),
        ([OURS], False),
        ([TO_BRIDGE, OURS, DIRECT], False),
        # A client that never tells it may have used a bridge.
        ([ORIGINAL], False),
        ([{13: [[20, {}]]}, ORIGINAL], False),
    ],
)
def test_who_is_connected_to_a_peer_is_nobody_elses(
    told: list[dict[int, Any]], *, is_direct: bool
) -> None:
    assert seen(*told).place.is_direct is is_direct


def test_loss_up_of_the_originals_page_is_not_known() -> None:
    assert not seen(ORIGINAL).knows_loss_up
    assert seen(OURS).knows_loss_up
