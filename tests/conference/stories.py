"""
The stories: what happens to a call of two, ada and bob, step by step.

Each is short, and the same for all times between two statistics, except for what needs several of
them. Time counts from the moment when both are in the call and the service knows them.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from conference.relay import SOUND, Conditions

TABS = ("ada", "bob")
LOSS = Conditions(loss_percent=10)
DEAD = Conditions(is_dead=True)


class Do(StrEnum):
    """What a step does; the words of a recording."""

    NET = "net"
    CUT_PUSHES = "cut pushes"
    MEND_PUSHES = "mend pushes"
    MUTE = "mute"
    UNMUTE = "unmute"
    HIDE = "hide"
    SHOW = "show"
    LEAVE = "leave"
    CRASH = "crash"
    FILL = "fill"
    FAIL_TO_JOIN = "fail to join"
    SLOW = "slow"
    QUICK = "quick"
    SHOW_ONE = "show one"
    SHOW_NONE = "show none"
    SHOW_ALL = "show all"
    MEASURE = "measure"
    STOP = "stop"


@dataclass(frozen=True)
class Step:
    """
    What happens at a time.

    Attributes:
        at: seconds since the story began.
        up: what from now on happens to what the tab sends; `down`: to what it gets.
        stopped_ms: a slow process is stopped for so long at a time, and then runs for 1 ms.
    """

    at: float
    do: Do
    tab: str = ""
    up: Conditions = SOUND
    down: Conditions = SOUND
    stopped_ms: int = 28


@dataclass(frozen=True)
class Story:
    """
    A story.

    Attributes:
        says: what happens, in a few words for the table.
        steps: in the order of time; the last is STOP. From MEASURE to the step after it the
            conditions are steady, and what is exported is to be what is true.
        names: who is in the call from the start.
        has_bridge: the call is by a bridge; else each is connected to the other.
        lines: of everybody's camera.
    """

    name: str
    says: str
    steps: list[Step] = field(default_factory=list)
    names: tuple[str, ...] = TABS
    has_bridge: bool = False
    lines: int = 360


def stories(interval_ms: int) -> dict[str, Story]:
    """Return all stories, by their names, for calls with so long between two statistics."""
    # Until reports of the other side cover the new conditions, and one push tells of them.
    settled = 5 + 1.5 * interval_ms / 1000
    # Until the next push tells what was.
    told = 5 + 1.5 * interval_ms / 1000
    all_ = [
        _steady("loss-up", "10 % of what ada sends is lost", settled, 30, up=LOSS),
        _steady("loss-down", "10 % of what ada is sent is lost", settled, 30, down=LOSS),
        _steady("loss-both", "10 % is lost each way, for 60 s", settled, 60 - settled, LOSS, LOSS),
        _steady(
            "delay",
            "100 ms each way",
            settled,
            20,
            Conditions(delay_seconds=0.1),
            Conditions(delay_seconds=0.1),
        ),
        _steady(
            "jitter",
            "up to 30 ms more each way, at random",
            settled,
            20,
            Conditions(jitter_seconds=0.03),
            Conditions(jitter_seconds=0.03),
        ),
        _steady(
            "narrow", "300 kbit/s for what ada sends", settled, 25, Conditions(kbits_per_second=300)
        ),
        _dead("dead-both", "nothing comes through for 12 s", 12, told + 5, up=DEAD, down=DEAD),
        _dead("dead-up", "nothing of what ada sends comes through for 12 s", 12, told + 5, up=DEAD),
        _dead(
            "dead-all",
            "nothing comes through for 25 s, pushes of ada neither",
            25,
            told + 10,
            up=DEAD,
            down=DEAD,
            cuts_pushes=True,
        ),
        _dead(
            "dead-for-good",
            "nothing comes through for 45 s, which ends the media",
            45,
            told,
            up=DEAD,
            down=DEAD,
        ),
        _switched("muted", "ada's camera is muted for 15 s", Do.MUTE, Do.UNMUTE, 15, told),
        _switched("hidden", "ada's tab is in the background for 15 s", Do.HIDE, Do.SHOW, 15, told),
        Story("leave", "ada leaves", _then(Step(2, Do.LEAVE, "ada"), stop=2 + 2 * told)),
        Story("crash", "ada's tab dies", _then(Step(2, Do.CRASH, "ada"), stop=2 + 35)),
        Story(
            "failed-join",
            "bob finds the conference full",
            _then(Step(1, Do.FILL, "ada"), Step(3, Do.FAIL_TO_JOIN, "bob"), stop=3 + 5),
            ("ada",),
        ),
    ]
    return {story.name: story for story in all_}


def _then(*steps: Step, stop: float) -> list[Step]:
    return [*steps, Step(stop, Do.STOP)]


def _steady(
    name: str,
    says: str,
    settled: float,
    seconds: float,
    up: Conditions = SOUND,
    down: Conditions = SOUND,
) -> Story:
    """Conditions that last, measured for so many *seconds* after they have *settled*."""
    steps = [Step(0, Do.NET, "ada", up, down), Step(settled, Do.MEASURE, "ada")]
    return Story(name, says, _then(*steps, stop=settled + seconds))


def _dead(
    name: str,
    says: str,
    seconds: float,
    after: float,
    up: Conditions = SOUND,
    down: Conditions = SOUND,
    *,
    cuts_pushes: bool = False,
) -> Story:
    """A link that is dead for so many *seconds*, and is watched for some *after* that."""
    begin, end = 1.0, 1.0 + seconds
    cut = [Step(begin, Do.CUT_PUSHES, "ada")] * cuts_pushes
    mend = [Step(end, Do.MEND_PUSHES, "ada")] * cuts_pushes
    steps = [*cut, Step(begin, Do.NET, "ada", up, down), Step(end, Do.NET, "ada"), *mend]
    return Story(name, says, _then(*steps, stop=end + after))


def _switched(name: str, says: str, on: Do, off: Do, seconds: float, after: float) -> Story:
    """Something that is on for so many *seconds*."""
    steps = Step(1, on, "ada"), Step(1 + seconds, off, "ada")
    return Story(name, says, _then(*steps, stop=1 + seconds + after))
