"""The log lines on refused pushes. Tests know them completely, so that no other text passes."""

import re

from otel_jcmc.catalogue.remedies import REMEDIES

_LINE = re.compile(r"\S+ WARNING pushes: [0-9]+ refused, (.*)")
_KNOWN = {f"{reason}: {remedy}" for reason, remedy in REMEDIES.items()}


def without_refusals(lines: list[str]) -> list[str]:
    """Return *lines* without those on refused pushes, which must not quote a push."""
    return [line for line in lines if not _is_refusal(line)]


def _is_refusal(line: str) -> bool:
    found = _LINE.fullmatch(line)
    return found is not None and found[1] in _KNOWN
