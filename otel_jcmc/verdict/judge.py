"""
Finds the state and the cause of one push, only from the numbers of the push.

Each value has a threshold for a fair call, and most have one for a bad call. Nearly every push is
good, so a quick first step compares all values with the threshold for fair. Only if a value is
beyond it, the slower second step finds how bad the call is, and why.
"""

from collections.abc import Sequence
from math import inf
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, LIST_ID, METRICS, MOS_ID, STATE_ID
from otel_jcmc.verdict import rules
from otel_jcmc.verdict.mos import audio_mos
from otel_jcmc.verdict.rules import Cause, Kind, State, Symptom

_AT: Final = {row.field: row.id - 1 for row in METRICS}
_MOS, _STATE, _CAUSE, _COVERS = MOS_ID - 1, STATE_ID - 1, CAUSE_ID - 1, COVERS_ID - 1
_PATHS: Final = LIST_ID - 1
_PRESENT: Final = _AT["conference_participants"]
_DOWN, _UP = _AT["outage_down"], _AT["outage_up"]
_LOSS_UP, _LOSS_DOWN, _LOSS = _AT[rules.LOSS_UP], _AT[rules.LOSS_DOWN], _AT[rules.LOSS]
_BEST, _WORST = _AT["packetloss_download_best"], _AT[rules.WORST]
_EXPECTED: Final = _AT["streams_expected"]
_TRIP: Final = _AT[rules.ROUND_TRIP]
_JITTER_UP, _JITTER_DOWN = _AT[rules.JITTER_UP], _AT[rules.JITTER_DOWN]
_CONCEALED, _BUFFER = _AT["audio_concealed"], _AT["audio_buffer_time"]
_FROZEN, _RATE_DOWN = _AT[rules.FROZEN], _AT["framerate_download"]
_DECODE: Final = _AT[rules.DECODE]
_DELAY: Final = _AT[rules.DELAY]
_CPU, _BANDWIDTH = _AT["limitation_cpu"], _AT[rules.PICTURE_LIMIT]
_HEIGHT, _WANTED = _AT["resolution_height_upload"], _AT["resolution_height_wanted"]
_BITRATE_DOWN: Final = _AT["bitrate_download"]
# The second step examines these symptoms at any value, because it compares their thresholds in
# another way.
_ANY: Final = {rules.MOS, rules.FROZEN, rules.DECODE}
# A heartbeat is a push of a page whose statistics have stopped. A heartbeat has only these values.
_OF_HEARTBEATS: Final = {_DOWN, _UP}


