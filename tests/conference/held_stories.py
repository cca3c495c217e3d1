"""
The stories that are held out: the rules of the verdict are not made with them, only judged by them.

Each is one of the other stories with other figures. Its name is that one's, and a number.
"""

from conference.bridge_stories import TABS as OF_THREE
from conference.relay import SOUND, Conditions
from conference.stories import DEAD, TABS, Do, Step, Story

STEADY_SECONDS = 44
DEAD_SECONDS = 18
AFTER_SECONDS = 14
# The process is stopped for so long at a time, and then runs for 1 ms.
STOPPED_MS = 20


def held_stories() -> dict[str, Story]:
    """Return all of them, by their names."""
    far = Conditions(delay_seconds=0.23)
    less_far = Conditions(delay_seconds=0.14)
    slow = Step(0, Do.SLOW, "ada", stopped_ms=STOPPED_MS)
    all_ = [
        _by_bridge("sound-2", "nothing happens", Step(0, Do.MEASURE, "ada")),
        *(
            _by_bridge(
                f"loss-up-{loss}", f"{loss} % of what ada sends is lost", _net(up=_lossy(loss))
            )
            for loss in (7, 15)
        ),
        *(
            _by_bridge(
                f"loss-down-{loss}",
                f"{loss} % of what ada is sent is lost",
                _net(down=_lossy(loss)),
            )
            for loss in (7, 15)
        ),
        _by_bridge("delay-230", "ada is 230 ms away, each way", _net(up=far, down=far)),
        _by_bridge(
            "slow-receiver-20",
            "ada's computer runs for a twentieth of the time, and her camera is off",
            Step(0, Do.MUTE, "ada"),
            slow,
        ),
        _by_bridge(
            "slow-sender-20",
            "ada's computer runs for a twentieth of the time, and she wants no pictures",
            Step(0, Do.SHOW_NONE, "ada"),
            slow,
        ),
        _dead("sfu-dead-both-18", "nothing comes through", DEAD, DEAD, OF_THREE),
        _dead("sfu-dead-up-18", "nothing that ada sends comes through", DEAD, SOUND, OF_THREE),
        _dead("sfu-dead-down-18", "nothing that ada is sent comes through", SOUND, DEAD, OF_THREE),
        _of_two("loss-up-15", "15 % of what ada sends is lost", _net(up=_lossy(15))),
        _of_two("loss-down-7", "7 % of what ada is sent is lost", _net(down=_lossy(7))),
        _of_two("delay-140", "140 ms each way", _net(up=less_far, down=less_far)),
        _dead("dead-both-18", "nothing comes through", DEAD, DEAD, TABS),
        _dead("dead-up-18", "nothing that ada sends comes through", DEAD, SOUND, TABS),
    ]
    return {story.name: story for story in all_}


def story_of(name: str) -> str:
    """Return which of the other stories the held one called *name* is like."""
    return name.rpartition("-")[0]


def _lossy(percent: float) -> Conditions:
    return Conditions(loss_percent=percent)


def _net(up: Conditions = SOUND, down: Conditions = SOUND) -> Step:
    return Step(0, Do.NET, "ada", up, down)


def _by_bridge(name: str, says: str, *steps: Step) -> Story:
    stop = Step(STEADY_SECONDS, Do.STOP)
    return Story(f"sfu-{name}", says, [*steps, stop], OF_THREE, has_bridge=True)


def _of_two(name: str, says: str, *steps: Step) -> Story:
    return Story(name, says, [*steps, Step(STEADY_SECONDS, Do.STOP)])


def _dead(name: str, says: str, up: Conditions, down: Conditions, names: tuple[str, ...]) -> Story:
    steps = [
        Step(1, Do.NET, "ada", up, down),
        Step(1 + DEAD_SECONDS, Do.NET, "ada"),
        Step(1 + DEAD_SECONDS + AFTER_SECONDS, Do.STOP),
    ]
    says = f"{says} for {DEAD_SECONDS} s"
    return Story(name, says, steps, names, has_bridge=names is OF_THREE)
