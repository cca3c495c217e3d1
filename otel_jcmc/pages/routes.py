"""
Makes routes for people; the routes of `web` answer all other clients on the same paths.

A browser accepts HTML and names no `format` in the query. Any other request passes on to the routes
of `web`.
"""

import re
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

_HTML: Final = "text/html"
# A search instead of a parser: it runs for callers that may not read, too, and to parse the longest
# query took 20 ms.
_names_format: Final = re.compile(rb"(?:^|&)format(?:=|&|$)").search


def wants_page(scope: Any) -> bool:
    """Say whether the caller of the ASGI *scope* wants a page."""
    accepts = b",".join(value for name, value in scope["headers"] if name == b"accept")
    if _HTML not in accepts.decode("latin-1").lower():
        return False
    return not _names_format(scope.get("query_string", b""))


class PageRoute(APIRoute):
    """A route that matches only requests for a page."""

    def matches(self, scope: Any) -> Any:
        """Say whether this route answers *scope*."""
        found, more = super().matches(scope)
        none = type(found).NONE
        return (found, more) if found is none or wants_page(scope) else (none, {})


def page_router() -> APIRouter:
    """Return a router for pages."""
    return APIRouter(
        default_response_class=Response, route_class=PageRoute, include_in_schema=False
    )
