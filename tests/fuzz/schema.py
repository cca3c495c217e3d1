"""
Says whether a push fits the schema of our OpenAPI document, as the service means it.

The schema leaves to the service what it can't say, and that is told here: a text with a lone
surrogate fits no pattern.
"""

from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from otel_jcmc.checks import make_rules
from otel_jcmc.openapi import push_schema


def fits(push: Any) -> bool:
    """Say whether *push* fits; then it is stored whole, and of any other something is wrong."""
    try:
        return _validator().is_valid(push)
    except (UnicodeEncodeError, ValueError):
        return False  # a lone surrogate, or nested too deep


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(push_schema(make_rules()), validate_formats=True)
