"""The table has what was exported, what was true, and which values are out of bounds."""

from truth.compare import Fault, Told, Verdict
from truth.made import made
from truth.table import cell, page


def test_a_cell_has_what_was_told_and_what_was_true() -> None:
    verdict = Verdict(
        "ada",
        {"packetloss_upload": Told(9.72, 0, 81.16), "freeze_time": Told(435.2, 0, 435.2)},
        {"packetloss_upload": 10.04, "freeze_time": 13_100, "outage_down": 12_000},
    )
    assert cell(verdict, "packetloss_upload") == "9.7 / 0 / 81.2 (10)"
    assert cell(verdict, "freeze_time") == "435 (13100)"
    assert cell(verdict, "outage_down") == "- (12000)"
    assert cell(verdict, "round_trip_time") == "-"


def test_the_page_says_who_is_out_of_bounds_and_why() -> None:
    good = Verdict("ada")
    bad = Verdict("bob", faults=[Fault("outage_up", "not exported, true 12000")] * 2)
    text = page([made(interval_ms=10_000)], [[good, bad]])
    assert "- made: by hand" in text
    assert "| made | 10 s | ada | - | - | - | - | - | - | - | - | yes |" in text
    assert "| - | **no**: `outage_up` |" in text
    assert "| made | 10 s | bob | `outage_up` | not exported, true 12000 |" in text
