"""A push of somebody who sends badly, or well, by a bridge."""

from typing import Any

from harness import push_body


def body(participant: str, conference: str, loss_up: float = 0) -> dict[str, Any]:
    """Return a push of somebody whose name is the id, and who is no peer's peer."""
    told = push_body(participant, conference)
    metrics = told["metrics"]
    metrics["connectionquality"]["labels"]["username"] = participant
    metrics["packetloss_upload"] = {"value": loss_up}
    metrics["transport_rtt"][0]["labels"]["p2p"] = "false"
    return told
