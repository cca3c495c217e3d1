"""
The page of a participant who is not there, for simulate.py.

Out come the bodies of its pushes: numbers that drift, a microphone that is muted, a network that
is bad for a while.

Source of the bodies: docs/push.md, and what browsers were seen to send.
"""

import random
import uuid
from typing import Any, Final

import msgspec

# In intervals: how long people stay, on average.
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


class Page:
    """One participant's page, from its join to its leave."""

    def __init__(self, chance: random.Random, conference: str, interval_seconds: float) -> None:
        """Join *conference* with numbers of its own."""
        self._chance = chance
        self._labels = {
            "client_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "participant_id": f"{chance.getrandbits(32):08x}",
            "roomname": conference,
        }
        # Not from *chance*: the same people again are a new stay, the former one has ended.
        self._session_id = str(uuid.uuid4())
        self._meeting_id = str(uuid.uuid5(uuid.NAMESPACE_URL, conference))
        self._interval_ms = round(interval_seconds * 1000)
        self.user_agent = chance.choice(_USER_AGENTS)
        self._region = chance.choice(_REGIONS)
        self._transport = {
            "src_ip": f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}",
            "dst_ip": f"198.51.100.{1 + _REGIONS.index(self._region)}",
            "protocol": "tcp" if chance.random() < 0.1 else "udp",
            "networkType": chance.choice(_NETWORKS),
            "localCandidateType": chance.choice(_CANDIDATES),
            "p2p": "false",
        }
        self.pushes = 0
        self.stay_seconds = interval_seconds * (2 + chance.expovariate(1 / MEAN_STAY))
        self._width = chance.uniform(0.5, 1.2)
        self._rtt_ms = chance.uniform(12, 90)
        self._quality = chance.uniform(80, 100)
        # Pushes for which the network stays bad; one in ten comes with a bad one.
        self._bad = chance.randint(3, 8) if chance.random() < 0.1 else 0
        self._muted = chance.random() < 0.4
        self._camera = chance.random() < 0.7

    def body(self, end: str = "") -> bytes:
        """Return the next push; *end* is the reason to leave."""
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
        """Go one step: a bounded random walk, and now and then an event."""
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

    def _metrics(self) -> dict[str, Any]:
        """Return the numbers of now, as lib-jitsi-meet would have them."""
        chance, is_bad = self._chance, self._bad > 0
        width = self._width * (0.2 if is_bad else 1)
        # The library's first event has zero bitrates, and no estimate of the bridge yet.
        flows = 1 if self.pushes else 0
        audio = (flows * (not self._muted) * chance.randint(20, 40), flows * chance.randint(0, 80))
        video = (flows * self._camera * round(1300 * width), flows * round(2600 * width))
        loss = [chance.randint(5, 30) if is_bad else int(chance.random() < 0.1) for _ in range(2)]
        quality = self._quality if self._camera else 100.0
        if is_bad:
            quality *= chance.uniform(0.2, 0.5)
        rtt_ms = self._rtt_ms * (chance.uniform(3, 8) if is_bad else 1)
        values = {
            "connectionquality": round(quality, 1),
            "bandwidth_upload": round(3000 * width),
            "bandwidth_download": round(6000 * width) if flows else None,
            "bitrate_audio_upload": audio[0],
            "bitrate_audio_download": audio[1],
            "bitrate_video_upload": video[0],
            "bitrate_video_download": video[1],
            "bitrate_upload": audio[0] + video[0],
            "bitrate_download": audio[1] + video[1],
            "packetloss_upload": loss[0],
            "packetloss_download": loss[1],
            "packetloss_total": sum(loss) // 2,
        }
        metrics: dict[str, Any] = {name: {"value": value} for name, value in values.items()}
        metrics["connectionquality"]["labels"] = {"serverregion": self._region}
        metrics["transport_rtt"] = [{"labels": self._transport, "value": round(rtt_ms)}]
        return metrics


def _bounded(value: float, least: float, most: float) -> float:
    """Return *value*, or the bound that it is beyond."""
    return min(most, max(least, value))
