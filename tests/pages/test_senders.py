"""Which sender a page blames in a conference."""

from otel_jcmc.pages.senders import Senders
from otel_jcmc.verdict.journal import Entry


def standing(name: str, bad: int = 2, scope: str = "sender") -> Entry:
    return Entry(scope, name, "", 0, 0, 0.5, (bad, 8, 8, 8))


def test_most_of_those_who_know_have_to_agree() -> None:
    senders = Senders([])
    senders.add("room", "ada")
    assert senders.worst_in("room") == "ada"
    senders.add("room", "bob")
    assert senders.worst_in("room") == ""
    senders.add("room", "bob")
    assert senders.worst_in("room") == "bob"
    assert senders.heard_badly("room", "bob") == 2
    assert senders.heard_badly("room", "cid") == senders.heard_badly("other", "bob") == 0
    assert senders.worst_in("other") == ""


def test_who_stands_out_is_whom_to_blame_whatever_others_say() -> None:
    """The sender itself confirms what stands out; a client may claim anything of others."""
    senders = Senders([standing("a/b/ada", 3), standing("a/b/bob"), standing("x", scope="bridge")])
    senders.add("a/b", "cid")
    assert senders.worst_in("a/b") == "ada"
    assert senders.heard_badly("a/b", "cid") == 1
