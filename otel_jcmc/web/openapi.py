"""
Makes the OpenAPI document: adds the push endpoints to FastAPI's own routes.

A push that fits its endpoint's schema is stored whole; for any other, the answer names what is
wrong. Each of FastAPI's routes is described in its own file. The document is made at the first
request for /openapi.json.
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
    stored = answer("Stored. If the answer is a list, the fields in it were dropped.", TEXT)
    stored["content"][TEXT]["schema"]["const"] = "OK"
    stored["content"][JSON] = {"schema": listing("dropped")}
    return door(
        "Push one participant's state",
        "The body is JSON in UTF-8, with any Content-Type, because beacons send text."
        " Fields that do not fit the schema are dropped. The push is refused if the"
        " participant's identity is wrong, or if nothing is left.",
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
    Return the operations of an endpoint for pushes that fit *schema*; *taken* is its answer 200.

    The endpoint reads these *headers* besides those that all endpoints read, and refuses pushes for
    these *reasons* besides those that all endpoints have.
    """
    user_agent = header("User-Agent", "Names the browser and the system.")
    origin = header("Origin", "The origin of the page, as browsers send it.")
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
    """Return the answers to a push that is not stored; *reasons* are further ones for 400."""
    bad = because(Reason.NOT_JSON, Reason.BODY_INCOMPLETE, Reason.NOTHING_KEPT, *reasons)
    answers = {"400": refused(f"{bad} Or a field of its identity is missing or wrong.")}
    for status in sorted(set(STATUS.values())):
        told = because(*(reason for reason, its in STATUS.items() if its == status))
        answers[str(status)] = later(told) if status in (429, 503) else refused(told)
    return answers


def described(document: Schema, doors: dict[str, Schema], guarded: Iterable[str]) -> Schema:
    """Return FastAPI's *document* with the push endpoints *doors*; *guarded* paths need a token."""
    paths = document["paths"]
    paths |= doors
    if guarded:
        token = {"type": "http", "scheme": "bearer"}
        document["components"] = {"securitySchemes": {"token": token}}
    for path in guarded:
        # A push may carry the token in its body, because beacons can't send a header.
        is_push = path in doors
        paths[path]["post" if is_push else "get"]["security"] = [{"token": []}, *[{}] * is_push]
    return document
