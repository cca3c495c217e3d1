"""
Checks the bodies of pushes of the Jitsi Meet Metrics Collector (JMMC), and reads their changes.

A JMMC page opens a session with a push that has the field `br`. From then on it sends only values
that have changed. The body of a push comes in. The changes go out by the catalogue's ids, with the
dropped fields and their reasons. A push with a bad identity is refused (PushRefused). If another
field is bad, only this field is dropped.

Source: the table in docs/jmmc.md.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from socket import inet_ntoa
from time import time
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import (
    AUDIO_CODEC,
    BROWSER_NAME,
    CLIENT,
    CLIENT_ADDRESS,
    CONFERENCE,
    LOCAL_ADDRESS,
    LOCAL_PORT,
    PARTICIPANT,
    PEER_ADDRESS,
    PEER_PORT,
    PROTOCOL,
    REGION,
    VIDEO_CODEC,
)
from otel_jcmc.catalogue.metrics import PUSHED
from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.catalogue.rows import Attribute
from otel_jcmc.wire.push import decode
from otel_jcmc.wire.rules import (
    ABSENT,
    Rules,
    echo,
    make_rules,
    number_fault,
    text_fault,
    whole_number_fault,
)

METRIC_OF: Final = {row.field: row for row in PUSHED}
MAX_IPV4: Final = 2**32 - 1
MAX_PORT: Final = 65_535

NUMBER_OF: Final = {
    "cq": "connectionquality",
    "res.w": "resolution_width_upload",
    "res.h": "resolution_height_upload",
    "u.bw": "bandwidth_upload",
    "u.ab": "bitrate_audio_upload",
    "u.vb": "bitrate_video_upload",
    "u.pl": "packetloss_upload",
    "d.bw": "bandwidth_download",
    "d.ab": "bitrate_audio_download",
    "d.vb": "bitrate_video_download",
    "d.pl": "packetloss_download",
}
# The path in `m` of the only metric that may be null.
MAY_BE_NULL: Final = "d.bw"
TEXT_OF: Final = {
    "cdc.a": AUDIO_CODEC,
    "cdc.v": VIDEO_CODEC,
    "t.sr": REGION,
    "t.tp": PROTOCOL,
}
ADDRESS_OF: Final = {"t.ip": PEER_ADDRESS, "t.lip": LOCAL_ADDRESS, "t.rip": CLIENT_ADDRESS}
PORT_OF: Final = {"t.p": PEER_PORT, "t.lp": LOCAL_PORT}
OPENING: Final = ("br", "os", "pid")
# The rules for browser and system in a push. The server checks these values, but then replaces them
# with the values from the User-Agent.
PLACEHOLDER: Final = replace(BROWSER_NAME, max_length=256)


class JmmcPush(msgspec.Struct, gc=False):
    """
    The content of one push.

    Attributes:
        is_opening: whether the push opens a session.
        participant_id: empty if the push has none; only a push that opens no session may lack it.
        numbers: catalogue id -> the metric's new value; None: the value is not known any more.
        texts: catalogue id -> the attribute's new value, only for attributes that are kept.
        accepted: the object `m` of the push without the dropped fields, with the server's time.
    """

    client_id: str
    conference: str
    participant_id: str
    is_opening: bool
    numbers: dict[int, Any]
    texts: dict[int, str]
    accepted: dict[str, Any]
    dropped: list[Fault]
    token: str


# The result of a check of a field's value. A bad value gives its reason. A good value gives two
# dicts of changes by catalogue ids: numbers and texts. None: the value means no change.
_TakenChanges = Reason | tuple[dict[int, Any], dict[int, str]] | None
_Take = Callable[[Any], _TakenChanges]


class JmmcParser:
    """
    Makes a JmmcPush from the body of each push.

    Attributes:
        rules: the rules for texts: which texts are allowed, and which texts are kept.
        regions: the allowed regions of servers; empty: all regions are allowed.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        conference_pattern: str | None = None,
        regions: Sequence[str] = (),
    ) -> None:
        """Prepare. Without a pattern all conferences are allowed; without *regions* all regions."""
        self.rules = rules or make_rules()
        self._conference = re.compile(conference_pattern) if conference_pattern else None
        self.regions = frozenset(regions)
        # Key of `m` -> the function that checks the key's value. If the value is an object, its
        # keys have a dict of their own: key of the object -> function.
        self._fields: dict[str, _Take | dict[str, _Take]] = {}
        for path, take in self._takes().items():
            key, _, below = path.partition(".")
            if below:
                self._fields.setdefault(key, {})[below] = take  # type: ignore[index]
            else:
                self._fields[key] = take

    def _takes(self) -> dict[str, _Take]:
        """Return path of a field in `m` -> the function that checks the field's value."""
        takes = {path: self._number(path, field) for path, field in NUMBER_OF.items()}
        takes |= {path: self._text(row) for path, row in TEXT_OF.items()}
        takes |= {path: self._address(row) for path, row in ADDRESS_OF.items()}
        takes |= {path: self._port(row) for path, row in PORT_OF.items()}
        return takes

    def parse(self, body: bytes) -> JmmcPush:
        """
        Check the *body* of a push, and return its content without the bad fields.

        Raises:
            PushRefused: the body is not a JSON object, its identity is missing, wrong or not
                allowed, or it has no field to keep.
        """
        sent = decode(body)
        if type(sent) is not dict:
            raise PushRefused([Fault("", Reason.NOT_AN_OBJECT)])
        dropped = [
            Fault(echo(key), Reason.UNKNOWN_FIELD)
            for key in sent
            if key not in ("uid", "conf", "m", "token")
        ]
        m = sent.get("m")
        is_opening = isinstance(m, dict) and "br" in m
        if faults := self._faults(sent, m, is_opening=is_opening):
            raise PushRefused(faults)
        assert isinstance(m, dict)  # for type checkers: any other type has given a fault above
        token = sent.get("token")
        push = JmmcPush(
            sent["uid"],
            sent["conf"],
            "",
            is_opening,
            {},
            {},
            {},
            dropped,
            token if type(token) is str else "",
        )
        for key, value in m.items():
            self._take(push, key, value)
        if not push.accepted:
            raise PushRefused([Fault("m", Reason.NOTHING_KEPT), *dropped])
        push.accepted["ts"] = int(time())
        return push

    def _faults(self, sent: dict[str, Any], m: Any, *, is_opening: bool) -> list[Fault]:
        """Return the faults for which the whole push is refused."""
        faults = [
            Fault(key, reason)
            for key, row in (("uid", CLIENT), ("conf", CONFERENCE))
            if (reason := self._who_fault(sent.get(key), row))
        ]
        if not faults and not self._is_allowed(sent["conf"]):
            faults.append(Fault("conf", Reason.CONFERENCE_PATTERN))
        if type(m) is not dict:
            faults.append(Fault("m", Reason.MISSING if m is None else Reason.NOT_AN_OBJECT))
        elif is_opening:
            checks = {"br": _placeholder_fault, "os": _placeholder_fault, "pid": self._pid_fault}
            faults += [
                Fault(f"m.{key}", reason)
                for key, fault_of in checks.items()
                if (reason := fault_of(m.get(key)))
            ]
        return faults

    def _is_allowed(self, conference: str) -> bool:
        """Return whether JCMC_JMMC_CONF_PATTERN, if it is set, allows the name *conference*."""
        if self._conference is None:
            return True
        # In JMMC itself, `$` matches only at the end of a text. In Python, `$` also matches before
        # a newline at the end, so such names are refused here.
        return bool(self._conference.search(conference)) and not conference.endswith("\n")

    def _who_fault(self, value: Any, row: Attribute) -> Reason | None:
        """Return the reason why *value*, of an identity field, is bad; None: it is good."""
        if value is None or value == "":
            return Reason.MISSING
        return text_fault(value, self.rules.rows[row.id])

    def _pid_fault(self, value: Any) -> Reason | None:
        return self._who_fault(value, PARTICIPANT)

    def _take(self, push: JmmcPush, key: str, value: Any) -> None:
        """Check one field of `m`, and add it to the changes or to the dropped fields of *push*."""
        fields = self._fields.get(key)
        if key == "ts":
            return  # The server sets the time itself.
        if key in OPENING:
            self._take_who(push, key, value)
        elif fields is None:
            push.dropped.append(Fault(f"m.{echo(key)}", Reason.UNKNOWN_FIELD))
        elif not isinstance(fields, dict):
            self._take_value(push, f"m.{key}", fields, key, value, push.accepted)
        elif type(value) is not dict:
            push.dropped.append(Fault(f"m.{key}", Reason.NOT_AN_OBJECT))
        else:
            kept: dict[str, Any] = {}
            for below, each in value.items():
                if take := fields.get(below):
                    self._take_value(push, f"m.{key}.{below}", take, below, each, kept)
                else:
                    fault = Fault(f"m.{key}.{echo(below)}", Reason.UNKNOWN_FIELD)
                    push.dropped.append(fault)
            if kept:
                push.accepted[key] = kept

    def _take_who(self, push: JmmcPush, key: str, value: Any) -> None:
        """Check one of the fields `br`, `os`, `pid`; keep it, or add it to the dropped fields."""
        fault_of = self._pid_fault if key == "pid" else _placeholder_fault
        if reason := fault_of(value):
            push.dropped.append(Fault(f"m.{key}", reason))
            return
        push.accepted[key] = value
        if key == "pid":
            push.participant_id = value

    def _take_value(
        self, push: JmmcPush, where: str, take: _Take, key: str, value: Any, kept: dict[str, Any]
    ) -> None:
        """
        Check *value*, and add its changes to *push* and the value itself to *kept*.

        If the value is bad, add it to the dropped fields of *push* instead.
        """
        taken = take(value)
        if isinstance(taken, Reason):
            push.dropped.append(Fault(where, taken))
        elif taken is not None:
            push.numbers.update(taken[0])
            push.texts.update(taken[1])
            kept[key] = value

    # Each of the next four methods returns the function that checks the values of one field.

    def _number(self, path: str, field: str) -> _Take:
        row = METRIC_OF[field]
        may_be_null = path == MAY_BE_NULL

        def take(value: Any) -> _TakenChanges:
            if value is not None or not may_be_null:
                reason = number_fault(value, row.minimum, row.maximum)
                if reason:
                    return reason
            return {row.id: value}, {}

        return take

    def _text(self, row: Attribute) -> _Take:
        row = self.rules.rows[row.id]
        regions = self.regions if row.id == REGION.id else frozenset()

        def take(value: Any) -> _TakenChanges:
            if type(value) is str and value in ABSENT:
                return None
            if reason := text_fault(value, row):
                return reason
            if regions and value not in regions:
                return Reason.REGION_NOT_AUTHORIZED
            return {}, self._kept(row, value)

        return take

    def _address(self, row: Attribute) -> _Take:
        def take(value: Any) -> _TakenChanges:
            if reason := whole_number_fault(value, MAX_IPV4):
                return reason
            return {}, self._kept(row, inet_ntoa(int(value).to_bytes(4)))

        return take

    def _port(self, row: Attribute) -> _Take:
        def take(value: Any) -> _TakenChanges:
            if reason := whole_number_fault(value, MAX_PORT):
                return reason
            return {}, self._kept(row, str(int(value)))

        return take

    def _kept(self, row: Attribute, text: str) -> dict[int, str]:
        """Return {id of *row*: *text*}; empty if this service does not keep this attribute."""
        return {} if row.id in self.rules.dropped else {row.id: text}


def _placeholder_fault(value: Any) -> Reason | None:
    """Return the reason why *value*, of `br` or `os`, is bad; None: it is good."""
    return Reason.MISSING if value is None else text_fault(value, PLACEHOLDER)
