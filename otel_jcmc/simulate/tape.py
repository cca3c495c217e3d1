"""
Makes what one participant's page pushes in a story: recorded pushes, one after the other.

While all is well, calm recorded pushes are drawn at random. A happening is played from its recorded
beginning; then its second half repeats for as long as the happening lasts; then its recorded end
follows. body() gives a recorded push the identity, conference and bridge of the participant.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.simulate.fleet import Person
from otel_jcmc.simulate.recorded import Interval, Recorded
from otel_jcmc.simulate.stories import Happening

# Metrics of sent streams: the page of a participant who only listens does not know them.
_SENT: Final = (
    *("packetloss_upload", "jitter_upload", "framerate_upload", "encode_time"),
    *("resolution_width_upload", "resolution_height_upload", "resolution_height_wanted"),
    *("limitation_none", "limitation_cpu", "limitation_bandwidth"),
)
# Metrics of received streams: a page does not know them if no other participant sends.
_RECEIVED: Final = (
    *("packetloss_download", "packetloss_download_best", "packetloss_download_worst"),
    *("jitter_download", "audio_concealed", "audio_buffer_time", "framerate_download"),
    *("freezes", "freeze_time", "frames_dropped", "decode_time"),
)
_RECEIVED_RATES: Final = ("bitrate_download", "bitrate_audio_download", "bitrate_video_download")
_SENT_RATES: Final = ("bitrate_upload", "bitrate_audio_upload", "bitrate_video_upload")
# The metrics that the original page pushes, except its round trip and the losses that it makes up.
_ORIGINAL: Final = (
    *("connectionquality", "bandwidth_upload", "bandwidth_download"),
    *("bitrate_audio_upload", "bitrate_audio_download", "bitrate_video_upload"),
    *("bitrate_video_download", "bitrate_upload", "bitrate_download"),
)
_AFTER: Final = 3
_CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
USER_AGENTS: Final = {
    "Chromium": f"{_CHROMIUM} Chrome/142.0.0.0 Safari/537.36",
    "Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
}


class Moment(NamedTuple):
    """
    One push of a tape.

    Attributes:
        at: seconds since the story began.
        happening: what happens at that moment; None: all is well.
        turn: how many pushes have come since the happening began; if `is_after`, since it ended.
        round: how often the happening's second half was played before.
    """

    at: float
    interval: Interval
    happening: Happening | None = None
    turn: int = 0
    is_after: bool = False
    round: int = 0


class Tapes:
    """Makes the tapes of a story, from *recorded* intervals of one length."""

    def __init__(self, recorded: Recorded, interval_seconds: int, chance: random.Random) -> None:
        """Use recorded pushes with an interval of *interval_seconds*: 2 or 10."""
        self._recorded, self._seconds, self._chance = recorded, interval_seconds, chance

    def tape(self, person: Person, happenings: Sequence[Happening]) -> Iterator[Moment]:
        """Yield the pushes of *person*, to whom *happenings* happen, one after the other."""
        ms = self._seconds * 1000
        calm = self._recorded.calm(ms, person.browser)
        left = sorted(happenings, key=lambda each: each.begins)
        now = self._seconds * person.offset
        while True:
            while left and left[0].ends <= now:
                left.pop(0)
            if not left or now <= left[0].begins:
                yield Moment(now, self._chance.choice(calm))
                now += self._seconds
                continue
            for moment in self._told(left.pop(0), now, person.browser):
                yield moment
                now = moment.at + self._seconds

    def _told(self, happening: Happening, now: float, browser: str) -> Iterator[Moment]:
        """Yield the pushes of one *happening*, from *now* on, and those of its end."""
        spells = self._recorded.during(happening.kind, self._seconds * 1000, browser)
        # The package has spells for every kind, but other recordings may lack them.
        if not spells:
            return
        spell = self._chance.choice(spells)
        half = len(spell.during) // 2
        for turn in count():
            if now > happening.ends:
                break
            past, length = turn - half, len(spell.during) - half
            at = turn if turn < half else half + past % length
            again = max(0, past // length)
            yield Moment(now, spell.during[at], happening, turn, round=again)
            now += self._seconds
        for turn, interval in enumerate(islice(spell.after, _AFTER)):
            yield Moment(now, interval, happening, turn, is_after=True)
            now += self._seconds


class Voice:
    """Changes recorded pushes into those of one *person*'s page."""

    def __init__(self, person: Person, session_id: str) -> None:
        """Speak for *person*, in the session with this id."""
        self._person, self._session_id = person, session_id
        self._round_trip: float | None = None
        self.pushes = 0

    def body(self, moment: Moment) -> bytes:
        """Return the next push."""
        if self._person.is_original:
            return msgspec.json.encode(self._original(moment))
        interval = moment.interval
        session = self._session() | {
            "interval_ms": interval.covers_ms,
            "stats_age_ms": interval.age_ms,
        }
        metrics = self._metrics(moment)
        return msgspec.json.encode(
            {"default_labels": self._identity(), "session": session, "metrics": metrics}
        )

    def leave(self) -> bytes:
        """Return the last push; the original page pushes nothing when it leaves."""
        session = self._session() | {"end": {"reason": "left"}}
        return msgspec.json.encode({"default_labels": self._identity(), "session": session})

    def _session(self) -> dict[str, Any]:
        self.pushes += 1
        return {"id": self._session_id, "seq": self.pushes - 1}

    def _identity(self) -> dict[str, str]:
        person = self._person
        return {
            "client_id": person.client_id,
            "participant_id": person.participant_id,
            "roomname": person.room.name,
        }

    def _metrics(self, moment: Moment) -> dict[str, Any]:
        values = dict(moment.interval.values)
        trip = values.pop("round_trip")
        for name in ("outage_down", "outage_up"):
            # When the second half repeats, an outage must go on from where it was.
            if values.get(name) and moment.round and moment.happening:
                values[name] = 1000 * (moment.at - moment.happening.begins)
        if values.get("streams_expected") is not None:
            values["streams_expected"] = self._streams()
        self._be_in_the_room(values)
        metrics: dict[str, Any] = {name: {"value": value} for name, value in values.items()}
        # A heartbeat has null here, because its statistics have stopped.
        is_heartbeat = values.get("connectionquality") is None and not moment.interval.labels
        present = None if is_heartbeat else len(self._person.room.people)
        metrics["conference_participants"] = {"value": present}
        metrics["connectionquality"]["labels"] = self._labels(moment)
        metrics["transport_rtt"] = [] if trip is None else [self._path(trip)]
        return metrics

    def _be_in_the_room(self, values: dict[str, float | None]) -> None:
        """Remove the *values* that the page of a listener, or of a lone participant, can't know."""
        if not self._person.is_sender:
            _take_away(values, _SENT, _SENT_RATES)
        if not self._person.sources:
            _take_away(values, _RECEIVED, _RECEIVED_RATES)

    def _streams(self) -> int:
        """Return the expected streams: with a bridge the recorded library counts only sound."""
        return len(self._person.sources) * (2 if self._person.room.is_direct else 1)

    def _labels(self, moment: Moment) -> dict[str, str]:
        room = self._person.room
        labels = dict(moment.interval.labels) | {"serverregion": room.region}
        if room.is_direct:
            # The interval may come from a conference with a bridge.
            labels.pop("bridge", None)
            labels["p2p"] = "true"
        else:
            labels["bridge"] = room.bridge
        if labels.pop("worstSource", "") and self._person.sources:
            source = moment.happening.source if moment.happening else None
            labels["worstSource"] = (source or self._person.sources[0]).participant_id
        return labels

    def _path(self, trip: float) -> dict[str, Any]:
        is_direct = "true" if self._person.room.is_direct else "false"
        return {"value": trip, "labels": {"protocol": "udp", "p2p": is_direct}}

    def _original(self, moment: Moment) -> dict[str, Any]:
        """Return the original page's 13 metrics; upload loss is 0, the round trip may be old."""
        values = dict(moment.interval.values)
        self._be_in_the_room(values)
        if values["round_trip"] is not None:
            self._round_trip = values["round_trip"]
        told = {name: values.get(name) for name in _ORIGINAL}
        told |= {name: 0 for name in told if name.startswith("bitrate") and told[name] is None}
        down = round(values.get("packetloss_download") or 0)
        told |= {"packetloss_upload": 0, "packetloss_download": down}
        told["packetloss_total"] = round(down / 2)
        metrics: dict[str, Any] = {name: {"value": value} for name, value in told.items()}
        metrics["connectionquality"]["labels"] = {"serverregion": self._person.room.region}
        trip = self._round_trip
        metrics["transport_rtt"] = (
            [] if trip is None else [{"labels": {"protocol": "udp"}, "value": round(trip)}]
        )
        return {"default_labels": self._identity(), "metrics": metrics}


def _take_away(
    values: dict[str, float | None], names: tuple[str, ...], rates: tuple[str, ...]
) -> None:
    """Set *names* to None and *rates* to 0, as if there were no such stream."""
    values |= {name: None for name in names if name in values}
    values |= {name: 0 for name in rates if values.get(name)}
