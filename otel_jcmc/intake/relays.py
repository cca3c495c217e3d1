"""
Which of the operator's TURN servers a call goes by.

A page tells the address that it is seen at: of a candidate of type `relay` that is the server's.
What the operator has a name for gets that name; nobody else's server is told, and the address
itself goes where addresses are not collected.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from otel_jcmc.catalogue.attributes import CANDIDATE_TYPE, LOCAL_ADDRESS, RELAY
from otel_jcmc.catalogue.metrics import LIST_ID

if TYPE_CHECKING:
    from otel_jcmc.wire.push import Report

_RELAY: Final = "relay"


class Relays:
    """The names of the TURN servers."""

    def __init__(self, names: Mapping[str, str], *, keeps_addresses: bool) -> None:
        """Call the servers at these addresses as *names* say."""
        self._names = names
        self._keeps_addresses = keeps_addresses

    def apply(self, report: "Report") -> None:
        """Put into *report* what its relay is called, if it has one of ours."""
        for path in report.attributes.get(LIST_ID, ()):
            told = path.get(LOCAL_ADDRESS.id, "")
            if path.get(CANDIDATE_TYPE.id) == _RELAY and (name := self._names.get(told)):
                report.attributes[RELAY.id] = name
            if not self._keeps_addresses:
                path.pop(LOCAL_ADDRESS.id, None)
