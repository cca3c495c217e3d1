"""
Makes docs/pictures/rooms.svg and docs/rooms.md, the rooms of the package, from the code.

The sources come in, read with `ast` and never run. The imports of each module, the floors, a
picture and a page go out. `make generate` writes both; tests/repository/test_rooms.py checks the
rules of the house.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tools.drawing import Box, arrow, picture

PACKAGE: Final = Path(__file__).parents[1] / "otel_jcmc"

_WIDTH, _HEIGHT, _GAP, _FLOOR, _MARGIN = 196, 54, 20, 104, 20
Graph = Mapping[str, set[str]]


class Room(NamedTuple):
    """A package of the house: its name, the first words of its docstring, how many files it has."""

    name: str
    brief: str
    files: int


def read_imports(package: Path = PACKAGE) -> dict[str, frozenset[str]]:
    """Return each module of a room, as `store.link`, and every name that it imports."""
    return {
        f"{path.parent.name}.{path.stem}": frozenset(imported(path))
        for path in sorted(package.glob("*/*.py"))
    }


def imported(path: Path) -> Iterator[str]:
    """
    Return the imports of the file at *path*: `redis.asyncio`, `otel_jcmc.store.link`.

    Imports inside functions and for type checkers are included; relative ones are not allowed.
    """
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            yield node.module
            if node.module.startswith("otel_jcmc"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str:
    """Return the room of *module*, `store` of `store.link`."""
    return module.partition(".")[0]


def module_graph(imports: Mapping[str, frozenset[str]]) -> dict[str, set[str]]:
    """Return the modules of rooms that each module imports."""
    return {
        module: {name for each in names if (name := each.removeprefix("otel_jcmc.")) in imports}
        - {module}
        for module, names in imports.items()
    }


def room_graph(modules: Graph) -> dict[str, set[str]]:
    """Return the rooms that each room imports from."""
    rooms: dict[str, set[str]] = {room_of(module): set() for module in modules}
    for module, used in modules.items():
        rooms[room_of(module)] |= {room_of(each) for each in used} - {room_of(module)}
    return rooms


def floors_of(graph: Graph) -> dict[str, int]:
    """
    Return the floor of each place: 1 if it imports nothing, otherwise one above its imports.

    Raises:
        ValueError: the imports form a circle, which the error names.
    """
    found: dict[str, int] = {}

    def floor(place: str, way: tuple[str, ...]) -> int:
        if place in way:
            raise ValueError(f"a circle: {' -> '.join([*way[way.index(place) :], place])}")
        if place not in found:
            found[place] = 1 + max((floor(each, (*way, place)) for each in graph[place]), default=0)
        return found[place]

    for place in sorted(graph):
        floor(place, ())
    return found


def direct_ways(graph: Graph) -> list[tuple[str, str]]:
    """Return the imports of *graph* without those that a longer way implies."""

    def reached(place: str) -> set[str]:
        return set[str]().union(*({each} | reached(each) for each in graph[place]))

    return [
        (place, each)
        for place in sorted(graph)
        for each in sorted(graph[place])
        if not any(each in reached(other) for other in graph[place] - {each})
    ]


def read_rooms(package: Path = PACKAGE) -> dict[str, Room]:
    """Return the rooms of *package* by their names."""
    rooms = {}
    for path in sorted(package.glob("*/__init__.py")):
        files = len(list(path.parent.glob("*.py"))) - 1
        rooms[path.parent.name] = Room(path.parent.name, _told(path).splitlines()[0], files)
    return rooms


def rooms_page(package: Path = PACKAGE) -> str:
    """Return the page of the rooms, top floor first: the purpose of each, and a line per file."""
    floors = floors_of(room_graph(module_graph(read_imports(package))))
    parts = []
    for name in sorted(floors, key=lambda each: (-floors[each], each)):
        lines = [f"## {name}", "", *_told(package / name / "__init__.py").splitlines(), ""]
        lines += ["| file | what it does |", "| --- | --- |"]
        for path in sorted((package / name).glob("*.py")):
            if path.stem != "__init__":
                scripts = [each.name for each in [path.with_suffix(".lua")] if each.exists()]
                names = ", ".join(f"`{each}`" for each in [path.name, *scripts])
                first = " ".join(_told(path).partition("\n\n")[0].split())
                lines.append(f"| {names} | {first.replace('|', '&#124;')} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _told(path: Path) -> str:
    """Return the docstring of the file at *path*."""
    return ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""


def rooms_picture() -> str:
    """Return the picture of the house: a room stands above the rooms that it imports."""
    graph = room_graph(module_graph(read_imports()))
    floors, rooms = _hung(graph), read_rooms()
    top = max(floors.values())
    on_floor = {
        floor: sorted(name for name in floors if floors[name] == floor)
        for floor in range(1, top + 1)
    }
    widest = max(len(names) for names in on_floor.values())
    width = 2 * _MARGIN + widest * (_WIDTH + _GAP) - _GAP
    height = 2 * _MARGIN + (top - 1) * _FLOOR + _HEIGHT
    places = {}
    for floor, names in on_floor.items():
        start = (width - len(names) * (_WIDTH + _GAP) + _GAP) / 2
        for number, name in enumerate(names):
            places[name] = (
                start + number * (_WIDTH + _GAP),
                _MARGIN + (top - floor) * _FLOOR,
            )
    drawn = [_way(places[above], places[below]) for above, below in direct_ways(graph)]
    drawn += [_box(rooms[name], *places[name]) for name in sorted(places)]
    told = "The rooms of otel_jcmc; arrows point to what is imported"
    return picture(width, height, told, drawn)


def _hung(graph: Graph) -> dict[str, int]:
    """Return the drawn floor of each room: as high as the rooms above it allow."""
    floors = floors_of(graph)
    users = {place: {each for each in graph if place in graph[each]} for place in graph}
    for place in sorted(graph, key=lambda each: -floors[each]):
        if users[place]:
            floors[place] = min(floors[each] for each in users[place]) - 1
    return floors


def _box(room: Room, left: float, top: float) -> str:
    """Return a room's box, with its name and purpose."""
    words, lines = room.brief.split(":")[0].rstrip(".").split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 28 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > 2:
        lines = [lines[0], f"{lines[1]} …"]
    title = f"{room.brief} Files: {room.files}."
    return Box(left, top, _WIDTH, _HEIGHT, room.name, lines, title).svg


def _way(above: tuple[float, float], below: tuple[float, float]) -> str:
    """Return the arrow from the room at *above* to the imported one at *below*."""
    from_x, from_y = above[0] + _WIDTH / 2, above[1] + _HEIGHT
    to_x, to_y = below[0] + _WIDTH / 2, below[1] - 2
    bend = (to_y - from_y) / 2
    curve = f"C{from_x:g} {from_y + bend:g} {to_x:g} {to_y - bend:g} {to_x:g} {to_y:g}"
    return arrow(f"M{from_x:g} {from_y:g}{curve}")
