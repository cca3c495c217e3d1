"""
The OpenAPI document: the doors for pushes, which FastAPI does not know, beside its routes.

A push that fits its door's schema is taken whole, and of one that does not the answer names what
is wrong. Every other route is described where it is. Called when somebody asks for /openapi.json.
"""

from collections.abc import Iterable, Sequence

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.web.answers import STATUS
from otel_jcmc.web.schemas import (
    JSON,
    TEXT,
    Schema,
    answer,
    because,
    header,
    later,
    listing,
    refused,
)
from otel_jcmc.wire.rules import Rules
from otel_jcmc.wire.schema import push_schema


def push_operations(rules: Rules) -> Schema:
    """Return the operations of the push endpoint, whose pushes are checked by *rules*."""
    stored = answer("Stored whole. With a list: stored without what it names.", TEXT)
    stored["content"][TEXT]["schema"]["const"] = "OK"
    stored["content"][JSON] = {"schema": listing("dropped")}
    return door(
        "Push one participant's state",
        "The body is JSON in UTF-8, with any Content-Type: beacons send text."
        " One that does not fit the schema costs what is wrong, and is refused when that is"
        " who it is, or all of it.",
        push_schema(rules),
        stored,
    )


def door(
    summary: str,
    description: str,
    schema: Schema,
    taken: Schema,
    *,
    headers: Sequence[Schema] = (),
    reasons: Sequence[Reason] = (),
) -> Schema:
    """
    Return the operations of a door for pushes that fit *schema*; *taken* is the answer to one.

    Its own *headers* count besides those of all doors, and *reasons* to refuse a push.
    """
    user_agent = header("User-Agent", "Tells the browser and the system.")
    origin = header("Origin", "Of the page, as browsers send it.")
    return {
        "post": {
            "summary": summary,
            "description": description,
            "parameters": [user_agent, origin, *headers],
            "requestBody": {"required": True, "content": {JSON: {"schema": schema}}},
            "responses": {"200": taken, **_not_taken(reasons)},
        },
        "options": {
            "summary": "Preflight of a push",
            "responses": {"204": answer("What a page of the Origin may send.")},
        },
    }


def _not_taken(reasons: Sequence[Reason]) -> Schema:
    """Return the answers to a push that is not taken; one of *reasons* is the sender's to mend."""
    bad = because(Reason.NOT_JSON, Reason.BODY_INCOMPLETE, Reason.NOTHING_KEPT, *reasons)
    answers = {"400": refused(f"{bad} Or what says who it is, is missing or bad.")}
    for status in sorted(set(STATUS.values())):
        told = because(*(reason for reason, its in STATUS.items() if its == status))
        answers[str(status)] = later(told) if status in (429, 503) else refused(told)
    return answers


def described(document: Schema, doors: dict[str, Schema], guarded: Iterable[str]) -> Schema:
    """Return FastAPI's *document* with *doors*; the *guarded* paths want a bearer token."""
    paths = document["paths"]
    paths |= doors
    if guarded:
        token = {"type": "http", "scheme": "bearer"}
        document["components"] = {"securitySchemes": {"token": token}}
    for path in guarded:
        # A push may have it in its body, where a header can't be sent.
        is_push = path in doors
        paths[path]["post" if is_push else "get"]["security"] = [{"token": []}, *[{}] * is_push]
    return document
