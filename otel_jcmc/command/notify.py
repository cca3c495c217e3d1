"""
Reports to systemd, for a unit of `Type=notify`: the service is up, or is stopping.

The protocol is sd_notify(3): a datagram to the socket that NOTIFY_SOCKET names, if it is set.
"""

import logging
import os
import socket
from typing import Final

log = logging.getLogger(__name__)

UP: Final = "READY=1"
STOPPING: Final = "STOPPING=1"


def notify(state: str) -> None:
    """Report *state* to systemd if NOTIFY_SOCKET is set; a failure is one line in the log."""
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not where:
        return
    # An @ stands for a null byte: a name in the abstract namespace, not a file.
    address = "\0" + where[1:] if where.startswith("@") else where
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
            wire.sendto(state.encode(), address)
    except OSError as error:
        log.warning("systemd can't be told %s at NOTIFY_SOCKET: %s", state, error)
