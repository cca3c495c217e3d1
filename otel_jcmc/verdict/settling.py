"""
Who spoils a call for others, and what one received stream cannot tell by itself.

A bridge passes the gaps of a sender on. Somebody who gets one stream alone cannot tell whether the
way to him loses packets or the sender's way: that is settled by what the owner of the stream says
of his own way. His loss up is known now and then only, since the other side reports every 5 s, so
it is remembered for some seconds.
"""

from collections import defaultdict
from heapq import nlargest
from typing import Final, NamedTuple

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.everybody import Everybody, Seen
from otel_jcmc.verdict.rules import State
from otel_jcmc.verdict.standing import THRESHOLDS, Coverage, Standing, sender_name

# Three looks of ten seconds, as a page tells of its loss up in two of five pushes.
REMEMBER_MS: Final = 30_000
_ASKED: Final = frozenset((rules.RECEIVED.id, rules.DOWNLINK_OR_RECEIVED.id))


class Settled(NamedTuple):
    """
    What is known beside what stands out.

    Attributes:
        ill: those whose call is not good, with the cause that it comes to.
        causes: sender_name of those who were settled -> id of the cause.
        senders: who spoils the call of others.
    """

    ill: list[Seen]
    causes: dict[str, int]
    senders: list[Standing]


class Settling:
    """What is remembered of senders from look to look."""

    def __init__(self, bad_loss: float = 5) -> None:
        """Say of a sender that it spoils from half of *bad_loss* percent on, as a fair call."""
        self._some_loss = bad_loss / 2
        # sender_name -> when it was known last, and whether it spoilt.
        self._known: dict[str, tuple[int, bool]] = {}
        # The same of whether it sends: a page whose connection is interrupted does not tell.
        self._sending: dict[str, tuple[int, bool]] = {}

    def settle(self, now_ms: int, everybody: Everybody) -> Settled:
        """Return what those of *everybody* come to who are not well, at *now_ms*."""
        asked = [each for each in everybody.ill if _is_asked(each)]
        rooms: dict[str, dict[str, Seen]] = defaultdict(dict)
        if asked:
            for each in everybody.members({each.place.conference for each in asked}):
                rooms[each.place.conference][each.participant] = each
                self._remember(now_ms, each)
        oldest = now_ms - REMEMBER_MS
        self._known = _since(self._known, oldest)
        self._sending = _since(self._sending, oldest)
        causes, spoilt = {}, defaultdict(list)
        for each in asked:
            room = rooms[each.place.conference]
            owner = self._owner(each, room)
            spoils = None if owner is None or owner.place.is_direct else self._spoils(owner)
            cause = each.cause
            if cause == rules.DOWNLINK_OR_RECEIVED.id and (
                found := self._of(each, room, spoils=spoils)
            ):
                cause = causes[_name(each)] = found.id
            if owner is not None and spoils and cause != rules.DOWNLINK.id:
                spoilt[owner.place.conference, owner.participant].append(each)
        clients = everybody.clients(spoilt.keys()) if spoilt else {}
        senders = (
            _sender(who, victims, rooms, clients.get(who, "")) for who, victims in spoilt.items()
        )
        told = nlargest(THRESHOLDS.told, senders, key=lambda each: each.coverage.bad)
        return Settled(with_causes(everybody.ill, causes), causes, told)

    def _remember(self, now_ms: int, seen: Seen) -> None:
        """Take note of whether *seen* spoils what it sends, where that is known now."""
        spoils = seen.is_slow or seen.cause == rules.UPLINK.id
        if spoils or seen.loss_up is not None:
            spoils = spoils or (seen.loss_up or 0) > self._some_loss
            self._known[_name(seen)] = now_ms, spoils
        if seen.sends is not None:
            self._sending[_name(seen)] = now_ms, seen.sends

    def _owner(self, seen: Seen, room: dict[str, Seen]) -> Seen | None:
        """Return whose stream *seen* loses: who is named, else the only one who sends."""
        if seen.source:
            return room.get(seen.source)
        if seen.present > len(room):
            return None
        sending = [
            each
            for each in room.values()
            if each.participant != seen.participant and self._sending.get(_name(each), (0, True))[1]
        ]
        return sending[0] if len(sending) == 1 else None

    def _of(self, seen: Seen, room: dict[str, Seen], *, spoils: bool | None) -> rules.Cause | None:
        """Return what *seen* comes to where the owner of its stream *spoils*, or does not."""
        # Who loses both ways has a bad way; that the others do too is the bridge's.
        if self._spoils(seen):
            return rules.DOWNLINK
        if spoils is None:
            return self._by_others(seen, room)
        return rules.RECEIVED if spoils else rules.DOWNLINK

    def _by_others(self, seen: Seen, room: dict[str, Seen]) -> rules.Cause | None:
        """
        Return what others of the room tell, who get the same streams; None: they tell nothing.

        Two at least must be well: one alone may be whom *seen* hears badly, and hear well.
        Where another is connected to a peer, *seen* is that peer, on a page that does not tell.
        """
        others = [
            each
            for each in room.values()
            if each.participant != seen.participant and each.state is not None
        ]
        if any(each.place.is_direct for each in others):
            return rules.PAIR
        causes = {each.cause for each in others}
        if rules.RECEIVED.id in causes:
            return rules.RECEIVED
        are_well = len(others) > 1 and all(
            each.state == State.GOOD and not self._spoils(each) for each in others
        )
        return rules.DOWNLINK if are_well or rules.DOWNLINK.id in causes else None

    def _spoils(self, seen: Seen) -> bool | None:
        """Say whether *seen* spoils what it sends; None: it has not been known of late."""
        return self._known.get(_name(seen), (0, None))[1]


def _is_asked(seen: Seen) -> bool:
    return seen.cause in _ASKED and not seen.place.is_direct


def _since(known: dict[str, tuple[int, bool]], oldest: int) -> dict[str, tuple[int, bool]]:
    """Return what of *known* is no older than *oldest*."""
    return {name: each for name, each in known.items() if each[0] >= oldest}


def _name(seen: Seen) -> str:
    return sender_name(seen.place.conference, seen.participant)


def _sender(
    who: tuple[str, str], victims: list[Seen], rooms: dict[str, dict[str, Seen]], client: str
) -> Standing:
    """Return a sender as something that stands out, with of how many it spoils the call."""
    conference, _ = who
    room = rooms[conference].values()
    known = [each for each in room if each.state is not None]
    present = max(len(room), *(each.present for each in room))
    coverage = Coverage(len(victims), len(known), len(room), present)
    share = len(victims) / len(known)
    return Standing(Scope.SENDER, sender_name(*who), "", share, coverage, client)


def with_causes(ill: list[Seen], causes: dict[str, int]) -> list[Seen]:
    """Return *ill* with the *causes* that some were settled to, by sender_name."""
    return [_settled(each, causes) for each in ill] if causes else ill


def _settled(seen: Seen, causes: dict[str, int]) -> Seen:
    """Return *seen* with its settled cause, unless it has pushed another one since."""
    if seen.cause != rules.DOWNLINK_OR_RECEIVED.id:
        return seen
    name = sender_name(seen.place.conference, seen.participant)
    return seen._replace(cause=causes.get(name, seen.cause))
