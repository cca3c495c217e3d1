"""
Makes `/` for a browser: what the service is, whether it works, and links to the other pages.

The input is the store, the service's own metrics and the advice on its settings. The output is the
page. Clients that do not ask for HTML get from `web` a line that says that the service is up.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from otel_jcmc.pages.door import Door
from otel_jcmc.pages.pulse import Pulse
from otel_jcmc.pages.routes import page_router
from otel_jcmc.pages.templating import page
from otel_jcmc.store.live import Store


def home_routes(
    store: Store, pulse: Pulse, advice: Sequence[str], *, has_history: bool, door: Door
) -> APIRouter:
    """Return the route of the first page; *door* checks callers; the page shows *advice*."""
    router = page_router()

    @router.get("/")
    async def home(request: Request) -> Response:
        """Return the page."""
        if refusal := door.refuse(request):
            return refusal
        counts, seconds = pulse.pushes()
        told = {
            "why_not": await store.why_not_ready(),
            "counts": counts,
            "seconds": seconds,
            "exports": pulse.exports(),
            "advice": advice,
            "has_history": has_history,
        }
        return page(request, "home.html", told)

    return router
