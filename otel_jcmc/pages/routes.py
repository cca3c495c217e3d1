"""
Routes that are for people: who asks as a machine is answered by the others.

A browser says that it wants HTML, and no format by name. Everything else that asks the same path
goes on to the routes of `web`, whose answers stay as they are.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

_HTML: Final = "text/html"


def wants_page(scope: Any) -> bool:
    """Say whether the caller of the ASGI *scope* is to see a page."""
    accepts = b",".join(value for name, value in scope["headers"] if name == b"accept")
    if _HTML not in accepts.decode("latin-1").lower():
        return False
    query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return all(name != "format" for name, _ in query)


class PageRoute(APIRoute):
    """A route for those who want a page, and for nobody else."""

    def matches(self, scope: Any) -> Any:
        """Say whether this route answers *scope*."""
        found, more = super().matches(scope)
        return (found, more) if wants_page(scope) else (type(found).NONE, {})


def page_router() -> APIRouter:
    """Return a router for pages."""
    return APIRouter(
        default_response_class=Response, route_class=PageRoute, include_in_schema=False
    )
