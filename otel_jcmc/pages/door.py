"""
Checks whether a caller may see pages; if not, shows a form for the token.

The input is a request. The output is None if the caller may read, otherwise a page with the form.
If the form comes back with the right token, the browser gets a cookie and may read.

Source: OWASP, session management and unvalidated redirects.
"""

import hmac
from typing import Any, Final
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from otel_jcmc.pages.templating import HEADERS, page
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.tickets import LIFE_SECONDS, NAME

SIGN_IN_PATH: Final = "/-/sign-in"
_MOST_BYTES: Final = 4096


class Door:
    """Lets callers see pages, or shows them the form for the token."""

    def __init__(self, readers: Readers, token: str) -> None:
        """Accept callers that *readers* accept; the form asks for *token*; empty: no form."""
        self.readers, self._token = readers, token.encode()

    def refuse(self, request: Request) -> Response | None:
        """Return the answer for a caller that may not read; None: the caller may read."""
        refusal = self.readers.refuse(request.scope)
        if refusal is None:
            return None
        # Not 401: the page has its own form, and a browser must not open its password dialogue.
        told = {"why": refusal.text, "back": _here(request), "has_form": bool(self._token)}
        return page(request, "sign_in.html", told, 403 if refusal.status == 401 else refusal.status)

    def sign_in(self, request: Request, body: bytes) -> Response:
        """Return a redirect with a cookie if *body* has the right token; otherwise the form."""
        form = {key: told[-1] for key, told in parse_qs(body.decode("latin-1")).items()}
        back = _local(form.get("back", "/"))
        given = form.get("token", "").strip().encode()
        if (
            not self._token
            or not self.readers.tickets
            or not hmac.compare_digest(given, self._token)
        ):
            self.readers.refused[self.readers.name, "token_wrong"] += 1
            told = {"why": "This is not the token.", "back": back, "has_form": bool(self._token)}
            return page(request, "sign_in.html", told, 403)
        root = request.scope.get("root_path", "")
        answer = RedirectResponse(root + back, 303, HEADERS)
        answer.set_cookie(
            NAME,
            self.readers.tickets.make(),
            max_age=LIFE_SECONDS,
            path=f"{root}/",
            secure=_is_by_tls(request),
            httponly=True,
            samesite="strict",
        )
        return answer


def _here(request: Request) -> str:
    """Return the path and query of *request*, to return to after the sign-in."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", "")) or "/"
    query = request.scope.get("query_string", b"").decode("latin-1")
    return _local(quote(path) + (f"?{query}" if query else ""))


def _local(path: str) -> str:
    """Return *path* if it is a path on this service, otherwise `/`."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else "/"


def sign_in_routes(door: Door) -> APIRouter:
    """Return the route of the sign-in form."""
    router = APIRouter(default_response_class=Response)

    @router.post(SIGN_IN_PATH, include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        """Answer the sign-in form; for the right token, set the cookie."""
        if _is_foreign(request):
            return page(request, "sign_in.html", _FOREIGN, 403)
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BYTES:
                return Response(status_code=413)
        return door.sign_in(request, bytes(body))

    return router


def _is_by_tls(request: Request) -> bool:
    """
    Say whether the browser used TLS, by the header X-Forwarded-Proto.

    A caller that sends a false header harms only itself.
    """
    told = request.headers.get("x-forwarded-proto", request.scope["scheme"])
    return told.partition(",")[0].strip().lower() == "https"


def _is_foreign(request: Request) -> bool:
    """Say whether the browser sends the form from another site."""
    # Our form sends no referrer, and therefore the origin `null`.
    told = [each for each in request.headers.getlist("origin") if each != "null"]
    host = request.headers.get("host")
    if any(each.partition("://")[2] != host for each in told):
        return True
    # Browsers send Sec-Fetch-Site only to https addresses and to loopback addresses.
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


_FOREIGN: Final[dict[str, Any]] = {
    "why": "Another site sent this form.",
    "back": "/",
    "has_form": False,
}
