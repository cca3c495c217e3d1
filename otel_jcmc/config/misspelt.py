"""
Finds misspelt variables, such as METRICS_EXPRATION or PUSH_URI, that no setting reads.

Names that begin with JCMC_ belong to this service alone: sources.py refuses an unknown one. Other
names may belong to another program, so `misspelt` only returns a line for each such name, with the
most similar setting.
"""

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from dotenv import dotenv_values
from pydantic_settings import BaseSettings

from otel_jcmc.config.sources import PREFIX, setting_names

# Prefixes that many settings have. They are left out when two names are compared.
_FAMILIES: Final = ("METRICS_", "OTEL_")
# Two names are near from this similarity on, from 0 to 1. The similarity of METRICS_PORT and
# REDIS_HOST, which are names of other programs, to our names is lower.
_NEAR: Final = 0.8
# OpenTelemetry's own names that are near one of ours. Source: its specification, "Environment
# Variable Specification" and "OpenTelemetry Protocol Exporter".
_STANDARD: Final = re.compile(
    r"OTEL_(BS|BLR)P_.+|OTEL_EXPORTER_(ZIPKIN|JAEGER|PROMETHEUS)_.+"
    r"|OTEL_EXPORTER_OTLP_((TRACES|METRICS|LOGS)_)?"
    r"(ENDPOINT|PROTOCOL|TIMEOUT|HEADERS|COMPRESSION|INSECURE|CERTIFICATE|CLIENT_(KEY|CERTIFICATE))"
)
# Names as short as PORT are not compared: too many names are one letter away from them.
_TOO_SHORT: Final = 4


def misspelt(settings: type[BaseSettings]) -> list[str]:
    """Return a line for each variable, also in `.env`, whose name is like a setting's name."""
    env_file = settings.model_config.get("env_file")
    of_file: Mapping[str, Any] = dotenv_values(env_file) if isinstance(env_file, str) else {}
    given = {name.upper(): text for name, text in (*of_file.items(), *os.environ.items())}
    known = setting_names(settings)
    # If a setting is given under its right name, a similar name was not meant for that setting.
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
    """Return the name in *known* that is most similar to *name*; empty if no name is similar."""
    family = next((each for each in _FAMILIES if name.startswith(each)), "")
    rests = {each.removeprefix(family): each for each in known if each.startswith(family)}
    words = [rest for rest in rests if len(rest) > _TOO_SHORT]
    found = get_close_matches(name.removeprefix(family), words, 1, _NEAR)
    return rests[found[0]] if found else ""
