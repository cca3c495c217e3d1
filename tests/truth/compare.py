"""
Compares what was exported of a recorded call of two with what was true.

In goes a recording (tests/helpers/recordings.py). Out comes for each tab what /metrics said in the
time that counts, what the relay and the browser's own reports say, and the faults. The relay is the
witness of loss and of outages: it has the counts, whatever the browsers believe. The raw reports
are the witness of round trip, jitter and frozen video.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from recordings import Line, Recording

# The table's columns: a metric's name on the wire, and what the column is called.
METRICS = {
    "packetloss_upload": "loss up, %",
    "packetloss_download": "loss down, %",
    "round_trip_time": "round trip, ms",
    "jitter_upload": "jitter up, ms",
    "jitter_download": "jitter down, ms",
    "outage_down": "outage down, ms",
    "outage_up": "outage up, ms",
    "freeze_time": "frozen, ms",
}
LOSSES = ("packetloss_upload", "packetloss_download")
# What a push tells since it began: the longest is what was told. Each story has one at most.
OUTAGES = ("outage_down", "outage_up")
# And of its interval alone, where the sum over all pushes is.
TOLD_IN_SUM = (*OUTAGES, "freeze_time")
# These need both ways: what we sent has to arrive, and the other side's word has to come back.
NEED_BOTH_WAYS = ("packetloss_upload", "jitter_upload", "round_trip_time")

LOSS_POINTS = 3.0
# One sample may be of few packets.
LOSS_POINTS_OF_A_SAMPLE = 12.0
SHARE = 0.2
# Differences that nobody would see, of calls over loopback.
FLOOR_MS = 10.0
OUTAGE_DOWN_MS = 2000.0
OUTAGE_UP_MS = 5000.0
FROZEN_MS = 1000.0
# After a camera is on again: the standstill is booked with the next picture.
MOVES_AGAIN_SECONDS = 3.0
GONE_AT_ONCE_SECONDS = 2.0
EXPIRED_SECONDS = 32.0
# A push and a scrape, each half a second at most.
ON_THE_WAY_SECONDS = 1.5

Window = tuple[float, float]


class Told(NamedTuple):
    """What was exported of one metric: the mean, the last and the highest of its samples."""

    mean: float
    last: float
    highest: float


class Sample(NamedTuple):
    """
    What a scrape found of a tab.

    Attributes:
        t: of the scrape.
        pushed: when the push came that it shows; None before the first.
        taken: when the numbers of that push were taken.
        values: by metric; what was not exported is not in it.
    """

    t: float
    pushed: float | None
    taken: float
    values: dict[str, float]


class Fault(NamedTuple):
    """What was told wrongly, and how."""

    metric: str
    words: str


@dataclass
class Verdict:
    """
    How well a tab's story was told.

    Attributes:
        told: by metric; not in it: it was never exported.
        true: by metric; not in it: it could not be measured, or nobody knows.
    """

    tab: str
    told: dict[str, Told] = field(default_factory=dict)
    true: dict[str, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def compare(recording: Recording, loss_points: float = LOSS_POINTS) -> list[Verdict]:
    """Return the verdict on each tab; the mean loss may be wrong by so many *loss_points*."""
    return [_Judge(recording, tab, loss_points).verdict() for tab in recording.tabs]


@dataclass
class Flow:
    """What the relay counted of one direction between the two tabs, at the times that it looked."""

    times: list[float]
    sent: list[int]
    lost: list[int]

    def loss(self, window: Window) -> float | None:
        """Return the percent of datagrams lost in *window*, None if there was none."""
        inside = [at for at, t in enumerate(self.times) if window[0] <= t <= window[1]]
        if len(inside) < 2:
            return None
        sent = self.sent[inside[-1]] - self.sent[inside[0]]
        lost = self.lost[inside[-1]] - self.lost[inside[0]]
        return 100 * lost / sent if sent else None

    def silences(self, window: Window, least: float = 2.0) -> list[Window]:
        """Return the times within *window* in which nothing came through for *least* seconds."""
        arrived = [sent - lost for sent, lost in zip(self.sent, self.lost, strict=True)]
        found: list[Window] = []
        for at, (one, next_) in enumerate(pairwise(self.times)):
            if arrived[at + 1] != arrived[at] or not arrived[at]:
                continue
            begin, end = max(one, window[0]), min(next_, window[1])
            if begin >= end:
                continue
            if found and found[-1][1] == begin:
                begin = found.pop()[0]
            found.append((begin, end))
        return [(begin, end) for begin, end in found if end - begin >= least]


def _both(some: Sequence[Window], others: Sequence[Window]) -> float:
    """Return for how many seconds both are."""
    return sum(
        max(0.0, min(one[1], other[1]) - max(one[0], other[0])) for one in some for other in others
    )


def flow(recording: Recording, sender: str, receiver: str) -> Flow:
    """Return what the relay counted from *sender* to *receiver*."""
    ups = recording.of("relay", sender)
    downs = {round(line.t, 1): line.data["down"] for line in recording.of("relay", receiver)}
    found = Flow([], [], [])
    for line in ups:
        down = downs.get(round(line.t, 1)) or {"lost": 0}
        found.times.append(line.t)
        found.sent.append(line.data["up"]["sent"])
        found.lost.append(line.data["up"]["lost"] + down["lost"])
    return found


class _Judge:
    """All that is known of one tab of a recording."""

    def __init__(self, recording: Recording, tab: str, loss_points: float) -> None:
        self.recording = recording
        self.tab = tab
        self.loss_points = loss_points
        self.peer = next((each for each in recording.tabs if each != tab), "")
        self.interval = recording.story["interval_ms"] / 1000
        self.samples = list(_samples(recording, tab))
        self.plan = [line for line in recording.lines if line.who == "plan"]
        self.begin, self.end = self._begin(), self._end()
        self.out, self.in_ = flow(recording, tab, self.peer), flow(recording, self.peer, tab)
        # What comes after the last push of the call is in none.
        pushed = [line.t for line in recording.of("push", tab) if line.t <= self.end]
        call = self.begin, pushed[-1] if pushed else self.end
        self.silent_out, self.silent_in = self.out.silences(call), self.in_.silences(call)
        self.result = Verdict(tab)

    def _begin(self) -> float:
        """Return when the story's first step was, all before which is the joining."""
        return next((line.t for line in self.plan if line.kind != "story"), 0.0)

    def _end(self) -> float:
        """Return when the call of two was over: somebody went, or the story ended."""
        over = (line.t for line in self.plan if line.kind in {"leave", "crash", "stop"})
        return next(over, self.recording.lines[-1].t if self.recording.lines else 0.0)

    @property
    def steady(self) -> Window | None:
        """The time in which the conditions were steady and known."""
        for line, next_ in pairwise(self.plan):
            if line.kind == "measure":
                return line.t, next_.t
        return None

    def verdict(self) -> Verdict:
        if any(line.data["tab"] == self.tab for line in self.recording.of("fail to join")):
            self._judge_failed_join()
            return self.result
        if not self.samples:
            return self.result
        window = self.steady or (self.begin, self._last)
        self._tell(window)
        # The first sample of the window tells of the interval before it.
        self._find_truth((window[0] - self.interval, window[1]) if self.steady else window)
        if self.steady:
            self._judge_steady()
        self._judge_sums()
        self._judge_unmeasurable()
        self._judge_after()
        self._judge_left_behind()
        self._judge_going()
        return self.result

    @property
    def _last(self) -> float:
        """The time of the story's end; somebody may have gone before."""
        return next((line.t for line in self.plan if line.kind == "stop"), self.end)

    def _fault(self, metric: str, words: str) -> None:
        self.result.faults.append(Fault(metric, words))

    def _tell(self, window: Window) -> None:
        """Gather what was exported."""
        for metric in METRICS:
            if metric in TOLD_IN_SUM:
                known = [value for _, value in self._pushed(metric)]
                if known:
                    all_ = max(known) if metric in OUTAGES else sum(known)
                    self.result.told[metric] = Told(all_, known[-1], max(known))
                continue
            values = [
                each.values[metric]
                for each in self.samples
                if window[0] <= each.t <= window[1] and metric in each.values
            ]
            if values:
                mean = sum(values) / len(values)
                self.result.told[metric] = Told(mean, values[-1], max(values))

    def _pushed(self, metric: str) -> Iterator[tuple[float, float]]:
        """Yield the time and number of each push since the beginning that was taken."""
        for line in self.recording.of("push", self.tab):
            if line.t < self.begin or line.data["status"] != 200:
                continue
            value = line.data["body"].get("metrics", {}).get(metric, {}).get("value")
            if value is not None:
                yield line.t, value

    def _find_truth(self, window: Window) -> None:
        true = {
            "packetloss_upload": self.out.loss(window),
            "packetloss_download": self.in_.loss(window),
            "round_trip_time": self._round_trip_ms(window),
            "jitter_upload": _jitter_ms(self.recording.of("raw", self.peer), window),
            "jitter_download": _jitter_ms(self.recording.of("raw", self.tab), window),
            "outage_down": 1000 * _length(self.silent_in),
            # While nothing comes either, nobody can tell.
            "outage_up": 1000
            * max(0.0, _length(self.silent_out) - _both(self.silent_out, self.silent_in)),
            "freeze_time": self._frozen_ms(),
        }
        self.result.true = {name: value for name, value in true.items() if value is not None}

    def _round_trip_ms(self, window: Window) -> float | None:
        """Return the mean of all answers to ICE's checks in *window*, by the browser's counters."""
        pairs = [
            stat
            for line in _within(self.recording.of("raw", self.tab), window)
            for stat in _stats(line, "candidate-pair")
        ]
        if not pairs or pairs[0]["id"] != pairs[-1]["id"]:
            return None
        answers = pairs[-1]["responsesReceived"] - pairs[0]["responsesReceived"]
        seconds = pairs[-1]["totalRoundTripTime"] - pairs[0]["totalRoundTripTime"]
        return float(1000 * seconds / answers) if answers else None

    def _frozen_ms(self) -> float | None:
        """
        Return for how long the picture stood still that should have moved, in ms.

        By the browser's counters of freezes and pauses, or by frames that are not decoded where
        those say less: a standstill that never ends is in no counter. None without a picture.
        """
        raws = _within(self.recording.of("raw", self.tab), (self.begin, self.end))
        videos = [(line.t, stat) for line in raws for stat in _stats(line, "inbound-rtp")]
        videos = [(t, stat) for t, stat in videos if stat["kind"] == "video"]
        if not videos or videos[0][1]["id"] != videos[-1][1]["id"]:
            return None

        off = self._meant_to_stand_still
        moving = [
            (one, next_)
            for one, next_ in pairwise(videos)
            if not any(one[0] < end and begin < next_[0] for begin, end in off)
        ]
        booked = sum(
            next_[1].get(counter, 0) - one[1].get(counter, 0)
            for one, next_ in moving
            for counter in ("totalFreezesDuration", "totalPausesDuration")
        )
        still = sum(
            next_[0] - one[0]
            for one, next_ in moving
            if one[1].get("framesDecoded") == next_[1].get("framesDecoded")
        )
        return float(1000 * max(booked, still))

    @property
    def _meant_to_stand_still(self) -> list[Window]:
        """When the other's camera was off, or this page not seen: no freeze."""
        return [
            (line.t, next_.t + MOVES_AGAIN_SECONDS)
            for line, next_ in pairwise(self.plan)
            if (line.kind == "mute" and line.data["tab"] != self.tab)
            or (line.kind == "hide" and line.data["tab"] == self.tab)
        ]

    def _judge_steady(self) -> None:
        """Hold the means against the truth, while the conditions were steady."""
        for metric, true in self.result.true.items():
            if metric in TOLD_IN_SUM:
                continue
            told = self.result.told.get(metric)
            bound = self.loss_points if metric in LOSSES else max(SHARE * true, FLOOR_MS)
            if told is None:
                self._fault(metric, f"not exported, true {true:.1f}")
            elif abs(told.mean - true) > bound:
                self._fault(metric, f"mean {told.mean:.1f}, true {true:.1f}")

    def _judge_sums(self) -> None:
        """Hold what all pushes told together against the truth."""
        up = max(OUTAGE_UP_MS, 1000 * self.interval)
        for metric, bound in (("outage_down", OUTAGE_DOWN_MS), ("outage_up", up)):
            true = self.result.true[metric]
            # Of an outage that was none not one millisecond is told.
            self._judge_sum(metric, true, bound if true else 0.0)
        frozen = self.result.true.get("freeze_time")
        if frozen is not None and not self._is_called_muted():
            self._judge_sum("freeze_time", frozen, max(FROZEN_MS, SHARE * frozen))

    def _is_called_muted(self) -> bool:
        """
        Say whether the library calls the other's camera muted all the time.

        That of 2021 does so of some that are on: then no page knows that the picture should move.
        """
        owner = self.recording.participant(self.peer)
        cameras = [
            track["isMuted"]
            for line in self.recording.of("raw", self.tab)
            for track in (line.data or {}).get("tracks", ())
            if track["kind"] == "video" and track["owner"] == owner
        ]
        return bool(cameras) and all(cameras)

    def _judge_sum(self, metric: str, true: float, bound: float) -> None:
        told = self.result.told.get(metric)
        if told is None and true > bound:
            self._fault(metric, f"not exported, true {true:.0f}")
        elif told is not None and abs(told.mean - true) > bound:
            self._fault(metric, f"exported {told.mean:.0f}, true {true:.0f}")

    def _judge_unmeasurable(self) -> None:
        """Find numbers of a time in which there was nothing to measure, zeros above all."""
        for metric in METRICS:
            if metric in TOLD_IN_SUM:
                continue
            silences = [*self.silent_in]
            if metric in NEED_BOTH_WAYS:
                silences += self.silent_out
            zeros, held = 0, 0
            for each in self.samples:
                value = each.values.get(metric)
                if value is None or not self._is_of_silence(each, silences):
                    continue
                zeros += value == 0
                held += value != 0
            if zeros:
                self._fault(metric, f"0 in {zeros} scrapes of a time that nobody could measure")
            if held:
                self._fault(
                    metric, f"a number in {held} scrapes of a time that nobody could measure"
                )

    def _is_of_silence(self, sample: Sample, silences: Iterable[Window]) -> bool:
        """Say whether all that *sample* can tell of is within one of *silences*."""
        if sample.pushed is None or self._is_cut_off(sample.t):
            return False
        # What is late by more than an interval ought to be gone, too.
        covered = max(sample.taken - self.interval, sample.t - 2 * self.interval - 1)
        return any(begin + 0.5 <= covered and sample.t <= end for begin, end in silences)

    def _is_cut_off(self, t: float) -> bool:
        """Say whether no push could come at *t*: what came before stays for its time to live."""
        cuts = [
            line.kind == "cut pushes"
            for line in self.plan
            if line.kind in {"cut pushes", "mend pushes"}
            and line.data["tab"] == self.tab
            and line.t <= t
        ]
        return bool(cuts) and cuts[-1]

    def _judge_after(self) -> None:
        """Find loss that is told of a time after an outage in which so much was not lost."""
        if self.steady:
            return
        for metric, way in (("packetloss_upload", self.out), ("packetloss_download", self.in_)):
            silences = self.silent_out if way is self.out else self.silent_in
            if not silences:
                continue
            for each in self.samples:
                value = each.values.get(metric, 0.0)
                covered = each.taken - self.interval, each.taken
                true = way.loss(covered)
                if covered[1] < silences[-1][1] or true is None:
                    continue
                if value - true > LOSS_POINTS_OF_A_SAMPLE:
                    self._fault(metric, f"{value:.1f} after the link was back, true {true:.1f}")
                    break

    def _judge_going(self) -> None:
        """Find who was told of when they had gone."""
        for line in self.plan:
            if line.kind not in {"leave", "crash"} or line.data["tab"] != self.tab:
                continue
            bound = GONE_AT_ONCE_SECONDS if line.kind == "leave" else EXPIRED_SECONDS
            if (stayed := self.samples[-1].t - line.t) > bound:
                self._fault("participant", f"still there {stayed:.1f} s after the {line.kind}")

    def _judge_left_behind(self) -> None:
        """Find numbers of a call that is over, since the other has gone."""
        gone = [line.t for line in self.recording.of("event", self.tab) if _is_leave(line)]
        if not gone or gone[0] >= self._last:
            return
        late = [
            each for each in self.samples if each.t > gone[0] + self.interval + ON_THE_WAY_SECONDS
        ]
        for metric in METRICS:
            if metric in TOLD_IN_SUM:
                continue
            held = [each.t for each in late if metric in each.values and each.t < self._last]
            if held:
                self._fault(
                    metric, f"exported until {held[-1] - gone[0]:.1f} s after the other had gone"
                )

    def _judge_failed_join(self) -> None:
        """Find that nobody was told of a join that failed."""
        pushes = self.recording.of("push", self.tab)
        if not any(line.data["body"].get("session", {}).get("end") for line in pushes):
            self._fault("participant", "the join that failed was not exported")


