"""
Makes routes that answer only browsers; the routes of `web` answer other clients on the same paths.

A request is a browser's if it accepts HTML and has no `format` in its query.
"""

import re
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

_HTML: Final = "text/html"
# A search for a pattern, not a parser of queries: to parse the longest query took 20 ms, and this
# code runs also for callers that may not read.
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
