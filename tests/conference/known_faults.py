"""
What of a story is not told as it is: the one list of it, by story and metric.

`test_stories.py` fails when one of these is told rightly, as it does when another one is not.
"""

KNOWN_FAULTS: dict[str, set[str]] = {
    "loss-up": set(),
    "dead-both": {
        "outage_down",
        "outage_up",
        "freeze_time",
        "packetloss_download",
        "packetloss_upload",
    },
    "dead-up": {
        "outage_down",
        "outage_up",
        "freeze_time",
        "packetloss_download",
        "packetloss_upload",
        "round_trip_time",
        "jitter_upload",
    },
    "muted": set(),
    "leave": {
        "packetloss_upload",
        "packetloss_download",
        "round_trip_time",
        "jitter_upload",
        "jitter_download",
    },
}
