"""
Chooses the recorded pushes that a simulated participant's page pushes in a story, and adapts them.

While the participant has no trouble, recorded pushes without trouble are chosen at random. During a
trouble, the pushes of a recording with this trouble follow in their order. If the trouble lasts
longer than in the recording, the second half of these pushes repeats. Then the recorded pushes
after the trouble follow. body() puts the participant's identity, conference and bridge into a push.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.simulate.fleet import Person
from otel_jcmc.simulate.recorded import Interval, Recorded
from otel_jcmc.simulate.stories import Happening

# Metrics of sent streams: if a participant only listens, its page does not know them.
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
# The metrics that the page of the original (JCMC) takes from a recorded push. `_original` also adds
# its round trip time and its three losses.
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
    One push of a tape: a tape is the series of pushes of one participant.

    Attributes:
        at: the time of the push, in seconds since the story began.
        interval: the recorded values to push.
        happening: the participant's trouble at this moment; None: no trouble.
        turn: how many pushes came before this push in the trouble; if `is_after`, after it.
        is_after: whether the trouble has just ended.
        round: how many times the second half of the recorded trouble was pushed before.
    """

    at: float
    interval: Interval
    happening: Happening | None = None
    turn: int = 0
    is_after: bool = False
    round: int = 0


class Tapes:
    """Makes the tapes of a story's participants, from *recorded* pushes."""

    def __init__(self, recorded: Recorded, interval_seconds: int, chance: random.Random) -> None:
        """Use pushes that were recorded every *interval_seconds*: 2 or 10."""
        self._recorded, self._seconds, self._chance = recorded, interval_seconds, chance

    def tape(self, person: Person, happenings: Sequence[Happening]) -> Iterator[Moment]:
        """Yield the pushes of *person* in order of time, without end; it has *happenings*."""
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
        """Yield the pushes during one *happening* from *now* on, and the pushes right after it."""
        spells = self._recorded.during(happening.kind, self._seconds * 1000, browser)
        # recorded.json.xz has spells for every kind of trouble, but another file may lack them.
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
    """Makes pushes of the page of *person* from recorded pushes."""

    def __init__(self, person: Person, session_id: str) -> None:
        """Make pushes of *person* in the session *session_id*."""
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
        """Return the body of the last push; pages of the original (JCMC) have no last push."""
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
            # While the second half of a recording repeats, the length of an outage must grow.
            if values.get(name) and moment.round and moment.happening:
                values[name] = 1000 * (moment.at - moment.happening.begins)
        if values.get("streams_expected") is not None:
            values["streams_expected"] = self._streams()
        self._be_in_the_room(values)
        metrics: dict[str, Any] = {name: {"value": value} for name, value in values.items()}
        # A heartbeat (a push without new statistics) has null here.
        is_heartbeat = values.get("connectionquality") is None and not moment.interval.labels
        present = None if is_heartbeat else len(self._person.room.people)
        metrics["conference_participants"] = {"value": present}
        metrics["connectionquality"]["labels"] = self._labels(moment)
        metrics["transport_rtt"] = [] if trip is None else [self._path(trip)]
        return metrics

    def _be_in_the_room(self, values: dict[str, float | None]) -> None:
        """
        Remove *values* that this participant's page can't know.

        A page that sends no media has no values of sent streams. A page to which no other
        participant sends has no values of received streams.
        """
        if not self._person.is_sender:
            _take_away(values, _SENT, _SENT_RATES)
        if not self._person.sources:
            _take_away(values, _RECEIVED, _RECEIVED_RATES)

    def _streams(self) -> int:
        """
        Return how many streams the page expects from other participants.

        With a bridge, the library in the recordings expects only sound; without one, also video.
        """
        return len(self._person.sources) * (2 if self._person.room.is_direct else 1)

    def _labels(self, moment: Moment) -> dict[str, str]:
        room = self._person.room
        labels = dict(moment.interval.labels) | {"serverregion": room.region}
        if room.is_direct:
            # The recorded push may come from a conference with a bridge.
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
        Return the push of a page of the original (JCMC), with its 13 metrics.

        As in the original, the packet loss of uploads is always 0. If the round trip time is not
        known, the push has the last known one.
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
    """Set the metrics *names* in *values* to None, and the bitrates *rates* to 0."""
    values |= {name: None for name in names if name in values}
    values |= {name: 0 for name in rates if values.get(name)}
