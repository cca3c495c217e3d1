"""
Takes the part of jicofo: invites all participants of a conference to a session with the bridge.

Like jicofo it begins with the second participant, and tells each one what the others send.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Final
from xml.etree.ElementTree import Element

from bridge import jingle
from bridge.component import Component
from bridge.endpoint import Endpoint
from bridge.jingle import JINGLE

NICK: Final = "focus"
_FOCUS: Final = "http://jitsi.org/protocol/focus"
_MUC: Final = "http://jabber.org/protocol/muc"

Make = Callable[[str, str], Endpoint]
Drop = Callable[[Endpoint], None]
Offer = Callable[[Endpoint], list[Element]]


@dataclass
class Session:
    """
    What there is with one participant.

    Attributes:
        jid: its address in the room.
        sid: of its session; empty before there is one.
        steps: what it has said of its sources, as it came, for who comes later.
    """

    jid: str
    endpoint: Endpoint
    sid: str = ""
    is_accepted: bool = False
    steps: list[tuple[str, Element]] = field(default_factory=list)


Sessions = dict[str, Session]


class Focus:
    """A focus, at work in any number of rooms."""

    def __init__(self, domain: str, make: Make, drop: Drop, offer: Offer) -> None:
        """
        Prepare.

        Args:
            make: makes the endpoint of a room's participant.
            drop: forgets it.
            offer: the sections of its offer.
        """
        self._component = Component(domain, self._take)
        self._jid = f"{NICK}@{domain}"
        self._address = f"{self._jid}/{NICK}"
        self._make, self._drop, self._offer = make, drop, offer
        self._rooms: dict[str, Sessions] = {}

    async def run(self, port: int, secret: str) -> None:
        """Work until the server closes the connection."""
        await self._component.run(port, secret)

    def _take(self, stanza: Element) -> None:
        """Take a presence, or a request: a conference that is wanted, or a step of a session."""
        sender = stanza.get("from", "")
        if stanza.tag.endswith("}presence"):
            self._take_presence(sender, is_gone=stanza.get("type") == "unavailable")
            return
        if (wanted := stanza.find(f"{{{_FOCUS}}}conference")) is not None:
            room = wanted.get("room", "")
            self._join(room)
            ready = {"ready": "true", "focusjid": self._jid, "room": room}
            self._component.answer(stanza, Element(f"{{{_FOCUS}}}conference", ready))
            return
        self._component.answer(stanza)
        if (step := stanza.find(f"{{{JINGLE}}}jingle")) is not None:
            self._take_step(sender, step)

    def _join(self, room: str) -> None:
        if room not in self._rooms:
            self._rooms[room] = {}
            joins = Element(f"{{{_MUC}}}x")
            self._component.send("presence", self._address, f"{room}/{NICK}", joins)

    def _take_presence(self, jid: str, *, is_gone: bool) -> None:
        room, _, nick = jid.partition("/")
        sessions = self._rooms.get(room)
        if sessions is None or nick in {"", NICK}:
            return
        if is_gone:
            self._leave(sessions, nick)
            return
        if nick not in sessions:
            sessions[nick] = Session(jid, self._make(room, nick))
        if len(sessions) > 1:
            for session in sessions.values():
                if not session.sid:
                    self._initiate(session)

    def _leave(self, sessions: Sessions, nick: str) -> None:
        gone = sessions.pop(nick, None)
        if gone is None:
            return
        self._drop(gone.endpoint)
        for session in sessions.values():
            for action, each in gone.steps:
                if action == "source-add":
                    self._tell(session, "source-remove", gone, each)

    def _initiate(self, session: Session) -> None:
        session.sid = token_hex(6)
        step = self._step(session, "session-initiate")
        step.extend(self._offer(session.endpoint))
        self._component.ask(self._address, session.jid, step, lambda: None)

    def _step(self, session: Session, action: str) -> Element:
        room = session.jid.partition("/")[0]
        words = {"action": action, "sid": session.sid, "initiator": f"{room}/{NICK}"}
        return Element(f"{{{JINGLE}}}jingle", words)

    def _take_step(self, jid: str, step: Element) -> None:
        """Take a *step* of a session with who has that *jid* in the room."""
        room, _, nick = jid.partition("/")
        sessions = self._rooms.get(room, {})
        session = sessions.get(nick)
        if session is None or step.get("sid") != session.sid:
            return
        others = [other for other in sessions.values() if other is not session]
        action = step.get("action", "")
        if action == "session-accept":
            action = "source-add"
            session.is_accepted = True
            session.endpoint.remote_password = jingle.read_password(step)
            for other in others:
                for said, each in other.steps:
                    self._tell(session, said, other, each)
        if action == "source-add":
            session.endpoint.announce(jingle.read_sources(step))
        elif action == "source-remove":
            session.endpoint.forget(each.ssrc for each in jingle.read_sources(step))
        else:
            return
        session.steps.append((action, step))
        for other in others:
            self._tell(other, action, session, step)

    def _tell(self, session: Session, action: str, other: Session, step: Element) -> None:
        """Tell *session*'s participant of a *step* that *other*'s has made."""
        told = self._step(session, action)
        told.extend(jingle.announced(step, other.jid))
        if not session.is_accepted or not len(told):
            return
        ssrcs = {each.ssrc for each in jingle.read_sources(step)}

        def answered() -> None:
            if action == "source-add":
                session.endpoint.hears |= ssrcs
                other.endpoint.want_key_frames()
            else:
                session.endpoint.hears -= ssrcs

        self._component.ask(self._address, session.jid, told, answered)
