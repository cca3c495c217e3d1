"""What series and labels are called in one naming, as selectors of PromQL and units of Grafana."""

from collections.abc import Sequence
from typing import Final

from otel_jcmc.catalogue import attributes
from otel_jcmc.catalogue.fleet import histograms
from otel_jcmc.catalogue.levels import OTEL_LABELS, Family, Label
from otel_jcmc.catalogue.metrics import (
    INFO_FIELD,
    INFO_NAME,
    METRICS,
    VERDICT_FIELD,
    VERDICT_NAME,
)
from otel_jcmc.catalogue.rows import Attribute, Metric, Naming
from otel_jcmc.config.settings import Settings
from otel_jcmc.metrics.prometheus import label_name, metric_name

_PREFIX: Final[str] = Settings.model_fields["metrics_prefix"].default
_ROWS: Final = {row.field: row for row in METRICS}
# Unit of the catalogue -> Grafana's; what is missing is a plain number.
_UNITS: Final = {
    "percent": "percent",
    "ms": "ms",
    "kbit/s": "Kbits",
    "1": "percentunit",
    "s": "s",
    "bit/s": "bps",
}


class Names:
    """
    The names of one naming.

    Attributes:
        conference, participant: labels of who it is of.
        identity: all labels that tell one participant's series from another's.
        session: label and parameter of `/sessions` by which a participant's sessions are found
            within a conference; both empty: by the conference alone.
    """

    def __init__(self, naming: Naming) -> None:
        """Take those of *naming*."""
        self.is_jcmc = naming is Naming.JCMC
        self.suffix = "" if self.is_jcmc else "_otel"
        self.conference = self.attribute(attributes.CONFERENCE)
        self.participant = self.attribute(attributes.PARTICIPANT)
        self.client = self.attribute(attributes.CLIENT)
        third = self.client or self.attribute(attributes.SESSION)
        self.identity = (self.conference, self.participant, third)

    def attribute(self, row: Attribute) -> str:
        """Return the label of an attribute, empty where it has none."""
        if self.is_jcmc:
            return row.label
        return label_name(row.otel_name) if row.otel_name else ""

    def label(self, label: Label) -> str:
        """Return a label of what is told of more than one participant."""
        return label.value if self.is_jcmc else label_name(OTEL_LABELS[label])

    def family(self, family: Family, *matchers: str) -> str:
        """Return the selector of a *family*."""
        name = metric_name(family.otel_name, family.otel_unit)
        return selector(_PREFIX + family.field if self.is_jcmc else name, matchers)

    def metric(self, field: str, *matchers: str) -> str:
        """Return the selector of a participant's metric."""
        row = _ROWS[field]
        if self.is_jcmc:
            return selector(_PREFIX + field, matchers)
        fixed = [f'{label_name(name)}="{value}"' for name, value in row.otel_attributes]
        return selector(metric_name(row.otel_name, row.otel_unit), [*fixed, *matchers])

    def buckets(self, of: str, *matchers: str) -> str:
        """Return the selector of the buckets of the fleet's histogram *of* a metric."""
        return self._histogram(of, "bucket", matchers)

    def count(self, of: str) -> str:
        """Return the selector of how many pushes that histogram has counted."""
        return self._histogram(of, "count", ())

    def _histogram(self, of: str, part: str, matchers: Sequence[str]) -> str:
        (made,) = [each for each in histograms() if each.of == of]
        if self.is_jcmc:
            return selector(f"{_PREFIX}{made.field}_{part}", matchers)
        fixed = [f'{label_name(name)}="{value}"' for name, value in made.otel_attributes]
        name = metric_name(made.otel_name, made.metric.otel_unit)
        return selector(f"{name}_{part}", [*fixed, *matchers])

    def info(self, *matchers: str) -> str:
        """Return the selector of what describes a participant."""
        return selector(
            _PREFIX + INFO_FIELD if self.is_jcmc else metric_name(INFO_NAME, ""), matchers
        )

    def verdict(self, *matchers: str) -> str:
        """Return the selector of cause and scope of whose call is not good."""
        name = _PREFIX + VERDICT_FIELD if self.is_jcmc else metric_name(VERDICT_NAME, "")
        return selector(name, matchers)

    def unit(self, field: str) -> str:
        """Return Grafana's unit of a participant's metric."""
        row: Metric = _ROWS[field]
        return _UNITS.get(row.unit if self.is_jcmc else row.otel_unit, "short")


def selector(name: str, matchers: Sequence[str]) -> str:
    """Return the series *name* with *matchers*."""
    return f"{name}{{{','.join(matchers)}}}" if matchers else name
