"""truth/compare.py on recordings made by hand: what was exported against what was true."""

from collections.abc import Mapping

import pytest
from recordings import Line, Recording
from truth.compare import Verdict, compare
from truth.made import made, pair, push, raw, video

STEADY = [(1.0, "net"), (10.0, "measure"), (40.0, "stop")]
SOUND = {"packetloss_upload": 0.0, "packetloss_download": 0.0}
NO_OUTAGE = {"outage_down": 0.0, "outage_up": 0.0}


def of(recording: Recording, tab: str = "ada") -> Verdict:
    (verdict,) = (each for each in compare(recording) if each.tab == tab)
    return verdict


def faults(recording: Recording, tab: str = "ada") -> dict[str, str]:
    return {fault.metric: fault.words for fault in of(recording, tab).faults}


def test_a_sound_call_has_no_fault() -> None:
    assert faults(made(exported=SOUND | NO_OUTAGE)) == {}


def test_rows_that_are_not_there_are_blank_and_no_fault_while_nothing_happens() -> None:
    verdict = of(made(exported=SOUND))
    assert "outage_down" not in verdict.told
    assert verdict.true["outage_down"] == 0
    assert verdict.faults == []


@pytest.mark.parametrize(
    ("told", "is_right"), [(10, True), (12.9, True), (13.1, False), (6, False)]
)
def test_the_mean_loss_is_within_three_points(told: float, *, is_right: bool) -> None:
    lossy = made(
        exported={"packetloss_upload": told, "packetloss_download": 0.0},
        loss_percent={"ada": 10},
        plan=STEADY,
    )
    assert ("packetloss_upload" not in faults(lossy)) == is_right
    assert of(lossy).true["packetloss_upload"] == pytest.approx(10, abs=0.2)


def test_who_sends_and_who_gets_lose_the_same() -> None:
    lossy = made(exported=SOUND, loss_percent={"ada": 10}, plan=STEADY)
    assert of(lossy, "bob").true["packetloss_download"] == pytest.approx(10, abs=0.2)
    assert of(lossy, "bob").true["packetloss_upload"] == 0
    assert set(faults(lossy, "bob")) == {"packetloss_download"}


def test_what_is_lost_on_the_way_down_counts_as_well() -> None:
    lossy = made(exported=SOUND, loss_down_percent={"bob": 10}, plan=STEADY)
    assert of(lossy).true["packetloss_upload"] == pytest.approx(10, abs=0.2)
    assert of(lossy, "bob").true["packetloss_download"] == pytest.approx(10, abs=0.2)


def test_what_was_never_told_is_a_fault_where_it_was_true() -> None:
    lossy = made(exported={}, loss_percent={"ada": 10}, plan=STEADY)
    assert faults(lossy)["packetloss_upload"].startswith("not exported")


@pytest.mark.parametrize(
    ("told", "is_right"), [(100, True), (119, True), (121, False), (79, False)]
)
def test_the_round_trip_is_within_a_fifth_of_the_mean_of_all_answers(
    told: float, *, is_right: bool
) -> None:
    reports = raw(10, "ada", pair(100, 9.0)), raw(40, "ada", pair(130, 12.0))
    slow = made(*reports, exported=SOUND | {"round_trip_time": told}, plan=STEADY)
    assert of(slow).true["round_trip_time"] == pytest.approx(100)
    assert ("round_trip_time" not in faults(slow)) == is_right


def test_jitter_up_is_what_the_other_side_has_seen() -> None:
    stat = {"id": "A", "type": "inbound-rtp", "kind": "audio", "jitter": 0.02}
    late = made(raw(20, "bob", stat), exported=SOUND | {"jitter_upload": 20.0}, plan=STEADY)
    assert of(late).true["jitter_upload"] == pytest.approx(20)
    assert of(late, "bob").true["jitter_download"] == pytest.approx(20)
    assert "jitter_upload" not in faults(late)
    assert "jitter_download" in faults(late, "bob")


def dead(exported: Mapping[str, float | None], *more: Line, interval_ms: int = 2000) -> Recording:
    """Nothing of ada comes through from 10 to 22."""
    return made(*more, exported=exported, dead={"ada": (10.0, 22.0)}, interval_ms=interval_ms)


def test_an_outage_is_of_who_sends_and_of_who_gets() -> None:
    cut = dead(SOUND)
    assert of(cut).true["outage_up"] == 12_000
    assert of(cut).true["outage_down"] == 0
    assert of(cut, "bob").true["outage_down"] == 12_000
    assert faults(cut)["outage_up"] == "not exported, true 12000"
    assert "outage_down" not in faults(cut)


