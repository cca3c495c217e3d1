"""verdict/judge.py: the verdict on one push, with its cause."""

from typing import Any

import pytest

from otel_jcmc.catalogue.metrics import (
    CAUSE_ID,
    COVERS_ID,
    LAST_METRIC_ID,
    LIST_ID,
    METRICS,
    STATE_ID,
)
from otel_jcmc.verdict.judge import Judge, Verdict
from otel_jcmc.verdict.rules import WORD_OF, State

ID_OF = {row.field: row.id for row in METRICS}
INTERVAL_MS = 10_000
# Everything that our client pushes in a good call of several.
WELL: dict[str, Any] = {
    "connectionquality": 98,
    "bitrate_download": 800,
    "packetloss_upload": 0.1,
    "packetloss_download": 0.2,
    "packetloss_total": 0.15,
    "packetloss_download_best": 0,
    "packetloss_download_worst": 0.4,
    "streams_expected": 6,
    "round_trip_time": 30,
    "jitter_upload": 3,
    "jitter_download": 4,
    "audio_concealed": 0.1,
    "audio_buffer_time": 50,
    "freezes": 0,
    "freeze_time": 0,
    "framerate_download": 29,
    "decode_time": 2,
    "frames_dropped": 0,
    "event_loop_delay": 2,
    "limitation_none": 100,
    "limitation_cpu": 0,
    "limitation_bandwidth": 0,
    "resolution_height_upload": 360,
    "resolution_height_wanted": 360,
    "conference_participants": 4,
    "outage_down": 0,
    "outage_up": 0,
}
# A push of the original's client: upload loss is always 0, and no outages.
ORIGINAL = {
    "connectionquality": 98,
    "bitrate_download": 800,
    "packetloss_upload": 0,
    "packetloss_download": 0,
    "packetloss_total": 0,
    "transport_rtt": [30],
}
NOTHING = dict.fromkeys(WELL)


def numbers(values: dict[str, Any]) -> list[Any]:
    found: list[Any] = [None] * LAST_METRIC_ID
    for field, value in values.items():
        found[ID_OF[field] - 1] = value
    return found


def said(values: dict[str, Any], *, is_direct: bool = False) -> tuple[str, str]:
    """Return state and cause of a push; empty: none."""
    found = numbers(values)
    Judge().note(found, INTERVAL_MS, is_direct=is_direct)
    state, cause = found[STATE_ID - 1], found[CAUSE_ID - 1]
    return ("" if state is None else State(state).name.lower(), WORD_OF.get(cause, ""))


@pytest.mark.parametrize("values", [WELL, ORIGINAL])
def test_what_is_known_to_be_well_is_good(values: dict[str, Any]) -> None:
    assert said(values) == ("good", "")


@pytest.mark.parametrize(
    "unknown",
    [
        {"round_trip_time": None},
        {"packetloss_download": None},
        {"conference_participants": 1},
        {"bitrate_download": 0, "outage_up": None},
    ],
)
def test_what_is_not_known_to_be_well_is_not_good(unknown: dict[str, Any]) -> None:
    assert said(WELL | unknown) == ("", "")


def test_a_silent_call_without_an_outage_is_good() -> None:
    assert said(WELL | {"bitrate_download": 0}) == ("good", "")


