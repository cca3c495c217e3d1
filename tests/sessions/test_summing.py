"""The summary of a finished session: the row that is kept for longer."""

from typing import Any

import msgspec
import pytest
from entries import write

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    NETWORK_TYPE,
    OS_NAME,
    PARTICIPANT,
    REGION,
    RELAY,
    ROLE,
    SENDER,
    USERNAME,
)
from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, LIST_ID, MOS_ID
from otel_jcmc.catalogue.rows import Attribute, Scope
from otel_jcmc.sessions.card import write_card
from otel_jcmc.sessions.entry import Sample, Tally, in_order
from otel_jcmc.sessions.leg import Leg
from otel_jcmc.sessions.lines import text_of
from otel_jcmc.sessions.pushes import Event
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.sessions.summary import Summary, Told, Who, packed, read_summary
from otel_jcmc.sessions.summing import Sum, row_of
from otel_jcmc.sessions.totals import add, new_totals
from otel_jcmc.verdict.journal import Entry

# 2027-01-15T08:00:00Z, which is 95,932,800 s after the beginning of 2024.
START = 1_800_000_000_000
SID = "0123456789ab" + "c" * 20 + f"{START:011x}" + "0beef"
LEG = Leg(
    SID, "session-1", START + 400, START + 300_400, "failed", 1, 0, "", 0, "4 fine", "ice_failed"
)
GOOD, BAD = 0, 2
OUTAGE, DOWNLINK, UPLINK = 1, 2, 7
ABOUT = {
    CONFERENCE.id: "standup",
    CLIENT.id: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    PARTICIPANT.id: "8c87df52",
    USERNAME.id: "Ada Lovelace",
    REGION.id: "eu-west",
    BRIDGE.id: "jvb-3",
    BROWSER_NAME.id: "Chrome",
    BROWSER_VERSION.id: "126.0.6478.55",
    OS_NAME.id: "Windows",
    RELAY.id: "turn-1",
    SENDER.id: "otel_jcmc",
    ROLE.id: "visitor",
    LIST_ID: [{NETWORK_TYPE.id: "wifi"}],
}


def numbers(mos: float | None = None) -> list[Any]:
    found: list[Any] = [None] * LAST_METRIC_ID
    found[MOS_ID - 1] = mos
    return found


def sample(at_s: int, *stretches: Stretch, **told: Any) -> Sample:
    told = {"numbers": numbers(), **told}
    return Sample(START + 1000 * at_s, stretches=[*stretches], **told)


def summed(*samples: Sample, leg: Leg = LEG, names: bool = False, **known: Any) -> Summary:
    """Return the summary of a session with these samples, both written and read as in Redis."""
    known = {"about": ABOUT, "entries": None, "card": None, **known}
    of = Sum(**known)
    for each in in_order([write(each) for each in samples]):
        of.add([each])
    return read_summary(row_of(leg, of, 30, names=names).row)


def test_a_session_as_a_row() -> None:
    """One bad minute on another bridge, three good ones."""
    first = sample(
        60,
        Stretch(600, BAD, DOWNLINK, "us-east", "jvb-9", "cellular"),
        numbers=numbers(3.0),
        tally=[Tally(40, 60_000, 60_000), Tally(12, 60_000, 60_000), None],
        worst=[20.5, 30.25, None],
        counts=[3, 4500, None],
        events=[Event(START + 1000, "verdict.bad.outage"), Event(START + 2000, "stats.stopped")],
    )
    rest = sample(
        240,
        Stretch(1800, GOOD),
        numbers=numbers(4.4),
        tally=[Tally(100, 180_000, 0), Tally(0, 180_000, 0), None],
        worst=[97, 0.5, None],
        counts=[1, 250, None],
    )
    assert msgspec.structs.asdict(summed(first, rest)) == {
        "began": 95_932_800,
        "lasted": 3000,
        "end": "failed",
        "failure": "ice_failed",
        "sender": "otel_jcmc",
        "role": "visitor",
        "region": "eu-west",
        "bridge": "jvb-3",
        "browser": "Chrome 126",
        "system": "Windows",
        "network": "wifi",
        "relay": "turn-1",
        "state": 2,
        "cause": "downlink",
        "vitals": [Told(850, 2400, 600, 205), Told(300, 2400, 600, 3025), Told()],
        "mos": (370, 300),
        "times": [(1800, 0, 0), (600, 2, 2)],
        "scopes": [],
        "bad_at": ("us-east", "jvb-9", "cellular"),
        "counts": [4, 4750, None],
        "outages": 1,
        "rating": 4.0,
        "who": None,
    }


def test_what_nobody_knows_is_not_known() -> None:
    """Only its presence is known: no zeros of vitals, no state, no outages."""
    found = summed(about={}, leg=LEG._replace(word="", cause=""))
    assert (found.state, found.cause, found.mos, found.outages) == (None, "", None, None)
    assert (found.region, found.counts, found.rating, found.bad_at) == ("", [], None, None)
    assert found.vitals == [Told(), Told(), Told()]