# Structs: to make a named tuple takes ten times as long, and a bad push needs three such objects.
class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One reason for a verdict: the metric *field* had a *value* beyond its *threshold*."""

    field: str
    value: float
    threshold: float


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """
    The verdict on one push.

    Attributes:
        state: the state of the call; None: not known.
        cause: the cause of the state; None: the call is good, or no cause is found.
        evidence: first the evidence of the worst symptom, then the evidence of the cause.
    """

    state: State | None
    cause: Cause | None = None
    evidence: tuple[Evidence, ...] = ()


_UNKNOWN: Final = Verdict(None)
_GOOD: Final = Verdict(State.GOOD)
# Copies of the members as module names: to look up a member in the class takes three times as long.
_, _FAIR, _BAD = State
# A low MOS is bad, but for all other values a high value is bad. So the judge does not compare the
# MOS, but the difference between this best MOS and the MOS.
_BEST_MOS: Final = 4.5
# For these symptoms `_value` first computes the value to compare, from further numbers of the push.
_MORE: Final = frozenset((_FROZEN, _LOSS, _BANDWIDTH, _DECODE, _DELAY, _JITTER_UP, _JITTER_DOWN))
_SILENCE, _SENT = Kind.SILENCE, Kind.SENT


class Judge:
    """Judges pushes by the rules, with the operator's thresholds."""

    def __init__(self, bad_loss: float = 5, bad_round_trip_ms: float = 400) -> None:
        """Judge a call as bad above *bad_loss* percent of loss, or above *bad_round_trip_ms*."""
        self._symptoms = rules.symptoms(bad_loss, bad_round_trip_ms)
        self._some_loss = bad_loss / 2
        self._no_loss = bad_loss / 8
        self._long = bad_round_trip_ms / 2
        self._of = {each.field: each for each in self._symptoms}
        self._mos_fair = self._of[rules.MOS].fair
        # Of each symptom: the index of its value in `numbers`, the limit beyond which the second
        # step examines the value, and the thresholds. The limit is 0 for every symptom in _ANY: a
        # freeze, for example, has its threshold in percent of the time covered. No limit is below
        # 0.
        self._looked_at = [
            (_AT[each.field], 0 if each.field in _ANY else each.fair, each.fair, each.bad, each)
            for each in self._symptoms
        ]
        # This list has no MOS, because `judge` compares the MOS separately. It has no decoding
        # time, because that is never 0, and matters only if a picture stood still.
        first = [each for each in self._looked_at if each[0] not in (_MOS, _DECODE)]
        self._limits = [(at, limit) for at, limit, *_ in first]

    def note(
        self, numbers: list[Any], covers_ms: float, *, is_direct: bool, age_ms: float = inf
    ) -> None:
        """
        Write MOS, state, cause and the time covered into the *numbers* of a push.

        Args:
            covers_ms: the time that the push covers; 0: not known.
            is_direct: whether the participant has a transport to a peer and none to a bridge.
            age_ms: age of the page's newest statistics. If they are older than *covers_ms*, the
                statistics have stopped. A heartbeat with newer statistics does not mean that they
                have stopped: a page also sends one at once when its connection is interrupted.
        """
        numbers[_COVERS] = covers_ms or None
        numbers[_MOS] = audio_mos(
            numbers[_CONCEALED],
            numbers[_LOSS_DOWN],
            numbers[_TRIP],
            numbers[_BUFFER],
            numbers[_JITTER_DOWN],
        )
        has_stopped = age_ms > covers_ms
        said = self.judge(numbers, is_direct=is_direct, has_stopped=has_stopped)
        if said.state is not None:
            numbers[_STATE] = int(said.state)
        if said.cause is not None:
            numbers[_CAUSE] = said.cause.id

    def judge(
        self, numbers: Sequence[Any], *, is_direct: bool = False, has_stopped: bool = True
    ) -> Verdict:
        """Return the verdict on *numbers*, to which `note` has added MOS and the time covered."""
        present = numbers[_PRESENT]
        if present is not None and present <= 1:
            return _UNKNOWN
        trip = numbers[_TRIP]
        if trip is None:
            trip = slowest(numbers[_PATHS])
        for at, limit in self._limits:
            value = numbers[at]
            if value and value > limit:
                return self._explain(numbers, trip, is_direct=is_direct)
        mos = numbers[_MOS]
        if (mos is not None and mos < self._mos_fair) or (trip is not None and trip > self._long):
            return self._explain(numbers, trip, is_direct=is_direct)
        return self._without_symptoms(numbers, trip, has_stopped=has_stopped)

    @staticmethod
    def _without_symptoms(
        numbers: Sequence[Any], trip: float | None, *, has_stopped: bool
    ) -> Verdict:
        """Return the verdict if no value is beyond its threshold: good, bad or unknown."""
        if trip is not None and numbers[_LOSS_DOWN] is not None:
            if numbers[_BITRATE_DOWN] or (numbers[_DOWN] == 0 and numbers[_UP] == 0):
                return _GOOD
            return _UNKNOWN
        if has_stopped and numbers[_DOWN] is not None and _is_heartbeat(numbers):
            # A heartbeat has outages (even 0) only if other participants are present. Without them,
            # the page cannot know whether its connection is interrupted, and the state is unknown.
            return Verdict(_BAD)
        return _UNKNOWN

    @staticmethod
    def _value(at: int, value: float, numbers: Sequence[Any], trip: float | None) -> float | None:
        """Return *value*, at index *at*, in the unit of its thresholds; None: do not judge it."""
        if at == _FROZEN:
            covers = numbers[_COVERS]
            return 100 * value / covers if covers else None
        if at == _LOSS:
            return value if numbers[_LOSS_UP] is None and numbers[_LOSS_DOWN] is None else None
        if at == _DECODE:
            return value * _or(numbers[_RATE_DOWN], 0) / 10 if numbers[_FROZEN] else None
        if at == _BANDWIDTH:
            height, wanted = numbers[_HEIGHT], numbers[_WANTED]
            return value if height is not None and wanted and height < wanted else None
        if at == _DELAY:
            return value if numbers[_FROZEN] or value > rules.FELT_MS else None
        # A page reports the jitter of the last moment, but the round trip over the whole interval.
        # If the jitter is over twice the round trip, that moment was not typical of the path.
        return value if trip is None or value <= 2 * trip else None

    def _explain(self, numbers: Sequence[Any], trip: float | None, *, is_direct: bool) -> Verdict:
        """Return the state of the worst symptom, the cause of that symptom, and the evidence."""
        worst = (0, 0.0)
        shown: tuple[Symptom, float] | None = None
        for at, limit, fair, bad, symptom in self._looked_at:
            value = trip if at == _TRIP else numbers[at]
            if not value or value <= limit:
                continue
            if at in _MORE and (value := self._value(at, value, numbers, trip)) is None:
                continue
            if at == _MOS:
                how = _severity(_BEST_MOS - value, _BEST_MOS - fair, _BEST_MOS - bad)
            else:
                how = _severity(value, fair, bad)
            if how > worst:
                worst, shown = how, (symptom, value)
        if shown is None:
            # A value was beyond its limit, so this push is not a heartbeat.
            return self._without_symptoms(numbers, trip, has_stopped=False)
        symptom, value = shown
        cause, evidence = self._cause(symptom.kind, numbers, trip)
        if cause is not None and is_direct and cause.id in rules.OF_NETWORK:
            cause = rules.PAIR
        is_bad = worst[0] == _BAD
        limit = symptom.bad if is_bad else symptom.fair
        told = Evidence(symptom.field, value, limit), *evidence
        return Verdict(_BAD if is_bad else _FAIR, cause, told)

    def _cause(
        self, kind: Kind, numbers: Sequence[Any], trip: float | None
    ) -> tuple[Cause | None, tuple[Evidence, ...]]:
        """Return the cause of a symptom of this *kind*, with its evidence."""
        if kind is _SILENCE:
            return rules.OUTAGE, ()
        asked = self._of_sent if kind is _SENT else self._of_received
        return asked(numbers, trip)

    def _of_received(
        self, numbers: Sequence[Any], trip: float | None
    ) -> tuple[Cause | None, tuple[Evidence, ...]]:
        """Return the cause of a symptom in received sound or picture, with its evidence."""
        some, best, worst = self._some_loss, numbers[_BEST], numbers[_WORST]
        is_several = _has_several_senders(numbers)
        # If one stream loses nothing, the participant's own path is good, and the senders of the
        # other streams have the loss. But with one sender, a stream of few packets may lose nothing
        # by chance, so the worst stream must then lose twice as much.
        much = some if is_several else 2 * some
        if best is not None and best <= self._no_loss and _or(worst, 0) > much:
            return rules.RECEIVED, (Evidence(rules.WORST, worst, much),)
        loss = max(_or(numbers[_LOSS_DOWN], _or(numbers[_LOSS], 0)), _or(worst, 0))
        if loss > some and is_several:
            return rules.DOWNLINK, (Evidence("packetloss_download_best", best, self._no_loss),)
        if loss > some:
            return rules.DOWNLINK_OR_RECEIVED, (Evidence(rules.LOSS_DOWN, loss, some),)
        if found := _slow_receiver(numbers):
            return rules.SLOW_RECEIVER, (found,)
        # A busy page delays a packet when it sends it, and delays the answer when it receives it.
        # After both delays are subtracted, the rest of the round trip is time on the network path.
        if trip is not None and trip - 2 * _or(numbers[_DELAY], 0) > self._long:
            return rules.PATH, (Evidence(rules.ROUND_TRIP, trip, self._long),)
        if found := _waits(numbers):
            return rules.SLOW_RECEIVER, (found,)
        if found := self._beyond(rules.JITTER_DOWN, numbers, trip):
            return rules.DOWNLINK_OR_RECEIVED, (found,)
        return None, ()

    def _of_sent(
        self, numbers: Sequence[Any], trip: float | None
    ) -> tuple[Cause | None, tuple[Evidence, ...]]:
        """Return the cause of a symptom in what the participant sends, with its evidence."""
        loss = _or(numbers[_LOSS_UP], 0)
        if loss > self._some_loss:
            return rules.UPLINK, (Evidence(rules.LOSS_UP, loss, self._some_loss),)
        # A page that waits for the CPU sends late. The browser then estimates too low
        # a bandwidth, so a low bandwidth does not prove a bad network.
        if found := _waits(numbers):
            return rules.SLOW_SENDER, (found,)
        for field in (rules.JITTER_UP, rules.PICTURE_LIMIT):
            if found := self._beyond(field, numbers, trip):
                return rules.UPLINK, (found,)
        if _or(numbers[_CPU], 0) > rules.SLOW_CPU_PERCENT:
            told = Evidence("limitation_cpu", numbers[_CPU], rules.SLOW_CPU_PERCENT)
            return rules.SLOW_SENDER, (told,)
        return None, ()

    def _beyond(self, field: str, numbers: Sequence[Any], trip: float | None) -> Evidence | None:
        """Return the evidence that *field* is beyond its lower threshold; None if it is not."""
        at, limit = _AT[field], self._of[field].fair
        value = numbers[at] and self._value(at, numbers[at], numbers, trip)
        return Evidence(field, value, limit) if value and value > limit else None


