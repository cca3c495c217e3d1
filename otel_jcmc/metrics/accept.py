"""
Decides by a request's headers whether the answer is OpenMetrics, and whether it is compressed.

Each function reads one header, `Accept` or `Accept-Encoding`, and returns yes or no. A header that
can't be read counts as missing. The answer is then uncompressed text, which every reader accepts.

Source: RFC 9110, sections 12.4.2 (weights), 12.5.1 (Accept) and 12.5.3 (Accept-Encoding); the
content types of the Prometheus text format and of OpenMetrics.
"""

import re
from collections.abc import Iterator
from typing import Final

# A weight in the syntax of RFC 9110.
_WEIGHT: Final = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_OPENMETRICS: Final = "application/openmetrics-text"
# The names for text in `Accept`, the most specific first. If a header has several of these names,
# the weight of the first name in this list counts.
_TEXT: Final = ("text/plain", "text/*", "*/*")
# The versions that the service writes. A reader that names no version accepts any version.
_OPENMETRICS_VERSIONS: Final = ("", "1.0.0")
_TEXT_VERSIONS: Final = ("", "0.0.4")


def wants_openmetrics(accept: str) -> bool:
    """
    Say whether the header *accept* asks for OpenMetrics, in our version, rather than for text.

    The header must name OpenMetrics: a reader that takes any format gets text. If the header gives
    both formats the same weight, OpenMetrics wins.
    """
    weights: dict[str, float] = {}
    for kind, parameters, weight in _elements(accept):
        version = parameters.get("version", "")
        versions = _OPENMETRICS_VERSIONS if kind == _OPENMETRICS else _TEXT_VERSIONS
        if version in versions:
            weights[kind] = max(weight, weights.get(kind, 0.0))
    of_text = next((weights[kind] for kind in _TEXT if kind in weights), 0.0)
    return 0.0 < weights.get(_OPENMETRICS, 0.0) >= of_text


def takes_gzip(accept_encoding: str) -> bool:
    """Say whether the header *accept_encoding* names gzip as acceptable."""
    return any(kind == "gzip" and weight > 0 for kind, _, weight in _elements(accept_encoding))


def _elements(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Return each element of the list in *header*: its name, its parameters and its weight."""
    for element in header.lower().split(","):
        kind, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {name.strip(): value.strip().strip('"') for name, _, value in pairs}
        weight = parameters.get("q", "1")
        yield kind, parameters, float(weight) if _WEIGHT.fullmatch(weight) else 0.0
