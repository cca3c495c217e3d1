"""
Both wire formats in one conference, all the way: Prometheus, history, one trace.

Ada's client speaks the format of the Jitsi Client Metrics Collector, Bob's the format of the Jitsi
Meet Metrics Collector. Both send the statistics of a real call (tests/samples).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from e2e.meeting import recorded
from e2e.parts import Prometheus, until
from harness import CHROME, Service, eventually, request
from otlp_sink import OtlpSink
from sink_requests import SinkSpan

pytestmark = pytest.mark.xdist_group("e2e")

ROOM = "standup"
ADA = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
BOB = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
# Where the recorded statistics are in both formats.
NUMBERS = {
    "connectionquality": ("connectionQuality", "cq"),
    "bandwidth_upload": ("bandwidth.upload", "u.bw"),
    "bandwidth_download": ("bandwidth.download", "d.bw"),
    "bitrate_audio_upload": ("bitrate.audio.upload", "u.ab"),
    "bitrate_audio_download": ("bitrate.audio.download", "d.ab"),
    "bitrate_video_upload": ("bitrate.video.upload", "u.vb"),
    "bitrate_video_download": ("bitrate.video.download", "d.vb"),
    "packetloss_upload": ("packetLoss.upload", "u.pl"),
    "packetloss_download": ("packetLoss.download", "d.pl"),
}


def told(event: dict[str, Any], path: str) -> Any:
    """Return the number in *event* at a dotted *path*; a NaN was recorded as text."""
    value: Any = event
    for key in path.split("."):
        value = (value or {}).get(key)
    return value if isinstance(value, int | float) else None


def jcmc(event: dict[str, Any], seq: int) -> dict[str, Any]:
    """Return *event* as Ada's push."""
    metrics: dict[str, Any] = {
        name: {"value": told(event, path)} for name, (path, _) in NUMBERS.items()
    }
    metrics["connectionquality"]["labels"] = {"serverregion": "eu-west"}
    return {
        "default_labels": {"client_id": ADA, "participant_id": "ada00001", "roomname": ROOM},
        "session": {"id": "adas-session", "seq": seq, "meeting_id": "meeting-1"},
        "metrics": metrics,
    }