# One thing that is wrong in an otherwise good call, and the verdict.
TROUBLES: list[tuple[dict[str, Any], str, str]] = [
    ({"outage_down": 3100}, "bad", "outage"),
    ({"outage_up": 5100}, "bad", "outage"),
    ({"packetloss_download": 8, "packetloss_download_best": 7}, "bad", "downlink"),
    ({"packetloss_download": 3, "packetloss_download_best": 2.6}, "fair", "downlink"),
    ({"packetloss_download": 6, "packetloss_download_worst": 12}, "bad", "received"),
    # One sender of several; all streams together lose too little to be fair.
    ({"packetloss_download": 2, "packetloss_download_worst": 5.1}, "fair", "received"),
    ({"packetloss_download": 2, "packetloss_download_worst": 5}, "good", ""),
    ({"packetloss_download": 2, "packetloss_download_worst": 60}, "fair", "received"),
    ({"audio_concealed": 6}, "bad", ""),
    # Only delay: scores of 2.06 and 3.31.
    ({"audio_buffer_time": 400, "round_trip_time": 199}, "bad", ""),
    ({"audio_buffer_time": 220, "round_trip_time": 199}, "fair", ""),
    # Very fair is not worse than a little bad.
    ({"freeze_time": 900, "packetloss_upload": 6}, "bad", "uplink"),
    ({"round_trip_time": 450, "limitation_cpu": 100}, "bad", "path"),
    ({"audio_concealed": 2.5}, "fair", ""),
    ({"freeze_time": 1100, "decode_time": 40}, "bad", "device"),
    # 15 % of the 34.5 ms until the next frame are 5.17.
    ({"freeze_time": 400, "decode_time": 5.2}, "fair", "device"),
    ({"freeze_time": 400, "decode_time": 5.1}, "fair", ""),
    # A picture that was frozen for 2 % of the time, on a busy computer and on another one.
    ({"freeze_time": 200, "decode_time": 5.2}, "fair", "device"),
    ({"freeze_time": 200, "decode_time": 5.1}, "good", ""),
    ({"freeze_time": 0, "decode_time": 30}, "good", ""),
    ({"freeze_time": 0, "decode_time": 30, "packetloss_upload": 3}, "fair", "uplink"),
    # A picture that moves again after an outage.
    ({"freeze_time": 1100, "decode_time": None}, "bad", ""),
    ({"freeze_time": 7000, "packetloss_download": 0, "frames_dropped": 87}, "bad", ""),
    # A page that waits for its CPU: the network is not to blame for what happens meanwhile.
    ({"event_loop_delay": 51}, "fair", "device"),
    ({"event_loop_delay": 800}, "fair", "device"),
    # As with decoding: a picture that was frozen for 2 % of the time.
    ({"freeze_time": 200, "event_loop_delay": 10.1}, "fair", "device"),
    ({"freeze_time": 200, "event_loop_delay": 10}, "good", ""),
    ({"freeze_time": 1100, "event_loop_delay": 10.1}, "bad", "device"),
    ({"freeze_time": 1100, "event_loop_delay": 10}, "bad", ""),
    ({"audio_concealed": 6, "event_loop_delay": None}, "bad", ""),
    # A packet waits twice, there and back: 200 ms of 450 are left, or a little more.
    ({"round_trip_time": 450, "event_loop_delay": 125}, "bad", "device"),
    ({"round_trip_time": 450, "event_loop_delay": 124.9}, "bad", "path"),
    ({"jitter_download": 40, "event_loop_delay": 30}, "fair", "device"),
    ({"jitter_upload": 40, "event_loop_delay": 30}, "fair", "device"),
    ({"packetloss_upload": 6, "event_loop_delay": 300}, "bad", "uplink"),
    (
        {"packetloss_download": 8, "packetloss_download_best": 7, "event_loop_delay": 300},
        "bad",
        "downlink",
    ),
    ({"round_trip_time": 450}, "bad", "path"),
    ({"round_trip_time": 250}, "fair", "path"),
    ({"jitter_download": 31}, "fair", "downlink_or_received"),
    ({"packetloss_upload": 6}, "bad", "uplink"),
    ({"packetloss_upload": 3}, "fair", "uplink"),
    ({"jitter_upload": 31}, "fair", "uplink"),
    # If delays last, two differ by at most twice their mean: this was one moment.
    ({"jitter_upload": 36, "round_trip_time": 17.9}, "good", ""),
    ({"jitter_upload": 36, "round_trip_time": 18}, "fair", "uplink"),
    ({"jitter_upload": 36, "round_trip_time": 2, "packetloss_upload": 3}, "fair", "uplink"),
    ({"jitter_download": 36, "round_trip_time": 17.9}, "good", ""),
    ({"jitter_download": 36, "round_trip_time": 18}, "fair", "downlink_or_received"),
    ({"jitter_download": 36, "round_trip_time": 2, "audio_concealed": 3}, "fair", ""),
    ({"jitter_upload": 36, "round_trip_time": 2, "limitation_cpu": 60}, "fair", "device"),
    ({"limitation_cpu": 60}, "fair", "device"),
    ({"limitation_bandwidth": 60, "resolution_height_upload": 180}, "fair", "uplink"),
]


@pytest.mark.parametrize(("trouble", "state", "cause"), TROUBLES)
def test_a_symptom_has_a_state_and_the_cause_that_explains_it(
    trouble: dict[str, Any], state: str, cause: str
) -> None:
    assert said(WELL | trouble) == (state, cause)


@pytest.mark.parametrize(
    "harmless",
    [
        {"freeze_time": 290},
        {"limitation_bandwidth": 100},
        {"limitation_cpu": 50},
        {"jitter_download": 30},
        {"round_trip_time": 200},
        {"packetloss_upload": 2.5},
        {"frames_dropped": 20},
        {"decode_time": 40},
        {"event_loop_delay": 50},
    ],
)
def test_what_nobody_would_complain_of_is_good(harmless: dict[str, Any]) -> None:
    assert said(WELL | harmless) == ("good", "")


@pytest.mark.parametrize("of_network", [{"packetloss_upload": 6}, {"round_trip_time": 450}])
def test_of_a_direct_connection_nobody_can_tell_which_end(of_network: dict[str, Any]) -> None:
    assert said(WELL | of_network, is_direct=True)[1] == "pair"
    assert said(WELL | {"limitation_cpu": 60}, is_direct=True)[1] == "device"
    assert said(WELL | {"outage_down": 4000}, is_direct=True)[1] == "outage"


def test_statistics_that_stopped_with_others_there_are_bad() -> None:
    """Such a push is a heartbeat. A participant alone has no outages, not even 0."""
    assert said(NOTHING | {"outage_down": 0, "outage_up": 0}) == ("bad", "")
    assert said(NOTHING | {"outage_down": 9000}) == ("bad", "outage")
    assert said(NOTHING) == ("", "")


