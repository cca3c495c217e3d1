"""
Variables that nothing reads and that are likely to be misspelt: METRICS_EXPRATION, PUSH_URI.

What begins with JCMC_ is ours alone and refused where no setting has it (sources.py). Other names
may be somebody else's, so of these a line is said: the nearest setting, if it is near.
"""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from dotenv import dotenv_values
from pydantic_settings import BaseSettings

from otel_jcmc.config.sources import PREFIX, setting_names

# What all names of a family begin with is no likeness.
_FAMILIES: Final = ("METRICS_", "OTEL_")
# METRICS_PORT and REDIS_HOST, which are other programs', are below it.
_NEAR: Final = 0.8
# Those of OpenTelemetry's own that are near one of ours. Source: its specification, "Environment
# Variable Specification" and "OpenTelemetry Protocol Exporter".
_STANDARD: Final = re.compile(
    r"OTEL_(BS|BLR)P_.+|OTEL_EXPORTER_(ZIPKIN|JAEGER|PROMETHEUS)_.+"
    r"|OTEL_EXPORTER_OTLP_((TRACES|METRICS|LOGS)_)?"
    r"(ENDPOINT|PROTOCOL|TIMEOUT|HEADERS|COMPRESSION|INSECURE|CERTIFICATE|CLIENT_(KEY|CERTIFICATE))"
)
# Of PORT: too many names are one letter away from it.
_TOO_SHORT: Final = 4


def misspelt(settings: type[BaseSettings]) -> list[str]:
    """Return a line for each variable of the environment or `.env` that is near a setting's."""
    env_file = settings.model_config.get("env_file")
    of_file: Mapping[str, Any] = dotenv_values(env_file) if isinstance(env_file, str) else {}
    given = {name.upper(): text for name, text in (*of_file.items(), *os.environ.items())}
    known = setting_names(settings)
    # The one that is given as well is not what was meant.
    missing = sorted(name for name in known - given.keys() if not name.startswith(PREFIX))
    told = []
    for name, text in given.items():
        if not text or name in known or name.startswith(PREFIX):
            continue
        meant = _nearest(name, missing)
        if meant and not _STANDARD.fullmatch(name):
            told.append(f"{name} is no setting: is {meant} meant?")
    return told


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of *known* that *name* is near; empty: none is."""
    family = next((each for each in _FAMILIES if name.startswith(each)), "")
    rests = {each.removeprefix(family): each for each in known if each.startswith(family)}
    words = [rest for rest in rests if len(rest) > _TOO_SHORT]
    found = get_close_matches(name.removeprefix(family), words, 1, _NEAR)
    return rests[found[0]] if found else ""
