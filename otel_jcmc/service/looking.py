"""
The pages that people look at, tied to the parts that they read.

Settings and parts come in, the pages' routes go out.
"""

from collections.abc import Iterator

from fastapi import APIRouter

from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.pages.door import Door, sign_in_routes
from otel_jcmc.pages.home import home_routes
from otel_jcmc.pages.live import event_routes, live_routes
from otel_jcmc.pages.pulse import Pulse
from otel_jcmc.pages.templating import asset_routes
from otel_jcmc.service.reading import Reading
from otel_jcmc.store.live import Store
from otel_jcmc.web.readers import Readers


def page_routes(
    settings: Settings, store: Store, reading: Reading, pulse: Pulse, readers: Readers
) -> Iterator[APIRouter]:
    """Return the routes of all pages, behind *readers*; none where *settings* want none."""
    if not settings.pages:
        return
    door = Door(readers, to_text(settings.read_token or ""))
    yield asset_routes()
    yield sign_in_routes(door)
    history = settings.history_hours > 0
    told = advice(settings)
    yield home_routes(store, pulse, told, has_history=history, door=door)
    yield live_routes(reading.viewing, reading.record, door)
    yield event_routes(reading.viewing, door)
