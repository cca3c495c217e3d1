"""What a sid alone says."""

from otel_jcmc.store import sid

CONFERENCE, BEGAN = "c" * 12, 1_800_000_000_123
MEMBER = CONFERENCE + "d" * 20
SID = f"{MEMBER}{BEGAN:011x}0beef"


def test_it_is_taken_apart() -> None:
    assert sid.is_sid(SID)
    assert sid.sid_conference(SID) == CONFERENCE
    assert sid.sid_member(SID) == MEMBER
    assert sid.sid_began(SID) == SID[:43]
    assert sid.is_short_sid(sid.short_sid(SID))
    assert sid.began_ms(SID) == sid.began_ms(sid.short_sid(SID)) == BEGAN


def test_it_is_sorted_by_time_and_comes_back() -> None:
    later = f"{'0' * 32}{BEGAN + 1:011x}00000"
    assert sid.by_time(SID.encode()) < sid.by_time(later.encode())
    assert sid.from_by_time(sid.by_time(SID.encode())) == SID


def test_others_are_none() -> None:
    assert not any(map(sid.is_sid, ("", SID[1:], SID + "0", SID.upper())))
