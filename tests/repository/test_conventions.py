"""The pinned libraries and what we say of them; tries of other versions leave this out."""

from opentelemetry.semconv.schemas import Schemas

from otel_jcmc.catalogue.conventions import SCHEMA_URL


def test_the_schema_is_the_newest_that_the_pinned_conventions_know() -> None:
    assert [each.value for each in Schemas][-1] == SCHEMA_URL
