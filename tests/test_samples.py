"""An entry of a session's log, and back."""

from otel_jcmc.catalogue import LAST_METRIC_ID
from otel_jcmc.samples import Sample, read, write


def test_a_transport_may_be_known_without_its_round_trip() -> None:
    numbers = [97.5, *[None] * (LAST_METRIC_ID - 1)]
    for paths in ([None], [None, 41], [40.6, None]):
        sample = Sample(1_795_339_200_000, [*numbers[:12], paths, *numbers[13:]])
        assert read(write(sample)).numbers[12] == [each and round(each) for each in paths]
