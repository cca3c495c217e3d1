"""Holds the objects that both `Taking` (pushes) and `Reading` (scrapes, pages) need."""

from typing import NamedTuple

from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.metrics.own import Telemetry
from otel_jcmc.service.shared import Place
from otel_jcmc.store.live import Store


class Common(NamedTuple):
    """
    The objects that both `Taking` and `Reading` need.

    Attributes:
        redis_url: the URL in *settings*, or the URL of the embedded store.
        histograms: the histograms of all participants together; None: *settings* want none.
    """

    settings: Settings
    place: Place
    redis_url: str
    store: Store
    telemetry: Telemetry
    privacy: Privacy
    histograms: Histograms | None
