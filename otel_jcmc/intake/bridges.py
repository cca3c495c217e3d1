"""
Replaces the bridge in a report by the name that the operator gave this bridge, or by a hash.

A page sends the id of its bridge, or the bridge's address and port. If the operator has named that
id or address, the report gets this name. Any other text is replaced by its keyed hash, because a
forged push could contain any text, for example a person's address, and Prometheus keeps labels for
long. If the push lists transports, the report keeps its bridge only if all these transports go to a
bridge.

Source: docs/client.md says in which form a page sends its bridge.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from otel_jcmc.catalogue.attributes import BRIDGE, PEER_TO_PEER
from otel_jcmc.catalogue.metrics import LIST_ID
from otel_jcmc.intake.hashes import Hashes

if TYPE_CHECKING:
    from otel_jcmc.store.shared_secret import SharedSecret
    from otel_jcmc.wire.push import Report

_HASH_BYTES: Final = 6
MAX_NAME: Final = 64


def read_names(entries: Iterable[str]) -> dict[str, str]:
    """
    Return a dict, id or address -> name, from *entries* like `203.0.113.7:10000=jvb-1`.

    Raises:
        ValueError: an entry is not valid; the message is one line that says why.
    """
    found: dict[str, str] = {}
    for entry in entries:
        key, equals, name = (part.strip() for part in entry.rpartition("="))
        if not (equals and key):
            raise ValueError(f"{entry!r} is not an entry: write it like 203.0.113.7:10000=jvb-1")
        if not (0 < len(name) <= MAX_NAME and name.isprintable()):
            raise ValueError(f"a bridge's name has 1 to {MAX_NAME} characters, not {name!r}")
        if found.get(key, name) != name:
            raise ValueError(f"{key!r} has two names")
        found[key] = name
    return found


class Bridges:
    """
    Puts the names of bridges into reports.

    Concurrency: use it from one event loop.
    """

    def __init__(self, names: Mapping[str, str], secret: "SharedSecret") -> None:
        """Use *names*; if a bridge has no name, use its hash with the key *secret*."""
        self._names = names
        self._hashes = Hashes(secret, "bridge", _HASH_BYTES)

    def apply(self, report: "Report") -> None:
        """Replace the bridge in *report* by its name or hash, or remove it from *report*."""
        attributes = report.attributes
        told = attributes.get(BRIDGE.id)
        if told is None:
            return
        paths = attributes.get(LIST_ID)
        name = ""
        if not paths or {path.get(PEER_TO_PEER.id) for path in paths} == {"false"}:
            name = self._name(told)
        if name:
            attributes[BRIDGE.id] = name
        else:
            del attributes[BRIDGE.id]

    def _name(self, told: str) -> str:
        """Return the name or hash of the bridge *told*; empty while the hash key is unknown."""
        names = self._names
        if names and (name := names.get(told) or names.get(_host(told))):
            return name
        return self._hashes.name(told)


def _host(told: str) -> str:
    """Return the address in *told*, without its port and brackets."""
    host = told.rpartition(":")[0] if told.count(":") == 1 or "]" in told else told
    return host.strip("[]")