def test_a_connection_that_was_interrupted_for_a_moment_tells_nothing_of_the_call() -> None:
    """The client pushes that at once, with nulls; its statistics are not older than an interval."""
    for age_ms, state in ((0, None), (INTERVAL_MS, None), (INTERVAL_MS + 1, State.BAD)):
        found = numbers(NOTHING | {"outage_down": 0, "outage_up": 0})
        Judge().note(found, INTERVAL_MS, is_direct=False, age_ms=age_ms)
        assert found[STATE_ID - 1] == state
    found = numbers(NOTHING | {"outage_down": 4000})
    Judge().note(found, INTERVAL_MS, is_direct=False, age_ms=0)
    assert found[STATE_ID - 1] == State.BAD


LOST = {
    "packetloss_download": 8,
    "packetloss_download_best": 7.6,
    "packetloss_download_worst": 8.4,
}


@pytest.mark.parametrize(
    "alone",
    [{"conference_participants": 2, "streams_expected": None}, {"streams_expected": 1}],
)
def test_sound_and_picture_of_one_sender_tell_of_no_bad_way(alone: dict[str, Any]) -> None:
    """They lose alike, but never exactly the same."""
    assert said(WELL | LOST | alone) == ("bad", "downlink_or_received")
    # By chance, all of the few packets of one have come.
    little = {"packetloss_download": 3, "packetloss_download_worst": 4.9}
    chance = LOST | little | {"packetloss_download_best": 0}
    assert said(WELL | chance | alone) == ("fair", "downlink_or_received")
    assert said(WELL | chance) == ("fair", "received")


def test_where_one_stream_is_whole_the_way_is_sound_whoever_sends_it() -> None:
    whole = LOST | {"packetloss_download_best": 0.6}
    for alone in ({"conference_participants": 2}, {"streams_expected": 1}, {}):
        assert said(WELL | whole | alone) == ("bad", "received")


def test_of_several_senders_the_best_tells_whose_way_it_is() -> None:
    for streams in (2, None):
        several = WELL | {"streams_expected": streams}
        assert said(several | LOST) == ("bad", "downlink")
        assert said(several | LOST | {"packetloss_download_best": 0}) == ("bad", "received")
    same = {"packetloss_download_best": 8, "packetloss_download_worst": 8}
    assert said(WELL | LOST | same) == ("bad", "downlink")


def test_the_worst_symptom_chooses() -> None:
    both = {"packetloss_upload": 20, "packetloss_download": 6, "packetloss_download_best": 5}
    assert said(WELL | both) == ("bad", "uplink")
    assert said(WELL | both | {"packetloss_upload": 3}) == ("bad", "downlink")
    assert said(WELL | both | {"outage_down": 4000}) == ("bad", "outage")


def test_loss_is_that_of_the_worse_way_and_the_total_where_no_way_is_known() -> None:
    ways = ("upload", "download", "download_best", "download_worst")
    thin = dict.fromkeys([f"packetloss_{way}" for way in ways]) | {"packetloss_total": 8}
    assert said(WELL | thin) == ("bad", "downlink_or_received")
    assert said(WELL | {"packetloss_total": 8}) == ("good", "")


def test_a_page_of_the_original_is_judged_by_its_slowest_transport() -> None:
    assert said(ORIGINAL | {"transport_rtt": [30, 450]}) == ("bad", "path")
    assert said(ORIGINAL | {"bitrate_download": 0}) == ("", "")


def test_a_verdict_has_its_evidence() -> None:
    found: Verdict = Judge().judge(numbers(WELL | {"packetloss_upload": 6}))
    assert [each.field for each in found.evidence] == ["packetloss_upload", "packetloss_upload"]
    assert (found.evidence[0].value, found.evidence[0].threshold) == (6, 5)


def test_decoding_is_told_in_percent_as_symptom_and_as_cause() -> None:
    """20 ms for each of 20 frames a second are 40 % of the time until the next frame."""
    slow = {"freeze_time": 400, "decode_time": 20, "framerate_download": 20}
    values = numbers(WELL | slow)
    values[COVERS_ID - 1] = INTERVAL_MS
    told = [each for each in Judge().judge(values).evidence if each.field == "decode_time"]
    assert [(each.value, each.threshold) for each in told] == [(40, 15)] * 2


def test_the_operators_thresholds_hold() -> None:
    judge = Judge(bad_loss=20, bad_round_trip_ms=1000)
    assert judge.judge(numbers(WELL | {"packetloss_upload": 6})).state is State.GOOD
    assert judge.judge(numbers(WELL | {"packetloss_upload": 21})).state is State.BAD
    assert judge.judge(numbers(WELL | {"round_trip_time": 450})).state is State.GOOD


def test_the_list_metric_may_have_unknown_entries() -> None:
    found = numbers(ORIGINAL)
    found[LIST_ID - 1] = [None, None]
    assert Judge().judge(found).state is None
