"""Verdicts for each kind of client; some tell less: the table of docs/verdict.md."""

from typing import Any

import pytest

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, LIST_ID, METRICS, STATE_ID
from otel_jcmc.verdict.judge import Judge

ID_OF = {row.field: row.id for row in METRICS}
ARRIVES = {"bitrate_download": 900, "packetloss_download": 0}
CHROMIUM = {
    **ARRIVES,
    "round_trip_time": 40,
    "outage_down": 0,
    "outage_up": 0,
    "packetloss_upload": 0,
    "audio_concealed": 0,
    "freeze_time": 0,
    "limitation_cpu": 0,
    "conference_participants": 3,
}
FIREFOX = CHROMIUM | {"outage_up": None, "limitation_cpu": None}
SAFARI = CHROMIUM | {"freeze_time": None, "limitation_cpu": None}
AUDIO = CHROMIUM | {"freeze_time": None}
NOTHING_ARRIVES = {"bitrate_download": None, "packetloss_download": None}
ORIGINAL = {**ARRIVES, "transport_rtt": 41, "packetloss_upload": 0, "packetloss_total": 0}
JMMC = {**ARRIVES, "packetloss_total": 0}


def state_of(told: dict[str, Any]) -> int | None:
    numbers: list[Any] = [None] * LAST_METRIC_ID
    for field, value in told.items():
        numbers[ID_OF[field] - 1] = [value] if ID_OF[field] == LIST_ID else value
    Judge().note(numbers, 2000, is_direct=False)
    state: int | None = numbers[STATE_ID - 1]
    return state


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (CHROMIUM, 0),
        (CHROMIUM | {"outage_up": 4000}, 2),
        (FIREFOX, 0),
        (FIREFOX | {"packetloss_upload": 9}, 2),
        (FIREFOX | {"bitrate_download": 0}, None),
        (SAFARI, 0),
        (SAFARI | {"packetloss_download": 3}, 1),
        (AUDIO, 0),
        (AUDIO | {"audio_concealed": 9}, 2),
        (CHROMIUM | {"conference_participants": 1}, None),
        (CHROMIUM | {"conference_participants": 1, "packetloss_download": 9}, None),
        (CHROMIUM | NOTHING_ARRIVES, None),
        (ORIGINAL, 0),
        (ORIGINAL | {"packetloss_download": 9}, 2),
        (ORIGINAL | {"transport_rtt": 300}, 1),
        # In an outage its round trip does not change, and nothing arrives.
        (ORIGINAL | {"bitrate_download": 0}, None),
        (JMMC, None),
        (JMMC | {"packetloss_download": 9}, 2),
        ({}, None),
        # The statistics have stopped, and others are there.
        ({"outage_down": 0, "outage_up": 0}, 2),
    ],
)
def test_a_page_is_judged_by_what_it_tells(told: dict[str, Any], state: int | None) -> None:
    assert state_of(told) == state
