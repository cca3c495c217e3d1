"""
Makes the pushes of one participant's page in a story, from recorded pushes.

While the participant has no trouble, its pushes are drawn at random from recorded pushes without
trouble. When a trouble begins, the recorded pushes of such a trouble follow from their beginning.
The second half of them then repeats until the trouble ends. Then the pushes follow that were
recorded after the trouble. body() puts the participant's identity, conference and bridge into a
recorded push.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.simulate.fleet import Person
from otel_jcmc.simulate.recorded import Interval, Recorded
from otel_jcmc.simulate.stories import Happening

# Metrics of sent streams. The page of a participant who only listens does not know these metrics.
_SENT: Final = (
    *("packetloss_upload", "jitter_upload", "framerate_upload", "encode_time"),
    *("resolution_width_upload", "resolution_height_upload", "resolution_height_wanted"),
    *("limitation_none", "limitation_cpu", "limitation_bandwidth"),
)
# Metrics of received streams. A page does not know these metrics if no other participant sends.
_RECEIVED: Final = (
    *("packetloss_download", "packetloss_download_best", "packetloss_download_worst"),
    *("jitter_download", "audio_concealed", "audio_buffer_time", "framerate_download"),
    *("freezes", "freeze_time", "frames_dropped", "decode_time"),
)
_RECEIVED_RATES: Final = ("bitrate_download", "bitrate_audio_download", "bitrate_video_download")
_SENT_RATES: Final = ("bitrate_upload", "bitrate_audio_upload", "bitrate_video_upload")
# The metrics that the original page (JCMC's) pushes, without round trip and losses. `_original`
# adds these.
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
    One push of a participant in a story.

    Attributes:
        at: the time of the push, in seconds since the story began.
        happening: the trouble at that time; None: no trouble.
        turn: the number of earlier pushes in this trouble, or, if `is_after`, after this trouble.
        round: how often the second half of the recorded trouble was repeated before this push.
    """

    at: float
    interval: Interval
    happening: Happening | None = None
    turn: int = 0
    is_after: bool = False
    round: int = 0


class Tapes:
    """Makes the pushes of each participant of a story (a tape) from *recorded* pushes."""

    def __init__(self, recorded: Recorded, interval_seconds: int, chance: random.Random) -> None:
        """Use recorded pushes with an interval of *interval_seconds*: 2 or 10."""
        self._recorded, self._seconds, self._chance = recorded, interval_seconds, chance

    def tape(self, person: Person, happenings: Sequence[Happening]) -> Iterator[Moment]:
        """Yield the pushes of *person* in order of time; *happenings* are its troubles."""
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
        """Yield the pushes during one *happening* from time *now* on, and the pushes after it."""
        spells = self._recorded.during(happening.kind, self._seconds * 1000, browser)
        # The package has recordings of every kind of trouble. Other recordings may lack a kind.
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
    """Changes recorded pushes into pushes of *person*: identity, conference, bridge, streams."""

    def __init__(self, person: Person, session_id: str) -> None:
        """Prepare for the pushes of *person* in the session *session_id*."""
        self._person, self._session_id = person, session_id
        self._round_trip: float | None = None
        self.pushes = 0

    def body(self, moment: Moment) -> bytes:
        """Return the body of the push for *moment*."""
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
        """Return the body of the last push, which tells that the participant leaves."""
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
            # When the second half of a trouble repeats, the length of an outage must still grow.
            if values.get(name) and moment.round and moment.happening:
                values[name] = 1000 * (moment.at - moment.happening.begins)
        if values.get("streams_expected") is not None:
            values["streams_expected"] = self._streams()
        self._be_in_the_room(values)
        metrics: dict[str, Any] = {name: {"value": value} for name, value in values.items()}
        # In a heartbeat, the number of participants is null, because the statistics have stopped.
        is_heartbeat = values.get("connectionquality") is None and not moment.interval.labels
        present = None if is_heartbeat else len(self._person.room.people)
        metrics["conference_participants"] = {"value": present}
        metrics["connectionquality"]["labels"] = self._labels(moment)
        metrics["transport_rtt"] = [] if trip is None else [self._path(trip)]
        return metrics

    def _be_in_the_room(self, values: dict[str, float | None]) -> None:
        """Remove the *values* of streams that this participant does not send or receive."""
        if not self._person.is_sender:
            _take_away(values, _SENT, _SENT_RATES)
        if not self._person.sources:
            _take_away(values, _RECEIVED, _RECEIVED_RATES)

    def _streams(self) -> int:
        """
        Return the number of streams that the page expects to receive.

        With a bridge, the library in the recordings counts only the streams of sound.
        """
        return len(self._person.sources) * (2 if self._person.room.is_direct else 1)

    def _labels(self, moment: Moment) -> dict[str, str]:
        room = self._person.room
        labels = dict(moment.interval.labels) | {"serverregion": room.region}
        if room.is_direct:
            # The push may have been recorded in a conference with a bridge.
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
        """
        Return a push of the original page, which has 13 metrics.

        The upload loss is always 0. If the round trip is not known, the push has the last known
        round trip.
        """
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
    """Set the metrics *names* to None and the bitrates *rates* to 0: there is no such stream."""
    values |= {name: None for name in names if name in values}
    values |= {name: 0 for name in rates if values.get(name)}
