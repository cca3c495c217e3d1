"""
Makes the routes of the pages for people, and gives each the objects that it reads.

The input is the settings and these objects, the output is the routes.
"""

from collections.abc import Iterator

from fastapi import APIRouter

from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.pages.conference import conference_page_routes
from otel_jcmc.pages.door import Door, sign_in_routes
from otel_jcmc.pages.home import home_routes
from otel_jcmc.pages.live import event_routes, live_routes
from otel_jcmc.pages.pulse import Pulse
from otel_jcmc.pages.search import search_routes
from otel_jcmc.pages.session import Seeing, one_session_routes
from otel_jcmc.pages.templating import asset_routes
from otel_jcmc.service.reading import Reading
from otel_jcmc.store.live import Store
from otel_jcmc.web.readers import Readers


def page_routes(
    settings: Settings,
    store: Store,
    reading: Reading,
    pulse: Pulse,
    privacy: Privacy,
    readers: Readers,
) -> Iterator[APIRouter]:
    """Return the routes of all pages; *readers* checks callers. No routes if pages are off."""
    if not settings.pages:
        return
    door = Door(readers, to_text(settings.read_token or ""))
    yield asset_routes()
    yield sign_in_routes(door)
    # If sessions are recorded only to send spans, no page shows them.
    history = reading.history if settings.history_hours else None
    told = advice(settings)
    yield home_routes(store, pulse, told, has_history=history is not None, door=door)
    yield live_routes(reading.viewing, reading.record, door, privacy)
    yield event_routes(reading.viewing, door)
    interval_ms = settings.history_interval_seconds * 1000
    seeing = Seeing(
        *(interval_ms, settings.bad_packet_loss, settings.bad_round_trip_ms),
        settings.trace_url or "",
    )
    yield search_routes(history, reading.record, door, privacy)
    yield one_session_routes(history, reading.record, door, seeing)
    grace_ms = settings.session_grace_seconds * 1000
    yield conference_page_routes(history, reading.record, door, privacy, grace_ms, interval_ms)
