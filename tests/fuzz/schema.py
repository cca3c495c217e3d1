"""
Says whether a push fits the schema of our OpenAPI document, as the service means it.

Rules that the schema cannot express are added here: a text with a lone surrogate fits no pattern.
"""

from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from otel_jcmc.jmmc.schemas import jmmc_push_schema
from otel_jcmc.jmmc.wire import JmmcParser
from otel_jcmc.wire.rules import make_rules
from otel_jcmc.wire.schema import push_schema


def fits(push: Any) -> bool:
    """Say whether *push* fits; then it is stored whole, and of any other something is wrong."""
    try:
        return _validator().is_valid(push)
    except (UnicodeEncodeError, ValueError):
        return False  # a lone surrogate, or nested too deep


def fits_jmmc(push: Any) -> bool:
    """Say the same of a push of a JMMC page."""
    try:
        return _jmmc_validator().is_valid(push)
    except (UnicodeEncodeError, ValueError):
        return False


@cache
def _jmmc_validator() -> Draft202012Validator:
    return Draft202012Validator(jmmc_push_schema(JmmcParser()))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(push_schema(make_rules()), validate_formats=True)
