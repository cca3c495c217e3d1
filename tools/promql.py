"""PromQL as far as it has to be read here: which metrics an expression asks for."""

import re
from collections.abc import Collection
from typing import Final

_OPERATORS: Final = {"and", "or", "unless", "bool", "offset"}


def metric_names(expression: str, known: Collection[str] = ()) -> set[str]:
    """Return the metrics that *expression* reads; a pattern becomes the *known* ones it means."""
    found = set()
    for pattern in re.findall(r'__name__=~"([^"]+)"', expression):
        meant = {name for name in known if re.fullmatch(pattern, name)}
        found |= meant or {pattern}
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)
    bare = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", bare)
    words = re.findall(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)(?!\w)(?!\s*\()", bare)
    return found | {word for word in words if word not in _OPERATORS}
