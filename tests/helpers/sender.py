"""A push of a participant that sends badly or well, through a bridge."""

from typing import Any

from harness import push_body


def body(participant: str, conference: str, loss_up: float = 0) -> dict[str, Any]:
    """Return a push of a participant whose name is its id, in a call through a bridge."""
    told = push_body(participant, conference)
    metrics = told["metrics"]
    metrics["connectionquality"]["labels"]["username"] = participant
    metrics["packetloss_upload"] = {"value": loss_up}
    metrics["transport_rtt"][0]["labels"]["p2p"] = "false"
    return told