@pytest.mark.parametrize(
    ("told", "is_right"), [(12_000, True), (10_001, True), (9_999, False), (14_001, False)]
)
def test_an_outage_is_as_long_as_the_longest_push_says(told: float, *, is_right: bool) -> None:
    """Each says since when it runs; one that was not taken does not count."""
    pushes = [push(t, "bob", {"outage_down": told / part}) for t, part in ((20, 2), (24, 1))]
    refused = push(22, "bob", {"outage_down": 3 * told}, status=503)
    cut = dead({"packetloss_upload": None} | {"outage_down": 0}, *pushes, refused)
    assert ("outage_down" not in faults(cut, "bob")) == is_right


def test_of_a_time_in_which_nothing_comes_nobody_can_tell_what_arrives_there() -> None:
    cut = made(exported=SOUND | NO_OUTAGE, dead={"ada": (10.0, 22.0), "bob": (10.0, 22.0)})
    assert of(cut).true["outage_up"] == 0
    assert of(cut).true["outage_down"] == 12_000


def test_an_outage_up_may_be_told_by_an_interval_too_long_or_short() -> None:
    for interval_ms, told, is_right in [
        (2000, 7_001, True),
        (2000, 6_999, False),
        (10_000, 2_001, True),
        (10_000, 1_999, False),
    ]:
        one = push(30, "ada", outage_up=told)
        cut = dead({"outage_up": 0.0}, one, interval_ms=interval_ms)
        assert ("outage_up" not in faults(cut)) == is_right, (interval_ms, told)


def test_an_outage_that_was_none_is_a_fault_however_short() -> None:
    call = made(push(20, "ada", outage_down=1), exported=SOUND | NO_OUTAGE)
    assert faults(call) == {"outage_down": "exported 1, true 0"}


def test_a_zero_of_a_time_that_nobody_could_measure_is_a_fault() -> None:
    cut = dead(SOUND | {"jitter_download": 0.0})
    # bob gets nothing; ada gets all that he sends, but no word of what she sends is of use.
    assert "0 in" in faults(cut, "bob")["packetloss_download"]
    assert "0 in" in faults(cut, "bob")["jitter_download"]
    assert "0 in" in faults(cut)["packetloss_upload"]
    assert not {"packetloss_download", "jitter_download"} & set(faults(cut))


def test_a_number_that_is_held_is_a_fault_too() -> None:
    cut = dead({"round_trip_time": 14.0})
    assert "a number in" in faults(cut)["round_trip_time"]
    assert "a number in" in faults(cut, "bob")["round_trip_time"]


def test_null_is_right_where_nobody_could_measure() -> None:
    quiet = {"packetloss_upload": None, "packetloss_download": None, "round_trip_time": None}
    told = [push(24, "ada", outage_up=12_000), push(24, "bob", outage_down=12_000)]
    cut = dead(quiet, *told)
    assert faults(cut) == faults(cut, "bob") == {}


@pytest.mark.parametrize(("age_ms", "is_right"), [(500, True), (0, False)])
def test_what_a_push_tells_of_the_time_before_is_right(age_ms: float, *, is_right: bool) -> None:
    """It came when the link was dead, and its numbers may have been taken before."""
    scrapes = [
        Line(t / 2, "service", "scrape", {"b1": {"packetloss_download": 0.0} if t < 28 else {}})
        for t in range(23, 81)
    ]
    one = push(12.5, "bob", {"packetloss_download": 0.0}, age_ms=age_ms)
    told = push(24, "bob", outage_down=12_000)
    cut = dead({"packetloss_download": 0.0}, *scrapes, one, told)
    assert ("packetloss_download" not in faults(cut, "bob")) == is_right


def test_a_second_of_silence_is_no_outage() -> None:
    assert of(made(exported=SOUND, dead={"ada": (10.0, 11.0)})).true["outage_up"] == 0


def test_loss_that_is_told_after_the_outage_is_a_fault() -> None:
    spike = [push(26, "ada", packetloss_upload=100.0)]
    scrapes = [
        Line(t, "service", "scrape", {"a1": {"packetloss_upload": 100.0}}) for t in (26.5, 27.0)
    ]
    cut = dead({"packetloss_upload": None}, *spike, *scrapes)
    assert faults(cut)["packetloss_upload"] == "100.0 after the link was back, true 0.0"