def jmmc(event: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return `m` of Bob's push of *event*: what differs from *known*."""
    m: dict[str, Any] = {}
    for path, key in NUMBERS.values():
        value = told(event, path)
        if known.get(key, ...) == value or (value is None and key != "d.bw"):
            continue
        known[key] = value
        outer, _, inner = key.partition(".")
        if inner:
            m.setdefault(outer, {})[inner] = value
        else:
            m[outer] = value
    if "t" not in known:
        known["t"] = m["t"] = {"sr": "eu-west", "tp": "udp"}
    return m


class Bob:
    """A client of the Jitsi Meet Metrics Collector, with its cookies."""

    def __init__(self, url: str) -> None:
        """Push to the service at *url*."""
        self._url = f"{url}/jmmc/push"
        self._cookie = ""
        self._known: dict[str, Any] = {}

    def open(self) -> None:
        """Open the session."""
        answer = self._push({"br": "-", "os": "-", "pid": "bob00002"})
        self._cookie = str(answer.headers["set-cookie"]).partition(";")[0]

    def push(self, event: dict[str, Any]) -> dict[str, Any]:
        """Push what is new in *event*; return `m`."""
        m = jmmc(event, self._known)
        self._push(m)
        return m

    def _push(self, m: dict[str, Any]) -> Any:
        headers = {"user-agent": CHROME, "content-type": "application/json"}
        if self._cookie:
            headers["cookie"] = self._cookie
        answer = request(self._url, {"uid": BOB, "conf": ROOM, "m": m}, headers=headers)
        assert answer.status == 200, answer.body
        assert "dropped" not in answer.json()
        return answer


@pytest.fixture(scope="module")
def sink() -> Iterator[OtlpSink]:
    """Return a running OTLP receiver."""
    with OtlpSink() as running:
        yield running


@pytest.fixture(scope="module")
def doors(
    prometheus: Prometheus, sink: OtlpSink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Return a service with everything on, which Prometheus scrapes as the job `doors`."""
    folder: Path = tmp_path_factory.mktemp("doors")
    environ = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
        "JCMC_HISTORY_INTERVAL": "5",
        "JCMC_SESSION_GRACE": "1",
        "JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND": "0",
    }
    with Service(folder, **environ) as service, prometheus.scraping("doors", service.url):
        yield service


def series_of(prometheus: Prometheus, participant: str, client: str) -> dict[str, float]:
    """Return the metrics of one participant, without the identity labels that all must have."""
    identity = f'participant_id="{participant}",roomname="{ROOM}",client_id="{client}"'
    return prometheus.query(
        f'{{job="doors",__name__!="jitsi_jcmc_info",{identity}}}',
        "participant_id",
        "roomname",
        "client_id",
    )


def sessions_of(service: Service) -> dict[str, dict[str, Any]]:
    """Return the sessions of the list, by participant."""
    listed = request(f"{service.url}/sessions?conference={ROOM}").json()["sessions"]
    return {each["participant_id"]: each for each in listed}


def test_a_call_by_both_wires_has_the_same_series_a_history_each_and_one_trace(
    doors: Service, prometheus: Prometheus, sink: OtlpSink
) -> None:
    bob = Bob(doors.url)
    bob.open()
    events = recorded("head-jvb-vp8-360", 1, 3, 25)
    for seq, event in enumerate(events):
        assert doors.push(jcmc(event, seq)).body == "OK"
        sent = bob.push(event)
    assert "pl" not in sent.get("u", {}), "what has not changed is not sent again"

    # The same series in Prometheus, of the last event.
    labels = (
        'browser_name="Chrome",browser_version="126.0.0.0",os_name="Windows",os_version="10"'
        ',serverregion="eu-west"'
    )
    last = {name: told(events[-1], path) for name, (path, _) in NUMBERS.items()}
    expected = {
        f"jitsi_jcmc_{name}" + (f"{{{labels}}}" if name == "connectionquality" else ""): value
        for name, value in last.items()
        if value is not None
    }
    assert len(expected) == len(NUMBERS)
    # The service derives the same series for both.
    expected["jitsi_jcmc_verdict_state"] = 2
    expected['jitsi_jcmc_verdict{cause="downlink",scope="participant"}'] = 1
    for participant, client in (("ada00001", ADA), ("bob00002", BOB)):

        def seen(participant: str = participant, client: str = client) -> dict[str, float]:
            return series_of(prometheus, participant, client)

        assert until(expected, seen) == expected

    # Ada leaves; Bob's browser crashes.
    end = {"session": {"id": "adas-session", "end": {"reason": "left"}}}
    assert doors.push(jcmc(events[-1], 3) | end | {"metrics": None}).status == 200
    ninety_seconds_later(doors)

    # Each has a history.
    eventually(lambda: sessions_of(doors).get("ada00001", {}).get("end_reason") == "left")
    found = sessions_of(doors)
    assert found.keys() == {"ada00001", "bob00002"}
    for participant, client in (("ada00001", ADA), ("bob00002", BOB)):
        path = f"{doors.url}/sessions/{found[participant]['id']}?fill=true"
        # The list has a session from its first push on; its log has an entry when an interval is
        # over.

        def with_samples(path: str = path) -> Any:
            session = request(path).json()
            return session if session["samples"] else None

        session = eventually(with_samples)
        assert (session["client_id"], session["conference"]) == (client, ROOM)
        kept = session["samples"][-1]["metrics"]
        for name, value in last.items():
            assert kept[name] == pytest.approx(value, abs=0.5), (participant, name)

    # One trace: the conference, and a span for each of them.
    eventually(lambda: len(sink.spans()) >= 3, 30)
    spans = named(sink)
    assert spans.keys() == {"ada00001", "bob00002", None}
    assert len({span.trace_id for span in spans.values()}) == 1
    conference = spans[None].span_id
    assert {spans["ada00001"].parent_id, spans["bob00002"].parent_id} == {conference}


def ninety_seconds_later(service: Service) -> None:
    """Let the remaining participant expire, which the service then notices."""
    with redis.Redis(unix_socket_path=str(service.folder / "store" / "socket")) as store:
        assert sum(store.delete(key) for key in store.scan_iter("jcmc:*:participant:*")) == 1
        seconds, microseconds = store.time()
        past_us = (seconds - 5) * 1_000_000 + microseconds
        for name, then in (("live", past_us), ("open", 0)):
            for index in store.scan_iter(f"jcmc:*:{name}"):
                store.zadd(index, dict.fromkeys(store.zrange(index, 0, -1), then))


def named(sink: OtlpSink) -> dict[str | None, SinkSpan]:
    """Return the received spans by participant; None: the conference's."""
    return {span.attributes.get("jitsi.participant.id"): span for span in sink.spans()}
