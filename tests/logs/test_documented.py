"""docs/logs.md has all events, each as it is sent."""

import re
from pathlib import Path

from otel_jcmc.catalogue.events import EVENTS

PAGE = Path(__file__).parents[2] / "docs/logs.md"
ROW = re.compile(r"^\| `(jitsi\.[a-z_.]+)` \| ([A-Z]+) \| .+ \| ([^|]+) \|$", re.MULTILINE)


def test_the_table_has_each_event_with_severity_and_attributes() -> None:
    told = {
        name: (severity, tuple(re.findall(r"`([^`]+)`", attributes)))
        for name, severity, attributes in ROW.findall(PAGE.read_text())
    }
    assert told == {each.name: (each.severity.name, each.attributes) for each in EVENTS}
