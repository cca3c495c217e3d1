"""
The stories of conferences through a bridge: what happens to one of three, step by step.

It happens to ada, except where it happens to all. All three see and hear each other through the
bridge of tests/bridge.
"""

from dataclasses import replace

from conference.relay import SOUND, Conditions
from conference.stories import DEAD, LOSS, Do, Step, Story

TABS = ("ada", "bob", "cid")
# A round trip of half a second.
FAR = Conditions(delay_seconds=0.25)
SHAKY = Conditions(jitter_seconds=0.15)
NARROW = Conditions(kbits_per_second=300)
STEADY_SECONDS = 24


def bridge_stories(interval_ms: int) -> dict[str, Story]:
    """Return all stories by name, for calls with so much time between two statistics."""
    # Until the other side's reports cover the new conditions, and one push has them.
    settled = 4 + 1.5 * interval_ms / 1000
    steady = STEADY_SECONDS + settled
    after = 4 + 1.5 * interval_ms / 1000
    all_ = [
        _lasting("sound", "nothing happens", steady, Step(0, Do.MEASURE, "ada")),
        _lasting("loss-up", "10 % of what ada sends is lost", steady, _net(up=LOSS)),
        _lasting("loss-down", "10 % of what ada is sent is lost", steady, _net(down=LOSS)),
        _lasting("delay", "ada is 250 ms away, each way", steady, _net(up=FAR, down=FAR)),
        _lasting(
            "jitter-up", "up to 150 ms more for what ada sends, at random", steady, _net(up=SHAKY)
        ),
        _lasting("narrow-up", "300 kbit/s for what ada sends", steady, _net(up=NARROW)),
        _lasting(
            "bad-bridge",
            "10 % is lost for all three, each way",
            steady,
            *(_net(tab, up=LOSS, down=LOSS) for tab in TABS),
        ),
        _passing("dead-both", "nothing comes through to and from ada for 12 s", 12, after, _both()),
        _passing("dead-up", "nothing of what ada sends comes through for 12 s", 12, after, _up()),
        _passing(
            "dead-down", "nothing of what ada is sent comes through for 12 s", 12, after, _down()
        ),
        _passing(
            "dead-all",
            "nothing comes through to and from ada for 25 s, her pushes neither",
            25,
            after + 5,
            [Step(1, Do.CUT_PUSHES, "ada"), *_both()],
            [Step(1, Do.MEND_PUSHES, "ada")],
        ),
        _lasting(
            "slow",
            "ada's computer runs for a thirtieth of the time",
            steady,
            Step(0, Do.SLOW, "ada"),
        ),
        _lasting(
            "slow-receiver",
            "ada's computer runs for a thirtieth of the time, and her camera is off",
            steady,
            Step(0, Do.MUTE, "ada"),
            Step(0, Do.SLOW, "ada"),
        ),
        _lasting(
            "slow-sender",
            "ada's computer runs for a thirtieth of the time, and she wants no pictures",
            steady,
            Step(0, Do.SHOW_NONE, "ada"),
            Step(0, Do.SLOW, "ada"),
        ),
        _passing(
            "muted",
            "ada's camera is muted for 12 s",
            12,
            after,
            [Step(1, Do.MUTE, "ada")],
            [Step(1, Do.UNMUTE, "ada")],
        ),
        _passing(
            "hidden",
            "ada's tab is in the background for 12 s",
            12,
            after,
            [Step(1, Do.HIDE, "ada")],
            [Step(1, Do.SHOW, "ada")],
        ),
        _passing(
            "last-n",
            "ada sees one of the two others for 12 s",
            12,
            after,
            [Step(1, Do.SHOW_ONE, "ada")],
            [Step(1, Do.SHOW_ALL, "ada")],
        ),
    ]
    return {story.name: story for story in all_}


def _net(tab: str = "ada", up: Conditions = SOUND, down: Conditions = SOUND) -> Step:
    return Step(0, Do.NET, tab, up, down)


def _both() -> list[Step]:
    return [Step(1, Do.NET, "ada", DEAD, DEAD)]


def _up() -> list[Step]:
    return [Step(1, Do.NET, "ada", up=DEAD)]


def _down() -> list[Step]:
    return [Step(1, Do.NET, "ada", down=DEAD)]


def _lasting(name: str, says: str, seconds: float, *steps: Step) -> Story:
    """Return a story in which something begins, and lasts for so many *seconds*."""
    return Story(f"sfu-{name}", says, [*steps, Step(seconds, Do.STOP)], TABS, has_bridge=True)


def _passing(
    name: str,
    says: str,
    seconds: float,
    after: float,
    begin: list[Step],
    end: list[Step] | None = None,
) -> Story:
    """Return a story in which something begins and ends, with a time *after* that."""
    over = 1 + seconds
    sound = [Step(over, Do.NET, "ada")] if any(step.do is Do.NET for step in begin) else []
    ends = sound + [replace(step, at=over) for step in end or []]
    steps = [*begin, *ends, Step(over + after, Do.STOP)]
    return Story(f"sfu-{name}", says, steps, TABS, has_bridge=True)
