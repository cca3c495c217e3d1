"""
Finds the cause of a bad call that one push does not show, and the senders that others hear badly.

If a sender's network loses packets, the bridge passes on the gaps to all receivers. A participant
that receives only one stream cannot tell whether its own network path or the sender's path lost the
packets. The sender's own push can: it has the loss of sent packets. But the far end reports that
loss only every 5 s, so many pushes lack it. This file therefore remembers it for 30 s.
"""

from collections import defaultdict
from heapq import nlargest
from typing import Final, NamedTuple

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.everybody import Everybody, Seen
from otel_jcmc.verdict.neighbours import Neighbours, Told
from otel_jcmc.verdict.standing import THRESHOLDS, Coverage, Standing, sender_name

# Three searches, one every ten seconds: a page reports its upload loss in two of five pushes.
REMEMBER_MS: Final = 30_000
_EITHER: Final = rules.DOWNLINK_OR_RECEIVED.id
_UPLINK: Final = rules.UPLINK.id
_ASKED: Final = frozenset((rules.RECEIVED.id, _EITHER))


class Settled(NamedTuple):
    """
    The result of `Settling.settle`.

    A settled cause is found with the help of other participants' pushes.

    Attributes:
        ill: all participants whose call is not good, with the settled causes.
        causes: `conference/participant` -> id of the cause, for each settled cause.
        senders: the participants that spoil the calls of others.
    """

    ill: list[Seen]
    causes: dict[str, int]
    senders: list[Standing]


class Settling:
    """Finds causes with the help of other participants' reports, and remembers these reports."""

    def __init__(self, bad_loss: float = 5) -> None:
        """Blame a sender if its upload loss is above half of *bad_loss* percent."""
        self._some_loss = bad_loss / 2
        # Conference -> the recent reports of its participants.
        self._told: dict[str, Told] = {}

    def settle(self, now_ms: int, everybody: Everybody) -> Settled:
        """Find the causes that pushes left open, and the senders that spoil calls, at *now_ms*."""
        asked = [each for each in everybody.ill if _is_asked(each)]
        rooms = self._rooms(now_ms, everybody, {each.place.conference for each in asked})
        causes = dict[str, int]()
        spoilt = defaultdict[tuple[str, str], set[str]](set)
        for each in asked:
            room = rooms[each.place.conference]
            owner = room.owner_for(each)
            spoils = None if owner is None or owner.place.is_direct else room.spoils(owner)
            cause = each.cause
            if cause == _EITHER and (found := room.cause_of(each, spoils=spoils)):
                cause = causes[_name(each)] = found.id
            if owner is not None and spoils and cause != rules.DOWNLINK.id:
                spoilt[owner.place.conference, owner.participant].add(each.participant)
        clients = everybody.clients(spoilt.keys()) if spoilt else {}
        senders = (
            _sender(who, victims, rooms[who[0]], clients.get(who, ""))
            for who, victims in spoilt.items()
        )
        told = nlargest(THRESHOLDS.told, senders, key=lambda each: each.coverage.bad)
        return Settled(with_causes(everybody.ill, causes), causes, told)

    def _rooms(self, now_ms: int, everybody: Everybody, names: set[str]) -> dict[str, Neighbours]:
        """Return, for each conference of *names*, its participants and their recent reports."""
        self._forget_before(now_ms - REMEMBER_MS)
        rooms = {}
        for name in names:
            told = self._told[name] = self._told.get(name) or Told()
            rooms[name] = Neighbours(told)
        for seen in everybody.members(names) if names else ():
            name = seen.place.conference
            self._remember(now_ms, seen, self._told[name])
            rooms[name].add(seen)
        return rooms

    def _remember(self, now_ms: int, seen: Seen, told: Told) -> None:
        """Note in *told* whether *seen* spoils its streams, and whether it sends, if known."""
        _, participant, _, cause, _, _, _, loss_up, is_slow, sends = seen
        if is_slow or cause == _UPLINK:
            told.spoils[participant] = now_ms, True
        elif loss_up is not None:
            told.spoils[participant] = now_ms, loss_up > self._some_loss
        if sends:
            if told.silent:
                told.silent.pop(participant, None)
        elif sends is not None:
            told.silent[participant] = now_ms

    def _forget_before(self, oldest_ms: int) -> None:
        """Forget reports from before *oldest_ms*, and conferences without reports."""
        for told in self._told.values():
            told.forget_before(oldest_ms)
        self._told = {name: told for name, told in self._told.items() if told.spoils or told.silent}


def _is_asked(seen: Seen) -> bool:
    return seen.cause in _ASKED and not seen.place.is_direct


def _name(seen: Seen) -> str:
    return sender_name(seen.place.conference, seen.participant)


def _sender(who: tuple[str, str], victims: set[str], room: Neighbours, client: str) -> Standing:
    """Return the sender *who* as a thing that stands out; its *victims* count as bad."""
    coverage = Coverage(len(victims), room.known, len(room.people), room.present)
    share = len(victims) / room.known
    return Standing(Scope.SENDER, sender_name(*who), "", share, coverage, client)


def with_causes(ill: list[Seen], causes: dict[str, int]) -> list[Seen]:
    """Return *ill* with *causes* (`conference/participant` -> id) instead of undecided causes."""
    if not causes:
        return ill
    return [_settled(each, causes) if each.cause == _EITHER else each for each in ill]


def _settled(seen: Seen, causes: dict[str, int]) -> Seen:
    """Return *seen* with its cause from *causes*; unchanged if *causes* has no cause for it."""
    cause = causes.get(_name(seen))
    return seen if cause is None else seen._replace(cause=cause)