def test_frozen_is_what_the_browser_books_as_a_pause_or_a_freeze() -> None:
    reports = [
        raw(2, "ada", video(0)),
        raw(10, "ada", video(100)),
        raw(20, "ada", video(101, totalFreezesDuration=1.0, totalPausesDuration=12.0)),
    ]
    call = made(*reports, push(24, "ada", freeze_time=1000.0), exported=SOUND)
    assert of(call).true["freeze_time"] == 13_000
    assert faults(call) == {"freeze_time": "exported 1000, true 13000"}


def test_frozen_is_a_picture_that_never_goes_on() -> None:
    reports = [raw(t, "ada", video(min(t, 10))) for t in range(2, 31)]
    call = made(*reports, exported=SOUND)
    assert of(call).true["freeze_time"] == 20_000


@pytest.mark.parametrize(("switch", "who"), [("mute", "bob"), ("hide", "ada")])
def test_a_camera_that_is_off_or_a_page_that_nobody_sees_is_no_freeze(
    switch: str, who: str
) -> None:
    plan = [(1.0, switch), (30.0, "show"), (40.0, "stop")]
    reports = [raw(t, who, video(1, totalPausesDuration=t)) for t in (2, 30)]
    told = push(24, who, freeze_time=20_000.0)
    call = made(*reports, told, exported=SOUND, plan=plan)
    assert faults(call, who) == {"freeze_time": "exported 20000, true 0"}
    assert faults(made(*reports, exported=SOUND, plan=plan), who) == {}


def test_whose_own_camera_is_off_sees_the_other_freeze_all_the_same() -> None:
    plan = [(1.0, "mute"), (30.0, "unmute"), (40.0, "stop")]
    reports = [raw(t, "ada", video(1, totalPausesDuration=t)) for t in (2, 30)]
    assert of(made(*reports, exported=SOUND, plan=plan)).true["freeze_time"] == 28_000


def test_what_the_service_keeps_while_no_push_can_come_is_no_fault() -> None:
    plan = [(1.0, "net"), (10.0, "cut pushes"), (24.0, "mend pushes"), (40.0, "stop")]
    told = [push(24, "ada", outage_up=12_000)]
    silent = Line(10, "ada", "push", {"status": 503, "body": {}})
    for way, is_right in ((plan, True), ([plan[0], plan[-1]], False)):
        cut = made(
            *told, silent, exported={"round_trip_time": 5.0}, dead={"ada": (10.0, 22.0)}, plan=way
        )
        assert ("round_trip_time" not in faults(cut)) == is_right


def gone(plan: str, until: float) -> Recording:
    """Ada goes at 10, and is exported *until* a time."""
    scrapes = [
        Line(t / 2, "service", "scrape", {"a1": {}, "b1": {}} if t / 2 <= until else {"b1": {}})
        for t in range(20, 121)
    ]
    steps = [(1.0, "net"), (10.0, plan), (60.0, "stop")]
    return made(*scrapes, exported={}, plan=steps, seconds=60)


@pytest.mark.parametrize(
    ("plan", "until", "is_right"),
    [("leave", 11, True), ("leave", 13, False), ("crash", 41, True), ("crash", 43, False)],
)
def test_who_goes_is_gone_in_time(plan: str, until: float, *, is_right: bool) -> None:
    assert ("participant" not in faults(gone(plan, until))) == is_right
    assert faults(gone(plan, until), "bob") == {}


@pytest.mark.parametrize(("until", "is_right"), [(13, True), (14.5, False)])
def test_who_is_left_alone_shows_no_old_numbers(until: float, *, is_right: bool) -> None:
    left = Line(10, "bob", "event", {"event": "conference.userLeft", "words": ["a1"], "id": "b1"})
    scrapes = [
        Line(t / 2, "service", "scrape", {"b1": {"round_trip_time": 3.0} if t / 2 <= until else {}})
        for t in range(20, 81)
    ]
    call = made(left, *scrapes, plan=[(1.0, "net"), (10.0, "leave"), (40.0, "stop")])
    assert ("round_trip_time" not in faults(call, "bob")) == is_right


@pytest.mark.parametrize("is_told", [True, False])
def test_a_join_that_fails_is_told(*, is_told: bool) -> None:
    body = {"session": {"end": {"reason": "failed"}}}
    told = [Line(6, "bob", "push", {"status": 200, "body": body})] if is_told else []
    lines = [
        Line(0, "plan", "story", {"story": "made", "says": "", "interval_ms": 2000}),
        Line(5, "plan", "fail to join", {"tab": "bob"}),
        Line(5, "bob", "event", {"event": "conference.failed", "words": [], "id": "b1"}),
        *told,
        Line(9, "plan", "stop", {"tab": ""}),
    ]
    assert ("participant" in faults(Recording(lines), "bob")) != is_told
