"""
The roads from the service to PromQL, each with the shipped file of its end, and all in one naming.

    pull, text      Prometheus scrapes the service, in the text format
    pull            the same in OpenMetrics, which Prometheus asks for by default
    grpc, http      OTLP to a Collector, whose page Prometheus scrapes
    receiver        OTLP to Prometheus itself
    relayed         a Collector scrapes the service and sends OTLP, here to another Collector
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from collector.built import Collector, moved, running_prometheus3, scraping_collector
from collector.pushed import settings
from e2e.parts import Prometheus
from harness import Service

ROADS = ("pull", "pull, text", "grpc", "http", "receiver", "relayed")
# Alerts go nowhere here; nothing listens there.
NOBODY = "127.0.0.1:9"


@dataclass
class Road:
    """
    One road: the service with its participants, and the Prometheus at its end.

    Attributes:
        collector: the Collector whose page Prometheus scrapes, if the road has one.
    """

    name: str
    service: Service
    prometheus: Prometheus
    collector: Collector | None = None


def place(service: Service) -> str:
    """Return host and port of *service*."""
    return urlsplit(service.url).netloc


@contextmanager
def running_roads(
    folder: Path,
    naming: str,
    names: tuple[str, ...] = ROADS,
    rules: tuple[Path, ...] = (),
    alertmanager: str = NOBODY,
    **more: str,
) -> Iterator[dict[str, Road]]:
    """
    Run the roads of *names*; the services have *more* settings, every Prometheus the *rules*.

    Alerts go to *alertmanager*, host and port. Prometheus's intervals are a second instead of the
    files' 15, and rules have none of their own; otherwise only addresses are changed.
    """
    with ExitStack() as stack:
        made = _Maker(folder, naming, stack, rules, alertmanager, more)
        yield {name: made.road(name, folder / str(at)) for at, name in enumerate(names)}


class _Maker:
    """Makes one road after the other, until *stack* ends them."""

    def __init__(
        self,
        folder: Path,
        naming: str,
        stack: ExitStack,
        rules: tuple[Path, ...],
        alertmanager: str,
        more: Mapping[str, str],
    ) -> None:
        self._naming, self._stack, self._rules, self._more = naming, stack, rules, more
        self._alerts = {"alertmanager:9093": alertmanager}
        self._pulled: Service | None = None
        self._folder = folder

    def road(self, name: str, folder: Path) -> Road:
        """Make the road *name*."""
        folder.mkdir(parents=True)
        if name in {"pull", "pull, text"}:
            places = {"otel_jcmc:3000": place(self._scraped())}
            config = moved("prometheus.yaml", places | self._alerts)
            if name == "pull, text":
                formats = "global:\n  scrape_protocols: [PrometheusText0.0.4]"
                config = config.replace("global:", formats)
            return Road(name, self._scraped(), self._prometheus(folder, config))
        if name == "receiver":
            return self._receiver(folder)
        collector = self._stack.enter_context(Collector(folder / "collector"))
        if name == "relayed":
            service = self._scraped()
            backend = urlsplit(collector.grpc_endpoint).netloc
            relay = scraping_collector(folder / "relay", place(service), backend)
            self._stack.enter_context(relay)
        elif name == "grpc":
            service = self._service(
                folder,
                OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.grpc_endpoint,
            )
        else:
            service = self._service(folder, OTEL_EXPORTER_OTLP_ENDPOINT=collector.http_endpoint)
        config = moved("prometheus-otlp.yaml", {"collector:8889": collector.page} | self._alerts)
        prometheus = self._prometheus(folder, config)
        return Road(name, service, prometheus, collector)

    def _receiver(self, folder: Path) -> Road:
        config = moved("prometheus-otlp-receiver.yaml", self._alerts)
        prometheus = self._prometheus(folder, config, "--web.enable-otlp-receiver")
        service = self._service(
            folder,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{prometheus.url}/api/v1/otlp/v1/metrics",
        )
        return Road("receiver", service, prometheus)

    def _scraped(self) -> Service:
        """Return the service that is only scraped: one for all roads that scrape."""
        if self._pulled is None:
            self._pulled = self._service(self._folder / "pulled")
        return self._pulled

    def _service(self, folder: Path, **endpoint: str) -> Service:
        environ = settings(self._naming, **endpoint) | dict(self._more)
        return self._stack.enter_context(Service(folder / "s", **environ))

    def _prometheus(self, folder: Path, config: str, *flags: str) -> Prometheus:
        home = folder / "prometheus"
        (home / "rules").mkdir(parents=True)
        for path in self._rules:
            text = re.sub(r"^    interval: .*\n", "", path.read_text(), flags=re.MULTILINE)
            (home / "rules" / path.name).write_text(text)
        text = config.replace("_interval: 15s", "_interval: 1s").replace(
            "_timeout: 10s", "_timeout: 1s"
        )
        return self._stack.enter_context(running_prometheus3(home, text, *flags))
