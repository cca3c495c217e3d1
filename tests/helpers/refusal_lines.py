"""The lines of a service's log on pushes that it has refused: known whole, so nothing else fits."""

import re

from otel_jcmc.catalogue.remedies import REMEDIES

_LINE = re.compile(r"\S+ WARNING pushes: [0-9]+ refused, (.*)")
_KNOWN = {f"{reason}: {remedy}" for reason, remedy in REMEDIES.items()}


def without_refusals(lines: list[str]) -> list[str]:
    """Return *lines* but for those on refused pushes, which have nothing of what was sent."""
    return [line for line in lines if not _is_refusal(line)]


def _is_refusal(line: str) -> bool:
    found = _LINE.fullmatch(line)
    return found is not None and found[1] in _KNOWN
