"""Holds the parts that both `Taking` and `Reading` need."""

from typing import NamedTuple

from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.metrics.own import Telemetry
from otel_jcmc.service.shared import Place
from otel_jcmc.store.live import Store


class Common(NamedTuple):
    """
    The parts that both `Taking` and `Reading` need.

    Attributes:
        redis_url: the URL of *settings*, or of the store that we start ourselves.
        histograms: those of all participants together; None if *settings* do not want them.
    """

    settings: Settings
    place: Place
    redis_url: str
    store: Store
    telemetry: Telemetry
    privacy: Privacy
    histograms: Histograms | None
