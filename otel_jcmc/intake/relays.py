"""
Puts the operator's name for a TURN server into the report of a participant that uses this server.

A page sends the address of its local ICE candidate. If the candidate's type is `relay`, this is the
address of the TURN server. If the operator has named this address, the report gets the name;
otherwise the report gets no name of a server. If the settings do not permit to store addresses, the
address is removed from the report.
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
        """Use *names* (address -> name); unless *keeps_addresses*, remove local addresses."""
        self._names = names
        self._keeps_addresses = keeps_addresses

    def apply(self, report: "Report") -> None:
        """Put the TURN server's name into *report* if it has one, and remove local addresses."""
        for path in report.attributes.get(LIST_ID, ()):
            told = path.get(LOCAL_ADDRESS.id, "")
            if path.get(CANDIDATE_TYPE.id) == _RELAY and (name := self._names.get(told)):
                report.attributes[RELAY.id] = name
            if not self._keeps_addresses:
                path.pop(LOCAL_ADDRESS.id, None)
