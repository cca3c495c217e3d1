"""
Imports between rooms run one way, and few rooms see each library: a change of one touches a few.

Computed from the sources with `ast`, imports inside functions and for type checkers included.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "otel_jcmc"

# From what an operator types down to what everything stands on: a room imports from those below it.
ROOMS = [
    *("command", "service", "server", "jmmc", "traces", "web", "config", "otlp", "intake"),
    *("sessions", "metrics", "store", "wire", "catalogue", "simulate"),
]
MOST_FLOORS = 10
MOST_FLOORS_INSIDE = 5
AT_THE_TOP = {"__init__", "__main__", "version"}

# A library, and the files that see it: of a room as a whole, or `room.file`.
MAY_SEE = {
    "otel_jcmc.config.settings": {"command", "config", "service"},
    "redis": {"store", "sessions.log", "jmmc.states"},
    "hiredis": {"store.link"},
    "opentelemetry": {"metrics", "otlp", "traces.spans", "service.parts"},
    "prometheus_client": {"metrics.own", "metrics.scrape", "web.client"},
    "fastapi": {"web", "service.application", "service.app"},
    "starlette": set(),
    "pydantic": {"config", "command.environment"},
    "pydantic_settings": {"config"},
    "msgspec": {
        *("wire", "store", "intake", "sessions", "jmmc"),
        *("metrics.prometheus", "traces.sweep", "web.answers", "web.session_text"),
        "simulate.page",
    },
    "ua_parser": {"intake.browsers"},
    "uvicorn": {"server", "command.serve"},
    "httptools": {"simulate.client"},
    "isal": {"metrics.scrape"},
    "rjsmin": {"web.client"},
    "zopfli": {"web.client"},
    "jwt": {"intake.push_tokens", "intake.jitsi_keys", "intake.jitsi_tokens"},
    "cryptography": {"intake.jitsi_keys"},
}


@cache
def modules() -> dict[str, frozenset[str]]:
    """Return each module of a room, as `store.link`, and the names that it imports."""
    return {
        f"{path.parent.name}.{path.stem}": frozenset(imported(path))
        for path in PACKAGE.glob("*/*.py")
    }


def imported(path: Path) -> Iterator[str]:
    """Return what the file at *path* imports: `redis.asyncio`, `otel_jcmc.store.link`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            yield node.module
            if node.module.startswith("otel_jcmc"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(names: frozenset[str]) -> set[str]:
    """Return the modules of rooms among *names*, as `store.link`."""
    return {short for name in names if (short := name.removeprefix("otel_jcmc.")) in modules()}


def floors(graph: dict[str, set[str]]) -> int:
    """Return how many floors the house of *graph* has; a circle is no house."""

    def floor(place: str, below: tuple[str, ...]) -> int:
        assert place not in below, f"a circle: {' -> '.join([*below, place])}"
        return 1 + max((floor(each, (*below, place)) for each in graph[place]), default=0)

    return max(floor(place, ()) for place in graph)


def room(module: str) -> str:
    """Return the room of *module*."""
    return module.partition(".")[0]


def test_the_rooms_are_those_of_the_list() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert found == set(ROOMS)


def test_nothing_lies_flat_at_the_top() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == AT_THE_TOP


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_imports_only_from_those_below_it(name: str) -> None:
    used = {
        room(each)
        for module in modules()
        if room(module) == name
        for each in ours(modules()[module])
    }
    assert used <= set(ROOMS[ROOMS.index(name) :])


def test_the_house_has_few_floors() -> None:
    graph: dict[str, set[str]] = {name: set() for name in ROOMS}
    for module, names in modules().items():
        graph[room(module)] |= {room(each) for each in ours(names)} - {room(module)}
    assert floors(graph) <= MOST_FLOORS


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_has_few_floors(name: str) -> None:
    inside = {module for module in modules() if room(module) == name}
    graph = {module: ours(modules()[module]) & inside - {module} for module in inside}
    assert floors(graph) <= MOST_FLOORS_INSIDE


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_what_it_is_for(name: str) -> None:
    """In three to six lines: what comes in, what goes out, what it does not do."""
    told = ast.get_docstring(ast.parse(PACKAGE.joinpath(name, "__init__.py").read_text())) or ""
    assert 3 <= len(told.splitlines()) <= 6


@pytest.mark.parametrize("library", MAY_SEE)
def test_few_rooms_see(library: str) -> None:
    seeing = {
        module
        for module, names in modules().items()
        if any(f"{name}.".startswith(f"{library}.") for name in names)
    }
    may = MAY_SEE[library]
    assert {each for each in seeing if not {each, room(each)} & may} == set()
    assert {each for each in may if not any(each in (one, room(one)) for one in seeing)} == set()


@pytest.mark.parametrize("script", sorted(PACKAGE.rglob("*.lua")), ids=lambda path: path.name)
def test_a_script_lies_beside_a_file_that_sends_it(script: Path) -> None:
    name = script.relative_to(PACKAGE).with_suffix("").as_posix()
    assert any(f'"{name}"' in path.read_text() for path in script.parent.glob("*.py"))


def test_the_service_is_made_without_what_only_some_deployments_need() -> None:
    """Each is memory and time at every start: OTLP's exporters, and what verifies tokens."""
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
    """So that the command line answers --help at once, and a host that mounts us chooses when."""
    tree = ast.parse(path.read_text())
    at_once = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    allowed = {
        "from typing import TYPE_CHECKING, Any",
        "from otel_jcmc.version import __version__",
    }
    assert {ast.unparse(node) for node in at_once} <= allowed
