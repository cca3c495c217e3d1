"""
The held-out stories: they test the rules of the verdict, and no rule is made with them.

Each is another story with other figures; its name is that story's name and a number. Once they have
been used to make a rule, they count as seen, and other stories are held out.
"""

from collections.abc import Iterator
from typing import NamedTuple

from conference.bridge_stories import TABS as OF_THREE
from conference.relay import SOUND, Conditions
from conference.stories import DEAD, TABS, Do, Step, Story

AFTER_SECONDS = 14


class Figures(NamedTuple):
    """
    What the stories of a set have otherwise than the first ones.

    Attributes:
        sound: a number for the name of the story in which nothing happens.
        losses: percent, up and down; in a call of two, the first is of the way down.
        far_ms, less_far_ms: in each direction, through a bridge and in a call of two.
        receives, sends, both: how long a slow process is stopped each time.
        dead_seconds, steady_seconds: how long it lasts.
        lines: of the camera; fewer lines have a lower bit rate.
    """

    sound: int
    losses: tuple[int, int]
    far_ms: int
    less_far_ms: int
    receives: int
    sends: int
    both: int
    dead_seconds: int
    steady_seconds: int
    lines: int = 360


_SEEN = Figures(2, (7, 15), 230, 140, 20, 20, 20, 18, 44)
_HELD = Figures(3, (9, 13), 215, 120, 35, 24, 32, 15, 34, lines=180)


def seen_stories() -> dict[str, Story]:
    """Return the stories that were held out in the past, by name."""
    return _stories(_SEEN)


def held_stories() -> dict[str, Story]:
    """Return the stories that are held out now, by name."""
    return _stories(_HELD)


def _stories(of: Figures) -> dict[str, Story]:
    far = Conditions(delay_seconds=of.far_ms / 1000)
    less_far = Conditions(delay_seconds=of.less_far_ms / 1000)
    less, more = of.losses
    all_ = [
        _by_bridge(of, f"sound-{of.sound}", "nothing happens", Step(0, Do.MEASURE, "ada")),
        *(
            _by_bridge(
                of, f"loss-up-{loss}", f"{loss} % of what ada sends is lost", _net(up=_lossy(loss))
            )
            for loss in of.losses
        ),
        *(
            _by_bridge(
                of,
                f"loss-down-{loss}",
                f"{loss} % of what ada is sent is lost",
                _net(down=_lossy(loss)),
            )
            for loss in of.losses
        ),
        _by_bridge(
            of, f"delay-{of.far_ms}", f"ada is {of.far_ms} ms away, each way", _net(far, far)
        ),
        *_slow(of),
        _dead(of, "sfu-dead-both", "nothing comes through", DEAD, DEAD, OF_THREE),
        _dead(of, "sfu-dead-up", "nothing that ada sends comes through", DEAD, SOUND, OF_THREE),
        _dead(of, "sfu-dead-down", "nothing that ada is sent comes through", SOUND, DEAD, OF_THREE),
        _of_two(
            of, f"loss-up-{more}", f"{more} % of what ada sends is lost", _net(up=_lossy(more))
        ),
        _of_two(
            of,
            f"loss-down-{less}",
            f"{less} % of what ada is sent is lost",
            _net(down=_lossy(less)),
        ),
        _of_two(
            of, f"delay-{of.less_far_ms}", f"{of.less_far_ms} ms each way", _net(less_far, less_far)
        ),
        _dead(of, "dead-both", "nothing comes through", DEAD, DEAD, TABS),
        _dead(of, "dead-up", "nothing that ada sends comes through", DEAD, SOUND, TABS),
    ]
    return {story.name: story for story in all_}


def _slow(of: Figures) -> Iterator[Story]:
    kinds: tuple[tuple[str, int, str, list[Step]], ...] = (
        ("slow-receiver", of.receives, ", and her camera is off", [Step(0, Do.MUTE, "ada")]),
        ("slow-sender", of.sends, ", and she wants no pictures", [Step(0, Do.SHOW_NONE, "ada")]),
        ("slow", of.both, "", []),
    )
    for name, stopped_ms, also, steps in kinds:
        says = f"ada's computer is stopped for {stopped_ms} of each {stopped_ms + 1} ms{also}"
        slow = Step(0, Do.SLOW, "ada", stopped_ms=stopped_ms)
        yield _by_bridge(of, f"{name}-{stopped_ms}", says, *steps, slow)


def story_of(name: str) -> str:
    """Return the other story that the held-out one called *name* resembles."""
    return name.rpartition("-")[0]


def _lossy(percent: float) -> Conditions:
    return Conditions(loss_percent=percent)


def _net(up: Conditions = SOUND, down: Conditions = SOUND) -> Step:
    return Step(0, Do.NET, "ada", up, down)


def _by_bridge(of: Figures, name: str, says: str, *steps: Step) -> Story:
    all_ = [*steps, Step(of.steady_seconds, Do.STOP)]
    return Story(f"sfu-{name}", says, all_, OF_THREE, has_bridge=True, lines=of.lines)


def _of_two(of: Figures, name: str, says: str, *steps: Step) -> Story:
    return Story(name, says, [*steps, Step(of.steady_seconds, Do.STOP)], lines=of.lines)


def _dead(
    of: Figures, name: str, says: str, up: Conditions, down: Conditions, names: tuple[str, ...]
) -> Story:
    over = 1 + of.dead_seconds
    steps = [
        Step(1, Do.NET, "ada", up, down),
        Step(over, Do.NET, "ada"),
        Step(over + AFTER_SECONDS, Do.STOP),
    ]
    says = f"{says} for {of.dead_seconds} s"
    name = f"{name}-{of.dead_seconds}"
    return Story(name, says, steps, names, has_bridge=names is OF_THREE, lines=of.lines)
