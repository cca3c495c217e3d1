"""
The bodies of pushes, made beforehand: to make one during the load would cost more than to send it.

A push begins with the participant's own identity. The rest comes from a page, which has STEPS
bodies: their values drift as in a call, their labels stay. Two shapes:

- `wire`: the wire format's example as the original's page sends it, 13 series. Each value has as
  many digits as the example's, so each body is 738 bytes long.
- `client`: as this project's client file sends it, from the simulated pages, each with all that a
  Chromium can know: 30 series.
"""

import random
from typing import Final, NamedTuple

import msgspec

from otel_jcmc.simulate.page import Conference, Page

WIRE, CLIENT = "wire", "client"
STEPS: Final = 64
# Not a divisor of the hundred browsers, so that each page is seen in every browser.
PAGES: Final = 61
_IDENTITY: Final = (
    b'{"default_labels":{"client_id":"3fa85f64-5717-4562-b3fc-2c96%08x",'
    b'"participant_id":"%08x","roomname":"town-hall-%06d"},'
)
_SESSION: Final = (
    b'"session":{"id":"9f1c2d3e-5a6b-4c7d-8e9f-0a1b%08x","meeting_id":"7d3a-town-hall-%06d",'
    b'"seq":%d,"interval_ms":10000,"stats_age_ms":12},'
)
_REGIONS: Final = ("eu-west", "us-east", "us-west", "ap-east")
_NAMES: Final = ("Ada", "Ben", "Eva", "Ida", "Jon", "Kim", "Leo", "Mia", "Tom", "Zoe")


class Bodies(NamedTuple):
    """
    What bodies are put together from.

    Attributes:
        identity: a template; it takes a participant's number twice, then its conference's; of
            `client` also the number, the conference's and the sequence number of its session.
        pages: of each page, what follows the identity, step by step.
    """

    identity: bytes
    pages: list[list[bytes]]


def make_bodies(shape: str) -> Bodies:
    """Return the bodies of a *shape*, always the same."""
    chance = random.Random(738)
    if shape == WIRE:
        return Bodies(_IDENTITY, [_wire_page(chance) for _ in range(PAGES)])
    return Bodies(_IDENTITY + _SESSION, [_client_page(chance) for _ in range(PAGES)])


def _wire_page(chance: random.Random) -> list[bytes]:
    """Return the steps of one page of the original's."""
    labels = {"serverregion": chance.choice(_REGIONS), "username": chance.choice(_NAMES)}
    path = {
        "src_ip": f"10.0.{chance.randrange(10)}.{chance.randrange(10)}",
        "dst_ip": f"198.51.100.{1 + _REGIONS.index(labels['serverregion'])}",
        "protocol": "udp",
        "networkType": "wifi",
    }
    quality, width, rtt_ms = chance.uniform(75, 99), chance.uniform(0.4, 1), chance.uniform(15, 90)
    steps = []
    for _ in range(STEPS):
        quality = _within(quality + chance.uniform(-2, 2), 60.0, 99.9)
        width = _within(width + chance.uniform(-0.05, 0.05), 0.4, 1)
        rtt_ms = _within(rtt_ms + chance.uniform(-4, 4), 10, 99)
        audio = chance.randint(20, 40), chance.randint(20, 60)
        video = round(2500 * width), round(5000 * width)
        loss = [int(chance.random() < 0.2) * chance.randint(1, 9) for _ in range(2)]
        values = {
            "bandwidth_upload": round(3000 * width),
            "bandwidth_download": round(6000 * width),
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
        metrics = {
            "connectionquality": {"labels": labels, "value": round(quality, 1)},
            **{name: {"value": value} for name, value in values.items()},
            "transport_rtt": [{"labels": path, "value": round(rtt_ms)}],
        }
        steps.append(_end(metrics))
    return steps


def _client_page(chance: random.Random) -> list[bytes]:
    """Return the steps of one page that knows all of its values in each."""
    while True:
        page = Page(chance, Conference("town-hall", present=9), interval_seconds=10)
        pushed = [msgspec.json.decode(page.body())["metrics"] for _ in range(STEPS + 1)][1:]
        # Firefox does not know all metrics, and a participant with the camera off sends no video.
        whole = [metrics for metrics in pushed if not _lacks(metrics)]
        if len(whole) > STEPS / 2:
            return [_end(whole[step % len(whole)]) for step in range(STEPS)]


def _lacks(metrics: dict[str, dict[str, float | None]]) -> bool:
    """Say whether a value is not known."""
    return any(entry["value"] is None for name, entry in metrics.items() if name != "transport_rtt")


def _end(metrics: dict[str, object]) -> bytes:
    """Return what follows the identity."""
    return b'"metrics":%b}' % msgspec.json.encode(metrics)


def _within(value: float, least: float, most: float) -> float:
    """Return *value*, or the bound that it is beyond."""
    return min(most, max(least, value))
