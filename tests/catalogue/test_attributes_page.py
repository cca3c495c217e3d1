"""docs/attributes.md has exactly the attributes that OTLP exports."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from otel_jcmc.catalogue import levels
from otel_jcmc.catalogue.attributes import ATTRIBUTES
from otel_jcmc.catalogue.events import EVENTS
from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.traces.spans import CONFERENCE_SPAN, SESSION_SPAN

ROOT = Path(__file__).parents[2]
ROWS = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
# Names of events, which are no attributes.
HAPPENS = {"jitsi.session.network.changed", "jitsi.session.region.changed"}
PLACE = re.compile(r"<\w+>")


def of_page() -> list[str]:
    """Return the names on the page; `<word>` stands for any word."""
    return ROWS.findall((ROOT / "docs" / "attributes.md").read_text())


def of_spans() -> Iterator[str]:
    """Return the names in the code of spans; `<>` stands for a formatted value."""
    for path in sorted((ROOT / "otel_jcmc" / "traces").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "<>"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def of_code() -> set[str]:
    """Return all exported names."""
    rows = {row.otel_name for row in ATTRIBUTES}
    fixed = {name for row in METRICS for name in dict(row.otel_attributes)}
    events = {name for event in EVENTS for name in event.attributes}
    spans = {
        name
        for name in of_spans()
        # Not the beginning of a composed name.
        if re.fullmatch(r"(jitsi|session)\.[a-z0-9_.<>]*[^.]", name) and name not in HAPPENS
    }
    # A name with only one formatted part is an event: jitsi.session.<verdict.bad>.
    spans -= {SESSION_SPAN, CONFERENCE_SPAN, "jitsi.session.<>"}
    told = set(levels.OTEL_LABELS.values())
    return {name for name in rows | fixed | events | spans | told if name}


def fits(row: str, name: str) -> bool:
    """Say whether *row* of the page is about *name*."""
    pattern = PLACE.sub("<W>", re.escape(row).replace(r"\<", "<").replace(r"\>", ">"))
    pattern = pattern.replace("<W>", r"(?:\w+|<>)")
    return re.fullmatch(pattern, name) is not None


def test_every_attribute_is_on_the_page_once() -> None:
    page = of_page()
    assert len(page) == len(set(page))
    missing = {name for name in of_code() if not any(fits(row, name) for row in page)}
    assert missing == set()


def test_the_page_has_none_that_nobody_sends() -> None:
    names = of_code() | {"log.record.uid"}
    assert {row for row in of_page() if not any(fits(row, name) for name in names)} == set()
