"""
Pages as a browser reads them, for tests: elements with their texts.

`read` makes `Element`s of a page. `strangers` returns the elements that a page must never have,
whatever names participants and conferences choose.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self

from harness import Answer, Service

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
_VOID = {"meta", "link", "input", "img", "br", "hr", "col"}
_INLINE = {"a", "b", "span", "strong", "time"}


@dataclass
class Element:
    """An element: its tag, its attributes and its content."""

    tag: str
    attributes: dict[str, str]
    parts: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, with blanks as a browser shows them."""
        return " ".join(self._told().split())

    def _told(self) -> str:
        told = "".join(each if isinstance(each, str) else each._told() for each in self.parts)
        return told if self.tag in _INLINE else f" {told} "

    def all(self, tag: str, **wanted: str) -> list["Element"]:
        """Return the elements in it with this *tag* and these attributes; `word` is a class."""
        word = wanted.pop("word", None)
        return [
            each
            for each in self
            if each.tag == tag
            and (word is None or word in each.attributes.get("class", "").split())
            and all(each.attributes.get(name.replace("_", "-")) == wanted[name] for name in wanted)
        ]

    def one(self, tag: str, **wanted: str) -> "Element":
        """Return the only such element."""
        (found,) = self.all(tag, **wanted)
        return found

    def __iter__(self) -> Iterator["Element"]:
        for each in self.parts:
            if isinstance(each, Element):
                yield each
                yield from each

    def links(self) -> dict[str, str]:
        """Return the address of each link by its text."""
        return {each.text: each.attributes["href"] for each in self.all("a")}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(made)
        if tag not in _VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].parts.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"{self.open[-1].tag} is closed by {tag}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)

    @classmethod
    def of(cls, text: str) -> Self:
        reader = cls()
        reader.feed(text)
        reader.close()
        return reader


def read(text: str) -> Element:
    """Return the page, whose elements must all be closed."""
    reader = _Reader.of(text)
    assert len(reader.open) == 1, f"{reader.open[-1].tag} is not closed"
    return reader.open[0]


def look(service: Service, path: str, status: int = 200) -> Element:
    """Return the page at *path*, requested as a browser does."""
    answer: Answer = service.get(path, headers=HTML)
    assert (answer.status, answer.headers.get_content_type()) == (status, "text/html"), answer.body
    return read(answer.body)


def strangers(page: Element) -> list[str]:
    """Return the tags that no page may have: inline scripts, styles and images."""
    return [
        each.tag
        for each in page
        if each.tag in {"img", "iframe", "style", "object", "b-evil"}
        or (each.tag == "script" and (each.text or "/-/pages/" not in each.attributes["src"]))
        or any(name.startswith("on") or name == "style" for name in each.attributes)
        or "javascript:" in each.attributes.get("href", "").lower()
    ]
