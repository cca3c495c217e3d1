"""
Imports between rooms go in one direction, and few rooms use each library, so changes stay local.

It is computed from the sources with `ast`, with imports inside functions and for type checkers.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tools.house import (
    direct_ways,
    floors_of,
    module_graph,
    read_imports,
    room_graph,
    room_of,
    rooms_picture,
)

PACKAGE = Path(__file__).parents[2] / "otel_jcmc"

# From what an operator types down to the foundations: a room imports only from those below it.
ROOMS = [
    *(
        "command",
        "doctor",
        "service",
        "server",
        "jmmc",
        "logs",
        "traces",
        "pages",
        "web",
        "config",
        "otlp",
        "intake",
    ),
    *("sessions", "metrics", "verdict", "store", "wire", "catalogue", "simulate"),
]
MOST_FLOORS = 10
MOST_FLOORS_INSIDE = 5
AT_THE_TOP = {"__init__", "__main__", "version"}

# A library, and the files that use it: a whole room, or `room.file`.
MAY_SEE = {
    "otel_jcmc.config.settings": {"command", "config", "doctor", "service"},
    "redis": {"store", "sessions.log", "jmmc.states"},
    "hiredis": {"store.commands", "store.wire"},
    "opentelemetry": {"metrics", "otlp", "logs.records", "traces.spans", "service.reading"},
    "prometheus_client": {"metrics.instruments"},
    "fastapi": {"web", "pages", "service.application", "service.app", "service.looking"},
    "starlette": set(),
    "pydantic": {"config", "command.environment"},
    "pydantic_settings": {"config"},
    "msgspec": {
        *("wire", "store", "intake", "sessions", "jmmc"),
        *("metrics.figures", "metrics.places", "metrics.prometheus", "web.answers"),
        *("web.conferences", "web.session_about", "web.session_text"),
        *("simulate.page", "simulate.tape", "verdict.journal", "verdict.judge", "verdict.record"),
    },
    "ua_parser": {"intake.browsers"},
    "uvicorn": {"server", "command.running"},
    "httptools": {
        "server.framing",
        "server.relay",
        "server.requests",
        "server.whole",
        "simulate.client",
    },
    "isal": {"metrics.scrape"},
    "jinja2": {"pages.templating"},
    "zopfli": {"web.client"},
    "jwt": {"intake.push_tokens", "intake.jitsi_keys", "intake.jitsi_tokens"},
    "cryptography": {"intake.jitsi_keys"},
}


IMPORTS = read_imports(PACKAGE)
MODULES = module_graph(IMPORTS)


def test_the_rooms_are_those_of_the_list() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert found == set(ROOMS)


def test_nothing_lies_flat_at_the_top() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == AT_THE_TOP


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_from_those_below_it(name: str) -> None:
    assert room_graph(MODULES)[name] <= set(ROOMS[ROOMS.index(name) + 1 :])


def test_the_house_has_few_floors() -> None:
    assert max(floors_of(room_graph(MODULES)).values()) <= MOST_FLOORS


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_has_few_floors(name: str) -> None:
    inside = {module for module in MODULES if room_of(module) == name}
    graph = {module: MODULES[module] & inside for module in inside}
    assert max(floors_of(graph).values()) <= MOST_FLOORS_INSIDE


def test_a_circle_is_found_and_named() -> None:
    with pytest.raises(ValueError, match="a circle: b -> c -> b"):
        floors_of({"a": {"b"}, "b": {"c"}, "c": {"b"}})


def test_the_picture_has_every_room_and_no_way_twice() -> None:
    """An import through another room needs no arrow of its own."""
    drawn = ET.fromstring(rooms_picture())
    names = [each.text for each in drawn.iter() if each.get("class") == "name"]
    assert sorted(map(str, names)) == sorted(ROOMS)
    ways = [each for each in drawn.iter() if each.get("class") == "way"]
    assert len(ways) == len(direct_ways(room_graph(MODULES)))
    assert direct_ways({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == [("a", "b"), ("b", "c")]


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_what_it_is_for(name: str) -> None:
    """In three to six lines: what comes in, what goes out, what it does not do."""
    told = ast.get_docstring(ast.parse(PACKAGE.joinpath(name, "__init__.py").read_text())) or ""
    assert 3 <= len(told.splitlines()) <= 6


@pytest.mark.parametrize("library", MAY_SEE)
def test_few_rooms_see(library: str) -> None:
    seeing = {
        module
        for module, names in IMPORTS.items()
        if any(f"{name}.".startswith(f"{library}.") for name in names)
    }
    may = MAY_SEE[library]
    assert {each for each in seeing if not {each, room_of(each)} & may} == set()
    assert {each for each in may if not any(each in (one, room_of(one)) for one in seeing)} == set()


@pytest.mark.parametrize("script", sorted(PACKAGE.rglob("*.lua")), ids=lambda path: path.name)
def test_a_script_lies_beside_a_file_that_sends_it(script: Path) -> None:
    name = script.relative_to(PACKAGE).with_suffix("").as_posix()
    assert any(f'"{name}"' in path.read_text() for path in script.parent.glob("*.py"))


def test_the_service_is_made_without_what_only_some_deployments_need() -> None:
    """Each costs memory and time at every start: OTLP's exporters, and the check of tokens."""
    made = (
        "import sys; from otel_jcmc import Settings, create_app; create_app(Settings());"
        " print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", made], check=True, stdout=subprocess.PIPE, text=True
    )
    loaded = set(ran.stdout.split())
    assert "opentelemetry.sdk.metrics" in loaded
    unwanted = {
        *("grpc", "requests", "google.protobuf", "opentelemetry.exporter.otlp", "pydantic.v1"),
        *("jwt", "cryptography.hazmat"),
    }
    assert loaded & unwanted == set()


@pytest.mark.parametrize("path", [PACKAGE / "__init__.py", *PACKAGE.glob("*/__init__.py")])
def test_a_package_itself_imports_nothing_at_once(path: Path) -> None:
    """So the command line answers --help at once, and a host chooses when to import the rest."""
    tree = ast.parse(path.read_text())
    at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    allowed = {
        "from typing import TYPE_CHECKING, Any",
        "from otel_jcmc.version import __version__",
    }
    assert {ast.unparse(node) for node in at_once} <= allowed


FILE_NAME = re.compile(r"(?<![\w/.-])[\w/]+\.(?:py|lua)\b")


@pytest.mark.parametrize(
    "path", sorted([*PACKAGE.glob("*/*.py"), *PACKAGE.glob("*/*.lua")]), ids=lambda path: path.name
)
def test_files_that_are_named_are_there(path: Path) -> None:
    """In the same room by its name alone, in another one with the room in front."""
    named = set(FILE_NAME.findall(path.read_text()))
    places = (path.parent, PACKAGE, PACKAGE.parent)
    assert {
        name for name in named if not any((place / name).is_file() for place in places)
    } == set()
