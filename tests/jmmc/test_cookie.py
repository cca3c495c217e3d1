"""The cookie of JMMC clients: it names a session, for one client and one conference only."""

import pytest
from harness import CLIENT_ID

from otel_jcmc.catalogue.reasons import PushRefused, StoreUnavailable
from otel_jcmc.jmmc.cookie import Cookies, Named
from otel_jcmc.store.shared_secret import SharedSecret

NAMED = Named("0123456789abcdef01234567", "1a2b3c4d")
SECRET = b"a secret of at least thirty-two bytes"
OTHER_ID = "11111111-5717-4562-b3fc-2c963f66afa6"


def cookies(secret: bytes = SECRET) -> Cookies:
    """Return what issues cookies with *secret*."""
    return Cookies(SharedSecret("redis://127.0.0.1:1", "key", secret))


def issued(named: Named = NAMED, conference: str = "standup") -> bytes:
    """Return the cookie as a browser sends it."""
    _, value = cookies().issue(named, CLIENT_ID, conference)
    return value.partition(b";")[0]


def refusal(cookie: bytes, client_id: str = CLIENT_ID, conference: str = "standup") -> str:
    """Return why *cookie* is refused."""
    with pytest.raises(PushRefused) as refused:
        cookies().read([(b"cookie", cookie)], client_id, conference)
    assert [fault.field for fault in refused.value.faults] == ["cookie"]
    return refused.value.reason


def test_it_is_read_by_whoever_has_the_secret() -> None:
    assert cookies().read([(b"cookie", issued())], CLIENT_ID, "standup") == NAMED


@pytest.mark.parametrize("participant", ["1a2b3c4d", 'a b;c=d,e".f', "\N{GRINNING FACE}" * 128])
def test_any_participant_may_be_named(participant: str) -> None:
    named = Named(NAMED.session_id, participant)
    cookie = issued(named)
    assert all(0x20 < byte < 0x7F and byte not in b'",;\\ ' for byte in cookie)
    assert cookies().read([(b"cookie", cookie)], CLIENT_ID, "standup") == named


def test_it_is_for_other_sites_and_no_script_reads_it() -> None:
    name, value = cookies().issue(NAMED, CLIENT_ID, "standup")
    assert name == b"set-cookie"
    told, *attributes = value.split(b"; ")
    assert told.startswith(b"jmmc_objectId=")
    assert attributes == [b"HttpOnly", b"Secure", b"SameSite=None", b"Partitioned"]


def test_it_is_found_among_others() -> None:
    header = b"a=b;  " + issued() + b"; jmmc_objectIdx=7"
    assert cookies().read([(b"cookie", header)], CLIENT_ID, "standup") == NAMED
    several = [(b"x", b"y"), (b"cookie", b"jmmc_objectId=old"), (b"cookie", issued())]
    assert cookies().read(several, CLIENT_ID, "standup") == NAMED


def test_it_is_good_for_its_own_client_and_conference_alone() -> None:
    assert refusal(issued(), client_id=OTHER_ID) == "cookie_invalid"
    assert refusal(issued(), conference="standup2") == "cookie_invalid"


def test_it_is_good_with_its_own_secret_alone() -> None:
    _, value = cookies(b"another secret of thirty-two bytes").issue(NAMED, CLIENT_ID, "standup")
    assert refusal(value.partition(b";")[0]) == "cookie_invalid"


def test_no_part_of_it_can_be_changed() -> None:
    whole = issued()
    for at in range(len("jmmc_objectId="), len(whole)):
        changed = bytearray(whole)
        changed[at] = ord("A") if changed[at] != ord("A") else ord("B")
        if bytes(changed)[-1] != whole[-1]:
            continue  # of the last character of base64 some bits say nothing
        assert refusal(bytes(changed)) == "cookie_invalid", at


@pytest.mark.parametrize(
    "value",
    [b"", b".", b"..", b"a.b", b"a.b.c.d", b"\xff.\xff.\xff", b"a" * 5000, b"a.b=.c", b"..AAAA"],
)
def test_nothing_else_is_one(value: bytes) -> None:
    assert refusal(b"jmmc_objectId=" + value) == "cookie_invalid"


@pytest.mark.parametrize("header", [b"", b"a=b", b"jmmc_objectidx=1", b";;"])
def test_none_is_missing(header: bytes) -> None:
    assert refusal(header) == "cookie_missing"


def test_of_many_only_a_few_are_looked_at() -> None:
    header = b"jmmc_objectId=x.y.z; " * 8 + issued()
    assert refusal(header) == "cookie_invalid"
    assert refusal(b"jmmc_objectId=" + b"x.y.z~" * 8 + issued()[14:]) == "cookie_invalid"


# The tabs of a browser


def tab(number: int, conference: str, participant: str, cookie: bytes) -> bytes:
    """Return the cookie after one more tab has opened a session."""
    named = Named(f"{number:024x}", participant)
    headers = [(b"cookie", cookie)] if cookie else []
    _, value = cookies().issue(named, CLIENT_ID, conference, headers)
    return value.partition(b";")[0]


def test_each_tab_goes_on_with_its_own_session() -> None:
    cookie = tab(3, "room-b", "ada", tab(2, "room-a", "bob", tab(1, "room-a", "ada", b"")))
    for conference, participant, number in (
        *(("room-a", "ada", 1), ("room-a", "bob", 2), ("room-b", "ada", 3)),
        # A client that does not name one gets the session that was opened last.
        *(("room-a", "", 2), ("room-b", "", 3)),
    ):
        named = cookies().read([(b"cookie", cookie)], CLIENT_ID, conference, participant)
        assert int(named.session_id, 16) == number
    with pytest.raises(PushRefused):
        cookies().read([(b"cookie", cookie)], CLIENT_ID, "room-b", "bob")


def test_who_opens_anew_has_one_session_in_it() -> None:
    cookie = tab(2, "room-a", "ada", tab(1, "room-a", "ada", b""))
    assert cookie.count(b"~") == 0
    assert tab(3, "room-a", "ada", tab(2, "room-b", "ada", cookie)).count(b"~") == 1


def test_it_does_not_grow_without_end() -> None:
    cookie = b""
    for number in range(100):
        cookie = tab(number, "standup", f"tab-{number}", cookie)
    assert len(cookie) < 1000
    assert cookie.count(b"~") == 7
    long = tab(100, "standup", "\N{GRINNING FACE}" * 128, cookie)
    assert len(long) < 1000


def test_what_we_have_not_issued_does_not_stay_in_it() -> None:
    assert tab(1, "standup", "ada", b"jmmc_objectId=x~y.z~a.b=.c~" + b"x" * 50).count(b"~") == 0


def test_without_a_secret_there_is_none_yet() -> None:
    unknown = cookies(b"")
    with pytest.raises(StoreUnavailable):
        unknown.issue(NAMED, CLIENT_ID, "standup")
    with pytest.raises(StoreUnavailable):
        unknown.read([(b"cookie", issued())], CLIENT_ID, "standup")
