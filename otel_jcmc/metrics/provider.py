"""
A MeterProvider that runs callbacks and keeps nothing between collections.

It implements the part of the OpenTelemetry API that gauges of current values need:
`create_observable_gauge`, and a `collect` that returns the observations of one collection. The
stock SDK keeps every attribute set that an observable instrument has ever seen. Participants come
and go, so the SDK would leak memory, or put all attribute sets after the 2,000th into one overflow
point. By the specification, a collection of an asynchronous instrument has only the observations
since the previous collection, so a provider need not keep old observations. Instruments of other
kinds go to a stock provider. Never set this provider as the global provider.

Source: opentelemetry-specification, metrics/api.md and sdk.md (asynchronous instruments).
"""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.metrics.observed import Column, Observed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collected:
    """The observations of one gauge in one collection."""

    name: str
    unit: str
    description: str
    observed: list[Observed]

    @property
    def columns(self) -> list[Column]:
        """The observations as columns, as the exporters read them."""
        return [column for each in self.observed for column in each.columns]

    @property
    def observations(self) -> list[Observation]:
        """The observations as the API's objects, in a list."""
        return list(chain.from_iterable(self.observed))


@dataclass(slots=True)
class _Gauge(metrics.ObservableGauge):
    """One gauge and its callbacks."""

    name: str
    unit: str
    description: str
    meter: str
    callbacks: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the log lines for callbacks that raise."""
        begins = f"gauge {self.name} is left out: %s"
        self.trouble = Trouble(log, begins, f"gauge {self.name} is back", logging.ERROR)


class GaugeProvider(MeterProvider):
    """
    Runs the callbacks of observable gauges, and keeps nothing between collections.

    Attributes:
        errors: the gauge's name -> how many of its callbacks have failed since the start.

    Concurrency: several threads may collect at the same time. Declare all gauges before the first
    collection.
    """

    def __init__(self, others: MeterProvider | None = None) -> None:
        """Let *others* make the instruments that are not observable gauges; None: no-op ones."""
        self._others = others or metrics.NoOpMeterProvider()
        self._gauges: dict[str, _Gauge] = {}
        self.errors: dict[str, int] = {}

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> Meter:
        """Return a meter; all meters of this provider share one namespace."""
        others = self._others.get_meter(name, version, schema_url, attributes)
        return _GaugeMeter(name, version, schema_url, partial(self._declare, name), others)

    def collect(self, meter: str = "") -> list[Collected]:
        """
        Run every callback and return the observations, gauge by gauge in the order of declaration.

        If *meter* is not empty, only the gauges of the meter with that name are collected. If a
        callback raises, its whole gauge is left out and the error counted; other gauges are not
        affected.
        """
        options = CallbackOptions()
        found = []
        for gauge in self._gauges.values():
            if meter and gauge.meter != meter:
                continue
            try:
                observed = [Observed.gather(callback(options)) for callback in gauge.callbacks]
            except Exception as error:  # noqa: BLE001  # that it was is known all the same
                self.errors[gauge.name] += 1
                gauge.trouble.update(_where(error))
                continue
            gauge.trouble.update("")
            found.append(Collected(gauge.name, gauge.unit, gauge.description, observed))
        return found

    def _declare(
        self, meter: str, name: str, callbacks: Sequence[Any], unit: str, description: str
    ) -> _Gauge:
        """Add a gauge, or add callbacks to the gauge with this name."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = _Gauge(name, unit, description, meter)
            self.errors[name] = 0
        elif gauge.unit != unit:
            raise ValueError(f"gauge {name} is declared with unit {gauge.unit!r} and {unit!r}")
        gauge.callbacks += callbacks
        return gauge


def _where(error: Exception) -> str:
    """Return the type of *error*, its file and line, but not its text: it may hold pushed data."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{type(error).__name__} in {Path(frame.f_code.co_filename).name}, line {line}"


class _GaugeMeter(Meter):
    """A meter that declares observable gauges at our provider, and others at a stock meter."""

    def __init__(
        self, name: str, version: str | None, schema_url: str | None, declare: Any, others: Meter
    ) -> None:
        super().__init__(name, version, schema_url)
        self._declare = declare
        self._others = others

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[Any] | None = None,
        unit: str = "",
        description: str = "",
    ) -> _Gauge:
        """Declare a gauge whose callbacks return Observations; generator callbacks do not work."""
        gauge: _Gauge = self._declare(name, callbacks or (), unit, description)
        return gauge

    def create_counter(self, *args: Any, **kwargs: Any) -> Any:
        """Delegate."""
        return self._others.create_counter(*args, **kwargs)

    def create_up_down_counter(self, *args: Any, **kwargs: Any) -> Any:
        """Delegate."""
        return self._others.create_up_down_counter(*args, **kwargs)

    def create_observable_counter(self, *args: Any, **kwargs: Any) -> Any:
        """Delegate."""
        return self._others.create_observable_counter(*args, **kwargs)

    def create_histogram(self, *args: Any, **kwargs: Any) -> Any:
        """Delegate."""
        return self._others.create_histogram(*args, **kwargs)

    def create_gauge(self, *args: Any, **kwargs: Any) -> Any:
        """Delegate."""
        return self._others.create_gauge(*args, **kwargs)

    def create_observable_up_down_counter(self, *args: Any, **kwargs: Any) -> Any:
        """Delegate."""
        return self._others.create_observable_up_down_counter(*args, **kwargs)
