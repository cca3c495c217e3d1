"""
A component of an XMPP server: the focus uses it to speak to a real Prosody (XEP-0114).

It sends requests and gets their answers. All other stanzas go to the object that created it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Final, cast
from xml.etree.ElementTree import Element, XMLPullParser, tostring

_STREAM: Final = "http://etherx.jabber.org/streams"
NAMESPACE: Final = "jabber:component:accept"
# What is printed once the server has taken the component in.
READY: Final = "ready"

Take = Callable[[Element], None]


@dataclass
class Component:
    """
    A component called *domain*.

    Attributes:
        take: gets each presence and each request.
    """

    domain: str
    take: Take
    _writer: asyncio.StreamWriter | None = None
    _asked: dict[str, Callable[[], None]] = field(default_factory=dict)

    async def run(self, port: int, secret: str) -> None:
        """Work until the server closes the connection."""
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._write(
            f"<stream:stream xmlns='{NAMESPACE}' xmlns:stream='{_STREAM}' to='{self.domain}'>"
        )
        parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
        depth = 0
        root: Element | None = None
        while text := await reader.read(1 << 16):
            parser.feed(text)
            for event, element in _elements(parser):
                depth += 1 if event == "start" else -1
                if root is None:
                    root = element
                    known = f"{element.get('id')}{secret}".encode()
                    self._write(f"<handshake>{hashlib.sha1(known).hexdigest()}</handshake>")
                elif event == "end" and depth == 1:
                    self._receive(element)
                    root.clear()

    def _receive(self, stanza: Element) -> None:
        kind = stanza.tag.rpartition("}")[2]
        if kind == "handshake":
            print(READY, flush=True)
        elif stanza.get("type") in {"result", "error"}:
            self._asked.pop(stanza.get("id", ""), lambda: None)()
        elif kind in {"presence", "iq"}:
            self.take(stanza)

    def _write(self, text: str) -> None:
        assert self._writer is not None
        self._writer.write(text.encode())

    def send(self, kind: str, sender: str, to: str, content: Element, **words: str) -> None:
        """Send a stanza; *words* are its other attributes."""
        stanza = Element(f"{{{NAMESPACE}}}{kind}", {"from": sender, "to": to, **words})
        stanza.append(content)
        self._write(tostring(stanza, encoding="unicode"))

    def ask(self, sender: str, to: str, content: Element, answered: Callable[[], None]) -> None:
        """Send a request; *answered* is called when an answer has come, whatever it says."""
        number = token_hex(6)
        self._asked[number] = answered
        self.send("iq", sender, to, content, type="set", id=number)

    def answer(self, request: Element, content: Element | None = None) -> None:
        """Answer a *request*: it has been done."""
        answer = Element(f"{{{NAMESPACE}}}iq", type="result", id=request.get("id", ""))
        answer.set("from", request.get("to", ""))
        answer.set("to", request.get("from", ""))
        answer.extend([] if content is None else [content])
        self._write(tostring(answer, encoding="unicode"))


def _elements(parser: "XMLPullParser[Element]") -> Iterator[tuple[str, Element]]:
    """Yield what begins and what has ended."""
    for found in parser.read_events():
        event, element = cast("tuple[str, Element]", found)
        yield event, element