def _or(value: float | None, other: float) -> float:
    """Return *value* if it is known, otherwise *other*."""
    return other if value is None else value


def _has_several_senders(numbers: Sequence[Any]) -> bool:
    """
    Say whether the best and the worst received stream may come from different senders.

    In a conference of two, or if the page expects only one stream, both streams are the sound and
    the picture of one sender. In a call by a bridge, most versions of Jitsi's library count only
    sound streams as expected.
    """
    if numbers[_BEST] is None or numbers[_WORST] is None or numbers[_PRESENT] == 2:
        return False
    expected = numbers[_EXPECTED]
    return expected is None or expected > 1


def slowest(trips: Sequence[float | None] | None) -> float | None:
    """
    Return the longest of the transports' round trips *trips*; None if no round trip is known.

    The judge uses it if the push has no round trip over the whole interval.
    """
    if trips and len(trips) == 1:
        return trips[0]
    known = [each for each in trips or () if each is not None]
    return max(known) if known else None


def _is_heartbeat(numbers: Sequence[Any]) -> bool:
    """Say whether *numbers* has no values except outages and the time that the push covers."""
    told = {at for at, value in enumerate(numbers) if value is not None}
    return told <= _OF_HEARTBEATS | {_COVERS}


def _severity(value: float, fair: float, bad: float) -> tuple[int, float]:
    """Return the state of a *value*, 0 to 2, and the value divided by that state's threshold."""
    if value > bad:
        return 2, value / bad if bad else inf
    return (1, value / fair) if value > fair else (0, 0.0)


def _waits(numbers: Sequence[Any]) -> Evidence | None:
    """Return the evidence that the page waits for the CPU; None if the page does not wait."""
    delay = numbers[_DELAY]
    if delay is None or delay <= rules.WAITS_MS:
        return None
    return Evidence(rules.DELAY, delay, rules.WAITS_MS)


def _slow_receiver(numbers: Sequence[Any]) -> Evidence | None:
    """Return the evidence that the computer is too slow for received video; None if it is not."""
    decode, rate = numbers[_DECODE], numbers[_RATE_DOWN]
    if decode is None or not rate:
        return None
    # Percent of the time until the next frame, as in the symptom.
    share = decode * rate / 10
    return Evidence(rules.DECODE, share, 100 * rules.BUSY) if share > 100 * rules.BUSY else None
