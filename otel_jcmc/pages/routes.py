"""
Routes that are for people: who asks as a machine is answered by the others.

A browser says that it wants HTML, and no format by name. Everything else that asks the same path
goes on to the routes of `web`, whose answers stay as they are.
"""

import re
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

_HTML: Final = "text/html"
# Looked for and not parsed: this is asked before anybody knows whether the caller may read, and to
# parse the longest query took 20 ms.
_names_format: Final = re.compile(rb"(?:^|&)format(?:=|&|$)").search


def wants_page(scope: Any) -> bool:
    """Say whether the caller of the ASGI *scope* is to see a page."""
    accepts = b",".join(value for name, value in scope["headers"] if name == b"accept")
    if _HTML not in accepts.decode("latin-1").lower():
        return False
    return not _names_format(scope.get("query_string", b""))


class PageRoute(APIRoute):
    """A route for those who want a page, and for nobody else."""

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
