"""
Makes the OpenAPI document: adds the push endpoints to FastAPI's own routes.

If a push fits the schema of its endpoint, the service stores all of it. Otherwise the answer names
what is wrong. The file that makes a FastAPI route also describes this route. The service makes the
document at the first request for /openapi.json.
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
    """Return the description of the push endpoint's operations; *rules* check its pushes."""
    stored = answer("The push is stored. JSON lists the fields that were dropped.", TEXT)
    stored["content"][TEXT]["schema"]["const"] = "OK"
    stored["content"][JSON] = {"schema": listing("dropped")}
    return door(
        "Push one participant's state",
        "The body is JSON in UTF-8, with any Content-Type, because beacons send text."
        " Fields that do not fit the schema are dropped. The push is refused if the"
        " participant's identity is wrong, or if all its values are dropped.",
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
    Return the description of the operations (POST and OPTIONS) of an endpoint for pushes.

    *schema* describes a push, *taken* the answer with status 200. All endpoints read User-Agent and
    Origin; *headers* describe the headers that this endpoint also reads. *reasons* are further
    reasons for which this endpoint answers 400.
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
            "responses": {"204": answer("The headers say what a page of this Origin may send.")},
        },
    }


def _not_taken(reasons: Sequence[Reason]) -> Schema:
    """
    Return the descriptions of the answers to a push that is not stored, by their status.

    *reasons* are reasons for 400 that only this endpoint has.
    """
    bad = because(Reason.NOT_JSON, Reason.BODY_INCOMPLETE, Reason.NOTHING_KEPT, *reasons)
    answers = {
        "400": refused(f"{bad} Or a field of the participant's identity is missing or wrong.")
    }
    for status in sorted(set(STATUS.values())):
        told = because(*(reason for reason, its in STATUS.items() if its == status))
        answers[str(status)] = later(told) if status in (429, 503) else refused(told)
    return answers


def described(document: Schema, doors: dict[str, Schema], guarded: Iterable[str]) -> Schema:
    """
    Return FastAPI's *document* with the push endpoints added.

    *doors* has the operations of each push endpoint by its path. *guarded* are the paths that need
    a token.
    """
    paths = document["paths"]
    paths |= doors
    if guarded:
        token = {"type": "http", "scheme": "bearer"}
        document["components"] = {"securitySchemes": {"token": token}}
    for path in guarded:
        # For pushes, the header Authorization is optional. A beacon can't send this header, so the
        # token may be in the body.
        is_push = path in doors
        paths[path]["post" if is_push else "get"]["security"] = [{"token": []}, *[{}] * is_push]
    return document