def test_a_card_knows_what_the_samples_that_went_told() -> None:
    """Two hours, of which only the sample of the last half minute is left."""
    totals = new_totals()
    times = [(72_000, BAD, UPLINK), (300, GOOD, 0)]
    add(totals, [(500, 72_300, 72_000), None, None], [100, None, None], times, [9, 90, 1], 2)
    text = text_of({REGION.id: "EU-West", BRIDGE.id: "jvb-3"})
    card = write_card(START, totals, text.encode())
    found = summed(sample(7230, Stretch(300, GOOD)), about={}, card=card)
    assert (found.state, found.cause, found.outages, found.counts) == (2, "uplink", 2, [9, 90, 1])
    assert found.vitals[0] == Told(500, 72_300, 72_000, 100)
    # As a card has them.
    assert (found.region, found.bridge) == ("eu-west", "jvb-3")
    damaged = summed(sample(7230, Stretch(300, GOOD)), card=b"\x00" * 9)
    assert (damaged.state, damaged.region) == (0, "eu-west")


def test_how_far_it_reached_is_for_how_long() -> None:
    entries = [Entry("bridge", "jvb-1", "eu", START, START + 65_000, 1.0, (9, 9, 9, 9))]
    sick = Stretch(300, BAD, DOWNLINK, "eu", "jvb-1", "wifi")
    found = summed(*(sample(30 * n, sick) for n in range(1, 7)), entries=entries)
    assert found.scopes == [("participant", 1200), ("bridge", 600)]


def test_a_row_has_nobodys_name_or_id() -> None:
    row = row_of(LEG, Sum(ABOUT, None, None), 30, names=False).row
    for text in ("standup", "3fa85f64", "8c87df52", "Ada", "0123456789ab", "session-1", "fine"):
        assert text.encode() not in row


@pytest.mark.parametrize("row", ATTRIBUTES, ids=lambda row: str(row.id))
def test_of_what_is_stored_a_row_has_this_and_nothing_else(row: Attribute) -> None:
    """By default, and with names; each attribute has its own text, as a client may send it."""
    mark = f"mark{row.id}"
    told = {LIST_ID: [{row.id: mark}]} if row.scope is Scope.PATH else {row.id: mark}
    found = {}
    for names in (False, True):
        found[names] = mark.encode() in row_of(LEG, Sum(told, None, None), 30, names=names).row
    always = {REGION, BRIDGE, BROWSER_NAME, BROWSER_VERSION, OS_NAME, NETWORK_TYPE, RELAY}
    assert found[False] is (row in always | {SENDER, ROLE})
    who = {CONFERENCE, CLIENT, PARTICIPANT, USERNAME}
    assert found[True] is (row in always | {SENDER, ROLE} | who)


def test_a_row_has_names_where_they_are_wanted() -> None:
    kept = row_of(LEG, Sum(ABOUT, None, None), 30, names=True)
    who = read_summary(kept.row).who
    assert who is not None
    assert who.digest.hex() == "1e38bdee9870a2724f5544b95a655ed5"
    names = who.conference, who.client, who.participant, who.name
    client = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    assert names == ("standup", client, "8c87df52", "Ada Lovelace")
    assert kept.name == "named:2027-01-15"


def test_it_is_kept_by_the_day_on_which_it_ended_and_so_many_days_more() -> None:
    """Until the end of the 30th day after it: 2027-02-15T00:00:00Z."""
    late = LEG._replace(ended=START + 57_600_000 - 1)
    kept = row_of(late, Sum({}, None, None), 30, names=False)
    assert (kept.name, kept.until_ms) == ("past:2027-01-15", 1_802_649_600_000)
    assert row_of(
        late._replace(ended=late.ended + 1), Sum({}, None, None), 30, names=False
    ).name == ("past:2027-01-16")


@pytest.mark.parametrize("letter", ["x", "ä", "漢", "🎧"])
def test_a_row_is_never_longer_than_it_may_be(letter: str) -> None:
    long = letter * 128
    huge = 2**31
    whole = Summary(
        huge, huge, "suspended", "connection_dropped", "otel_jcmc", "recorder",
        long, long, long, long, long, long, 2, "downlink_or_received",
        [Told(huge, huge, huge, huge)] * 3, (450, 100), [(huge, 2, 7)] * 8,
        [("participant", huge)] * 3, (long, long, long), [huge] * 3, huge, 4.5,
    )  # fmt: skip
    row = packed(whole)
    assert 300 < len(row) <= 390
    found = read_summary(row)
    assert found.bridge
    assert long.startswith(found.bridge)
    who = Who(b"d" * 16, long, long, long, long)
    named = packed(msgspec.structs.replace(whole, who=who))
    assert 390 < len(named) <= 700
    assert read_summary(named).who is not None


def test_rows_of_other_versions_are_read() -> None:
    later = msgspec.msgpack.encode([*msgspec.msgpack.decode(packed(summed())), "new", {"a": 1}])
    assert read_summary(later) == summed()
    earlier = msgspec.msgpack.encode([95_932_800, 3000, "left"])
    assert read_summary(earlier) == Summary(95_932_800, 3000, "left")
