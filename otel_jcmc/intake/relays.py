"""
Names the operator's TURN server that relays a call.

A page sends the address at which others see it. For a candidate of type `relay` that is the
server's address. If the operator has named that server, the report gets the name; other servers are
not reported. If addresses are not collected, the address itself is removed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from otel_jcmc.catalogue.attributes import CANDIDATE_TYPE, LOCAL_ADDRESS, RELAY
from otel_jcmc.catalogue.metrics import LIST_ID

if TYPE_CHECKING:
    from otel_jcmc.wire.push import Report

_RELAY: Final = "relay"


class Relays:
    """Puts the names of TURN servers into reports."""

    def __init__(self, names: Mapping[str, str], *, keeps_addresses: bool) -> None:
        """Name the servers by *names*: address -> name."""
        self._names = names
        self._keeps_addresses = keeps_addresses

    def apply(self, report: "Report") -> None:
        """Put the relay's name into *report* if the operator has named it; see the module."""
        for path in report.attributes.get(LIST_ID, ()):
            told = path.get(LOCAL_ADDRESS.id, "")
            if path.get(CANDIDATE_TYPE.id) == _RELAY and (name := self._names.get(told)):
                report.attributes[RELAY.id] = name
            if not self._keeps_addresses:
                path.pop(LOCAL_ADDRESS.id, None)
