"""
The known faults: what is exported wrongly of a story, by story and metric, in one list.

`test_stories.py` fails if one of these is right, and also if another metric is wrong.
"""

KNOWN_FAULTS: dict[str, set[str]] = {
    "loss-up": set(),
    "dead-both": set(),
    "dead-up": set(),
    "muted": set(),
    "leave": set(),
}
