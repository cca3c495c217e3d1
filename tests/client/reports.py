"""Reports of a peer connection made by hand (RTCStatsReport), and what the client reads."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from client.pages import Tab

from otel_jcmc.catalogue.metrics import OWN, PUSHED
from otel_jcmc.wire.push import PushParser
from otel_jcmc.wire.rules import make_rules

SAMPLES = Path(__file__).parents[1] / "samples"
# A deployment that collects everything.
PARSER = PushParser(make_rules(dropped=frozenset()))
# The client makes these from the report.
READ = tuple(row.field for row in PUSHED if row.reading)
# A sample in which nothing is known; the rest is added when it is pushed.
NOTHING_KNOWN: dict[str, Any] = {
    row.field: [] if row.is_list else {"value": None}
    for row in PUSHED
    if not row.client.startswith(OWN) and row.field != "rating"
}


Stat = dict[str, Any]
Report = list[Stat]


def recorded(name: str) -> list[Any]:
    """Return the `data` of each line of a file in tests/samples, in its encoding."""
    lines = (SAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["data"] for line in lines]


# What the page knows at a report, in the form of client/parts/media.js: `tracks` by their ids, and
# `isDown`.
Page = dict[str, Any]


def metrics_of(
    tab: Tab, reports: list[Report], pages: Sequence[Page] = (), *, is_p2p: bool = False
) -> list[dict[str, Any]]:
    """Return the metrics after each of *reports*, of one peer connection."""
    metrics: list[dict[str, Any]] = tab.run(
        "return readReports(argument.reports, argument.isP2P, argument.pages);",
        {"reports": reports, "isP2P": is_p2p, "pages": list(pages)},
    )
    return metrics


def known(tab: Tab, reports: list[Report], pages: Sequence[Page] = ()) -> dict[str, float]:
    """Return the known values of the last of *reports*."""
    last = metrics_of(tab, reports, pages)[-1]
    return {name: last[name]["value"] for name in READ if last[name]["value"] is not None}


def series(
    tab: Tab, reports: list[Report], name: str, pages: Sequence[Page] = ()
) -> list[float | None]:
    """Return one metric after each of *reports*."""
    return [metrics[name]["value"] for metrics in metrics_of(tab, reports, pages)]


def faults(push: dict[str, Any]) -> list[str]:
    """Return what the server would drop of *push*."""
    report = PARSER.parse(json.dumps(push).encode())
    return [f"{fault.field}: {fault.reason}" for fault in report.dropped]


def inbound(id_: str, packets: float, **members: Any) -> Stat:
    return {"type": "inbound-rtp", "id": id_, "packetsReceived": packets, **members}


def outbound(id_: str, packets: float, **members: Any) -> Stat:
    return {"type": "outbound-rtp", "id": id_, "packetsSent": packets, **members}


def peers(local: str, at: float, lost: float, **members: Any) -> Stat:
    """Return the peer's report, of time *at*, on the stream *local*."""
    stat = {"type": "remote-inbound-rtp", "id": f"R{local}", "localId": local, "timestamp": at}
    return {**stat, "packetsLost": lost, **members}


def pair(id_: str, rtt: float, answers: int = 3, **members: Any) -> Stat:
    """Return a candidate pair with so many answered checks, each after *rtt* seconds."""
    checks = {"totalRoundTripTime": rtt * answers, "responsesReceived": answers}
    stat: Stat = {"type": "candidate-pair", "id": id_, "currentRoundTripTime": rtt}
    stat["bytesReceived"] = 100 * answers
    return {**stat, **checks, **members}


def transport(id_: str, pair_id: str) -> Stat:
    return {"type": "transport", "id": id_, "selectedCandidatePairId": pair_id}
