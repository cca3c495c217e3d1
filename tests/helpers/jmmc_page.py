"""A client of the Jitsi Meet Metrics Collector, for tests: its pushes and its cookie."""

import uuid
from ipaddress import IPv4Address
from typing import Any

from harness import CHROME, Answer, Service, request
from series_names import OURS


class JmmcPage:
    """
    One client in one conference.

    Attributes:
        cookie: sent with each push; empty before a session is open.
        headers: other headers of each push.
    """

    def __init__(
        self, service: Service, conference: str, participant: str = "1a2b3c4d", **headers: str
    ) -> None:
        """Prepare a client in *conference* at *service*."""
        self.service = service
        self.uid = str(uuid.uuid4())
        self.conference = conference
        self.participant = participant
        self.cookie = ""
        self.headers = {"content-type": "application/json", "user-agent": CHROME, **headers}

    def push(self, m: Any, service: Service | None = None, **changes: Any) -> Answer:
        """Push *m*; *changes* replace the fields beside it."""
        at = service or self.service
        cookie = {"cookie": self.cookie} if self.cookie else {}
        body = {"uid": self.uid, "conf": self.conference, "m": m, **changes}
        answer = request(f"{at.url}/jmmc/push", body, headers=self.headers | cookie)
        if set_cookie := answer.headers["set-cookie"]:
            self.cookie = set_cookie.partition(";")[0]
        return answer

    def open(self, m: Any = None, service: Service | None = None) -> Answer:
        """Open a session with *m* and all that it needs."""
        return self.push({"br": "x", "os": "y", "pid": self.participant, **(m or {})}, service)

    def series(self, service: Service | None = None) -> dict[str, float]:
        """Return the client's values by the names of their series, in the `jcmc` naming."""
        found = (service or self.service).series("jitsi_jcmc_", "/metrics/participants")
        return {
            name.partition("{")[0].removeprefix("jitsi_jcmc_"): value
            for name, value in found.items()
            if f'roomname="{self.conference}"' in name
            and f'client_id="{self.uid}"' in name
            and name.partition("{")[0] not in OURS
        }


# Field of `m` -> metric in our wire format.
NUMBERS = {
    "cq": "connectionquality",
    "res.w": "resolution_width_upload",
    "res.h": "resolution_height_upload",
    "u.bw": "bandwidth_upload",
    "u.ab": "bitrate_audio_upload",
    "u.vb": "bitrate_video_upload",
    "u.pl": "packetloss_upload",
    "d.bw": "bandwidth_download",
    "d.ab": "bitrate_audio_download",
    "d.vb": "bitrate_video_download",
    "d.pl": "packetloss_download",
}
# Field of `m` -> label of the connection quality in our wire format.
LABELS = {"cdc.a": "audioCodec", "cdc.v": "videoCodec", "t.sr": "serverregion"}


def as_jmmc(metrics: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """
    Return the `m` that says what in *metrics*, of our wire format, differs from *known*.

    *known* has all that was said before, and is updated. What `m` cannot say is left out: a value
    that is not known any more, except `d.bw`.
    """
    labels = metrics.get("connectionquality", {}).get("labels") or {}
    told = {path: metrics[name]["value"] for path, name in NUMBERS.items() if name in metrics}
    told |= {path: labels[name] for path, name in LABELS.items() if labels.get(name)}
    for path in metrics.get("transport_rtt", [])[:1]:
        of_path = path.get("labels") or {}
        told |= {"t.tp": of_path["protocol"]} if of_path.get("protocol") else {}
        for field, name in (("t.lip", "src_ip"), ("t.ip", "dst_ip")):
            if of_path.get(name, "").count(".") == 3:
                told[field] = int(IPv4Address(of_path[name]))
    m: dict[str, Any] = {}
    for path, value in told.items():
        if (value is None and path != "d.bw") or (path in known and known[path] == value):
            continue
        known[path] = value
        key, _, below = path.partition(".")
        if below:
            m.setdefault(key, {})[below] = value
        else:
            m[key] = value
    return m