def _samples(recording: Recording, tab: str) -> Iterator[Sample]:
    """Yield what each scrape found of *tab*, with the push that it shows."""
    participant = recording.participant(tab)
    pushes = recording.of("push", tab)
    for line in recording.of("scrape"):
        if (values := line.data.get(participant)) is not None:
            before = [push for push in pushes if push.t <= line.t]
            pushed = before[-1].t if before else None
            yield Sample(line.t, pushed, _taken(before[-1]) if before else line.t, values)


def _taken(push: Line) -> float:
    """Return when the numbers of *push* were taken."""
    age_ms: float = push.data["body"].get("session", {}).get("stats_age_ms") or 0
    return push.t - age_ms / 1000


def _is_leave(line: Line) -> bool:
    return bool(line.data["event"] == "conference.userLeft")


def _within(lines: Iterable[Line], window: Window) -> list[Line]:
    return [line for line in lines if window[0] <= line.t <= window[1]]


def _stats(line: Line, type_: str) -> list[dict[str, Any]]:
    """Return the stats of a type in a raw report, none where there was no connection."""
    report = line.data["report"] if line.data else []
    return [stat for stat in report if stat["type"] == type_]


def _jitter_ms(raws: Iterable[Line], window: Window) -> float | None:
    """Return the mean over *window* of the jitter of the worst stream that came in."""
    worst = [
        max(stat["jitter"] for stat in found)
        for line in _within(raws, window)
        if (found := [stat for stat in _stats(line, "inbound-rtp") if "jitter" in stat])
    ]
    return 1000 * sum(worst) / len(worst) if worst else None


def _length(windows: Iterable[Window]) -> float:
    return sum(end - begin for begin, end in windows)
