"""OpenTelemetry's names are those of the conventions with the declared schema."""

from importlib import import_module
from pkgutil import iter_modules

from opentelemetry.semconv import _incubating
from opentelemetry.semconv.schemas import Schemas

from otel_jcmc.catalogue.attributes import ATTRIBUTES
from otel_jcmc.catalogue.conventions import SCHEMA_URL

# Our names begin like this. user_agent.* is from the conventions, except the system's version.
OURS = "jitsi."
# Attributes of spans and resources beside the rows of the catalogue.
OTHERS = {
    *("session.previous_id", "service.name", "service.version", "service.instance.id"),
    *("telemetry.sdk.language", "telemetry.sdk.name"),
}


def conventions() -> set[str]:
    """Return the names of all attributes in the pinned package."""
    folder = import_module(f"{_incubating.__name__}.attributes")
    found: set[str] = set()
    for each in iter_modules(folder.__path__):
        module = import_module(f"{folder.__name__}.{each.name}")
        found |= {text for text in vars(module).values() if isinstance(text, str)}
    return found


def test_the_schema_is_one_of_opentelemetrys() -> None:
    assert SCHEMA_URL == "https://opentelemetry.io/schemas/1.44.0"
    assert SCHEMA_URL in {each.value for each in Schemas}


def test_names_that_are_not_ours_are_those_of_the_conventions() -> None:
    names = {row.otel_name for row in ATTRIBUTES if row.otel_name} | OTHERS
    theirs = {name for name in names if not name.startswith(OURS)}
    assert theirs - conventions() == set()
    assert {"session.id", "user_agent.name", "network.transport"} <= theirs
