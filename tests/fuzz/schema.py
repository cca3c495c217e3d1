"""
Says whether a push fits the schema of our OpenAPI document, as the service means it.

The schema leaves two things to the service, which are told here: JSON Schema takes 3.0 for a whole
number, and knows nothing of lone surrogates.
"""

from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

from otel_jcmc.checks import make_rules
from otel_jcmc.openapi import push_schema


def fits(push: Any) -> bool:
    """Say whether *push* fits; then it is stored whole, and of any other something is wrong."""
    try:
        return _validator().is_valid(push) and not _is_odd(push)
    except (UnicodeEncodeError, ValueError):
        return False  # a lone surrogate, or nested too deep


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(push_schema(make_rules()), validate_formats=True)


def _is_odd(push: Any) -> bool:
    """Say whether a whole number is written with a point."""
    return type((push.get("session") or {}).get("seq")) is float
