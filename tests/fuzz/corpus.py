"""
The pushes that fuzzing starts from: recorded, golden and simulated ones, and earlier finds.

Each line of `found.jsonl` is an input that once broke something, or that a broken check accepted:
`why`, `target`, and `input`, whose characters are the input's bytes (Latin-1), followed by `more`,
`times`. The tests replay it.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import push_body

from otel_jcmc.catalogue.metrics import METRICS, ROOM
from otel_jcmc.simulate.page import Conference, Page

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "samples"
GOLDEN = HERE.parent / "golden"
FOUND = HERE / "found.jsonl"
CLIENT_ID = "0b8d6a57-c1de-4c3a-9b0e-5f6a7b8c9d0e"


def pushes() -> list[bytes]:
    """Return bodies of pushes in which all, or nearly all, is well."""
    golden = [path.read_bytes() for path in sorted(GOLDEN.glob("*.push.json"))]
    return [json.dumps(push_body()).encode(), *golden, *recorded(), *simulated(), *found("push")]


def found(target: str) -> list[bytes]:
    """Return the inputs of *target* that once broke something."""
    lines = [json.loads(line) for line in FOUND.read_text().splitlines()]
    return [
        (line["input"] + line.get("more", "") * line.get("times", 0)).encode("latin-1")
        for line in lines
        if line["target"] == target
    ]


def recorded() -> Iterator[bytes]:
    """Return what was recorded of real conferences, as pushes."""
    for path in sorted(SAMPLES.glob("*.jsonl")):
        if path.stem.endswith("2021-p2p-getstats"):
            continue  # the browser's reports, not the library's events
        for number, line in enumerate(path.read_text().splitlines()):
            event = json.loads(line)
            labels = {
                "client_id": CLIENT_ID,
                "participant_id": event["who"],
                "roomname": path.stem,
            }
            session = {"id": f"{path.stem[:40]}-{event['who']}", "seq": number}
            metrics = _metrics(event["data"])
            push = {"default_labels": labels, "session": session, "metrics": metrics}
            yield json.dumps(push).encode()


def _metrics(stats: dict[str, Any]) -> dict[str, Any]:
    """Return the `metrics` that a client makes of an event."""
    metrics: dict[str, Any] = {}
    for row in METRICS:
        if row.client and not row.is_list and not row.client.startswith(ROOM):
            value: Any = stats
            for name in row.client.split("."):
                value = value.get(name) if isinstance(value, dict) else None
            metrics[row.field] = {"value": value if type(value) in (int, float) else None}
    metrics["connectionquality"]["labels"] = {"serverregion": stats.get("serverRegion")}
    metrics["transport_rtt"] = [_transport(each) for each in stats.get("transport", ())]
    return metrics


def _transport(transport: dict[str, Any]) -> dict[str, Any]:
    """Return an element of `transport_rtt`."""
    kept = ("networkType", "localCandidateType", "remoteCandidateType")
    labels = {name: transport.get(name) for name in kept} | {
        "src_ip": transport["localip"].rpartition(":")[0],
        "dst_ip": transport["ip"].rpartition(":")[0],
        "protocol": transport["type"],
        "p2p": str(transport["p2p"]).lower(),
    }
    return {"value": transport["rtt"], "labels": labels}


def simulated() -> Iterator[bytes]:
    """Return pushes with all metrics there are, the last ones of their sessions among them."""
    chance = random.Random(1)
    conference = Conference("simulated")
    for _ in range(8):
        page = Page(chance, conference, 10)
        yield from (page.body() for _ in range(4))
        yield page.body("left")
