"""
Makes the bodies of the pushes of a simulated participant, for crowd.py.

The numbers change a little from push to push. Some participants mute their microphone, switch off
their camera, have a slow computer, or have a bad network for a while. If a browser would not know a
value, or would not know it yet, the value is null.

Source of the bodies: docs/push.md, docs/browsers.md, and what browsers were seen to send.
"""

import random
import uuid
from dataclasses import dataclass
from typing import Any, Final

import msgspec

# The average number of intervals that a participant stays in the conference, in addition to two.
MEAN_STAY: Final = 20

_REGIONS: Final = ("eu-west", "eu-central", "us-east", "us-west", "ap-south")
_NETWORKS: Final = ("wifi", "wifi", "wifi", "ethernet", "ethernet", "cellular", "vpn")
_CANDIDATES: Final = ("srflx", "srflx", "host", "prflx", "relay")
_CHROMIUM: Final = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) {} Safari/537.36"
_SAFARI: Final = (
    "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 {}Safari/{}"
)
_WINDOWS: Final = "Windows NT 10.0; Win64; x64"
_USER_AGENTS: Final = (
    _CHROMIUM.format(_WINDOWS, "Chrome/142.0.0.0"),
    _CHROMIUM.format(_WINDOWS, "Chrome/142.0.0.0") + " Edg/142.0.0.0",
    _CHROMIUM.format("Macintosh; Intel Mac OS X 10_15_7", "Chrome/141.0.0.0"),
    _CHROMIUM.format("X11; Linux x86_64", "Chrome/140.0.0.0"),
    _CHROMIUM.format("Linux; Android 10; K", "Chrome/142.0.0.0 Mobile"),
    _CHROMIUM.format(_WINDOWS, "JitsiMeet/2025.10.0 Chrome/138.0.7204.251 Electron/37.6.0"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    _SAFARI.format("Macintosh; Intel Mac OS X 10_15_7", "", "605.1.15"),
    _SAFARI.format("iPhone; CPU iPhone OS 18_6 like Mac OS X", "Mobile/15E148 ", "604.1"),
)

# Metrics of sent video that come only from the browser's WebRTC report. They are null if the
# participant sends no video.
_LIMITS: Final = ("limitation_none", "limitation_cpu", "limitation_bandwidth")
_PICTURE: Final = ("framerate_upload", "resolution_width_upload", "resolution_height_upload")
_SENT_VIDEO: Final = (*_PICTURE, "encode_time", *_LIMITS)
_SEEN: Final = ("framerate_download", "freezes", "freeze_time", "frames_dropped")
_RECEIVED: Final = (*_SEEN, "audio_concealed")
# Metrics that the client makes from the growth of counters in the report. The first push does not
# have them yet.
_GROWN: Final = ("packetloss_upload", "packetloss_total", "encode_time", *_LIMITS, *_RECEIVED)


@dataclass
class Conference:
    """A conference; *present* participants push, *silent* participants (mobile apps) do not."""

    name: str
    present: int = 0
    silent: int = 0

    @property
    def size(self) -> int:
        """The number of all participants, *present* and *silent*, as Jitsi counts them."""
        return self.present + self.silent


class Page:
    """One participant's page, from its join to its leave."""

    headers = ""
    tells_end = True

    def __init__(
        self, chance: random.Random, conference: Conference, interval_seconds: float
    ) -> None:
        """Join *conference*; *chance* draws the participant's browser, network and numbers."""
        self._chance = chance
        self._conference = conference
        conference.present += 1
        conference.silent = int(chance.random() < 0.3)
        self._labels = {
            "client_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "participant_id": f"{chance.getrandbits(32):08x}",
            "roomname": conference.name,
        }
        # The session id is not drawn by *chance*. If a user simulates twice with the same seed, the
        # same participants come again, and need new sessions, because their former sessions ended.
        self._session_id = str(uuid.uuid4())
        self._meeting_id = str(uuid.uuid5(uuid.NAMESPACE_URL, conference.name))
        self._interval_ms = round(interval_seconds * 1000)
        self.user_agent = chance.choice(_USER_AGENTS)
        self._is_firefox = "Firefox" in self.user_agent
        self._is_chromium = "Chrome" in self.user_agent
        self._region = chance.choice(_REGIONS)
        self._transport = {
            "src_ip": f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}",
            "dst_ip": f"198.51.100.{1 + _REGIONS.index(self._region)}",
            "protocol": "tcp" if chance.random() < 0.1 else "udp",
            "localCandidateType": chance.choice(_CANDIDATES),
            "remoteCandidateType": "host",
        }
        if self._is_chromium:
            self._transport["networkType"] = chance.choice(_NETWORKS)
        self.pushes = 0
        self.stay_seconds = interval_seconds * (2 + chance.expovariate(1 / MEAN_STAY))
        self._width = chance.uniform(0.5, 1.2)
        self._rtt_ms = chance.uniform(12, 90)
        self._jitter_ms = chance.uniform(2, 15)
        self._quality = chance.uniform(80, 100)
        # The percent of the time in which the computer is too slow to send full video.
        self._cpu = chance.randint(30, 90) if chance.random() < 0.1 else 0
        # The number of pushes for which the network stays bad. One participant in ten begins with a
        # bad network.
        self._bad = chance.randint(3, 8) if chance.random() < 0.1 else 0
        self._muted = chance.random() < 0.4
        self._camera = chance.random() < 0.7

    def body(self, end: str = "") -> bytes:
        """Return the body of the next push; *end* is the reason to leave, empty: no leave."""
        session: dict[str, Any] = {
            "id": self._session_id,
            "meeting_id": self._meeting_id,
            "seq": self.pushes,
            "interval_ms": self._interval_ms,
            "stats_age_ms": self._chance.randint(1, 20),
        }
        push = {"default_labels": self._labels, "session": session}
        if end:
            session["end"] = {"reason": end}
        else:
            self._drift()
            push["metrics"] = self._metrics()
        self.pushes += 1
        return msgspec.json.encode(push)

    def _drift(self) -> None:
        """Change each number by a small random step; sometimes mute, or make the network bad."""
        chance = self._chance
        self._width = _bounded(self._width + chance.uniform(-0.05, 0.05), 0.3, 1.3)
        self._rtt_ms = _bounded(self._rtt_ms + chance.uniform(-4, 4), 8, 150)
        self._quality = _bounded(self._quality + chance.uniform(-2, 2), 70, 100)
        if self._bad:
            self._bad -= 1
        elif chance.random() < 0.02:
            self._bad = chance.randint(3, 8)
        if chance.random() < 0.05:
            self._muted = not self._muted
        if chance.random() < 0.01:
            self._camera = not self._camera

    def leave(self) -> None:
        """Take the participant out of its conference."""
        self._conference.present -= 1

    def _metrics(self) -> dict[str, Any]:
        """Return a push's metrics, from lib-jitsi-meet and from the browser's WebRTC report."""
        rtt_ms = round(self._rtt_ms * (self._chance.uniform(3, 8) if self._bad else 1))
        values = {
            **self._library_values(),
            **self._path_values(rtt_ms),
            **(self._sent_video() if self._camera else dict.fromkeys(_SENT_VIDEO)),
            **(self._received() if self._conference.size > 1 else dict.fromkeys(_RECEIVED)),
            "conference_participants": self._conference.size,
        }
        if not self.pushes:
            values |= dict.fromkeys(_GROWN)
        metrics: dict[str, Any] = {name: {"value": value} for name, value in values.items()}
        labels = {"serverregion": self._region, "audioCodec": "opus"}
        if self._camera:
            labels["videoCodec"] = "AV1" if self._is_chromium else "VP9"
        metrics["connectionquality"]["labels"] = labels
        path = self._transport | {"p2p": "true" if self._conference.size == 2 else "false"}
        metrics["transport_rtt"] = [{"labels": path, "value": rtt_ms}]
        return metrics

    def _library_values(self) -> dict[str, float | None]:
        """Return the metrics from lib-jitsi-meet; in the first push, all bitrates are zero."""
        chance, width = self._chance, self._width_now
        up = 1 if self.pushes else 0
        down = up * (self._conference.size > 1)
        audio = (up * (not self._muted) * chance.randint(20, 40), down * chance.randint(0, 80))
        video = (up * self._camera * round(1300 * width), down * round(2600 * width))
        quality = self._quality if self._camera else 100.0
        if self._bad:
            quality *= chance.uniform(0.2, 0.5)
        return {
            "connectionquality": round(quality, 1),
            "bandwidth_upload": None if self._is_firefox else round(3000 * width),
            # The bridge estimates this bandwidth. There is no estimate without a bridge, and none
            # in the first push.
            "bandwidth_download": round(6000 * width)
            if up and self._conference.size != 2
            else None,
            "bitrate_audio_upload": audio[0],
            "bitrate_audio_download": audio[1],
            "bitrate_video_upload": video[0],
            "bitrate_video_download": video[1],
            "bitrate_upload": audio[0] + video[0],
            "bitrate_download": audio[1] + video[1],
        }

    def _path_values(self, rtt_ms: int) -> dict[str, float | None]:
        """Return the metrics of the network: loss, jitter, round trip and available bandwidth."""
        chance, bad = self._chance, self._bad
        loss = [chance.randint(5, 30) if bad else int(chance.random() < 0.1) for _ in range(2)]
        jitter_ms = self._jitter_ms * (chance.uniform(3, 8) if bad else 1)
        return {
            "packetloss_upload": loss[0],
            "packetloss_download": loss[1],
            "packetloss_total": sum(loss) / 2,
            "jitter_upload": round(jitter_ms * chance.uniform(0.8, 1.2), 3),
            "jitter_download": round(jitter_ms, 3),
            "round_trip_time": rtt_ms,
            "bandwidth_available_upload": (
                None if self._is_firefox else round(3000 * self._width_now)
            ),
        }

    def _sent_video(self) -> dict[str, float | None]:
        """Return the metrics of the video that the participant sends."""
        chance = self._chance
        bandwidth = chance.randint(60, 100) if self._bad else 0
        cpu = min(self._cpu, 100 - bandwidth)
        height = 180 if self._bad else 360 if self._cpu else 720
        is_slow = self._bad or self._cpu
        limits = (None,) * 3 if self._is_firefox else (100 - bandwidth - cpu, cpu, bandwidth)
        return {
            "framerate_upload": chance.randint(8, 18) if is_slow else chance.randint(28, 30),
            "resolution_width_upload": height * 16 // 9,
            "resolution_height_upload": height,
            "encode_time": chance.randint(25, 40) if self._cpu else chance.randint(4, 12),
            **dict(zip(_LIMITS, limits, strict=True)),
        }

    def _received(self) -> dict[str, float | None]:
        """Return the metrics of the streams that the participant receives from the others."""
        chance, bad = self._chance, self._bad
        freezes = chance.randint(0, 4) if bad else int(chance.random() < 0.02)
        frozen_ms = sum(chance.randint(200, 1500) for _ in range(freezes))
        return {
            "framerate_download": chance.randint(4, 15) if bad else chance.randint(24, 30),
            "freezes": freezes,
            "freeze_time": min(frozen_ms, self._interval_ms),
            "audio_concealed": round(chance.uniform(3, 15) if bad else chance.random() / 2, 3),
            "frames_dropped": chance.randint(5, 60) if bad else chance.randint(0, 2),
        }

    @property
    def _width_now(self) -> float:
        """The factor for all bandwidths and video bitrates; a bad network makes it a fifth."""
        return self._width * (0.2 if self._bad else 1)


def _bounded(value: float, least: float, most: float) -> float:
    """Return *value*, but at least *least* and at most *most*."""
    return min(most, max(least, value))
