"""The slot of a command, and the master that has it."""

import pytest

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.commands import Command, pack
from otel_jcmc.store.scripts import Script, begin_call
from otel_jcmc.store.slots import SlotMap, slots_of

# As `CLUSTER KEYSLOT` of a Redis answers.
FOO, BAR = 12182, 5061


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ([("GET", "foo"), ("MGET", b"a{bar}", b"b{bar}")], [FOO, BAR]),
        ([("EVALSHA", "0" * 40, 2, "foo", "x{foo}", 1), ("EVAL", b"{no}", 1, "bar")], [FOO, BAR]),
        ([("TIME",), ("GET", "foo"), ("TIME",), ("GET", "bar")], [FOO, FOO, BAR, BAR]),
        ([("GET", "foo"), ("TIME",)], [FOO, FOO]),
        ([("PING",), ("INFO", "memory")], [None, None]),
    ],
)
def test_a_command_goes_where_its_key_is(commands: list[Command], expected: list[int]) -> None:
    assert slots_of(commands) == expected
    if all(command[0] not in {"TIME", "PING", "INFO"} for command in commands):
        assert slots_of([pack(command) for command in commands]) == expected


def test_a_call_that_was_begun_before_has_a_key_too() -> None:
    begun = begin_call(Script(b"{x}", "f" * 40), ("p:{foo}:live", "p:{foo}:ended"), 7, more=1)
    assert slots_of([begun + b"$5\r\n{bar}\r\n"]) == [FOO]


def test_a_map_says_who_has_a_slot() -> None:
    told = [
        [5461, 16_383, [b"b.test", 7001, b"id", []], [b"10.0.0.9", 7009, b"a replica"]],
        [0, 5460, [None, 7000, b"id"]],
    ]
    found = SlotMap.from_reply(told, ("asked.test", 1))
    assert found.master_of(BAR) == ("asked.test", 7000)
    assert found.master_of(FOO) == ("b.test", 7001)
    assert (found.is_whole, len(found.masters)) == (True, 2)
    part = SlotMap([(10, 20, ("h", 1)), (30, 40, ("h", 2))])
    assert [part.master_of(slot) for slot in (9, 10, 20, 21, 30, 41)] == [
        *(None, ("h", 1), ("h", 1), None, ("h", 2), None)
    ]
    assert not part.is_whole
    assert not SlotMap()


def test_what_is_no_map_is_no_answer() -> None:
    with pytest.raises(StoreUnavailable):
        SlotMap.from_reply([[0, 1]], ("h", 1))
