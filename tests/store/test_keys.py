"""The keys in Redis: their prefix, and the partition of each."""

import pytest

from otel_jcmc.store.keys import Keys

DIGITS = "0123456789abcdef"
# The first digits of a digest -> its partition if there are 4, 16 or 64.
PLACES = [
    ("00", 0, 0, 0),
    ("01", 0, 0, 16),
    ("07", 0, 0, 48),
    ("4f", 0, 4, 52),
    ("93", 1, 9, 57),
    ("ff", 3, 15, 63),
]


def test_a_key_names_its_partition_in_braces() -> None:
    assert Keys("jcmc").each("live") == [f"jcmc:{{0{number}}}:live" for number in range(4)]
    assert Keys("a", 64).each("live", [9, 63]) == ["a:{09}:live", "a:{63}:live"]
    assert Keys("a", 16).each("live", []) == []
    assert Keys("a", 16).remembered == "a:{00}:partitions"


def test_the_first_digit_of_a_digest_tells_its_partition() -> None:
    keys = Keys("jcmc")
    for digit in DIGITS:
        assert keys.table[digit] == keys.partition_of(digit + "a" * 31) == int(digit, 16) % 4
        assert keys.base_of(digit + "a" * 31) == f"jcmc:{{0{int(digit, 16) % 4}}}:"


@pytest.mark.parametrize(("digits", "of_4", "of_16", "of_64"), PLACES)
def test_a_partition_of_more_is_a_part_of_one_of_fewer(
    digits: str, of_4: int, of_16: int, of_64: int
) -> None:
    digest = digits + "a" * 30
    found = [Keys("jcmc", number).partition_of(digest) for number in (4, 16, 64)]
    assert found == [of_4, of_16, of_64]


@pytest.mark.parametrize("partitions", [4, 16, 64])
def test_each_partition_has_as_many_digests(partitions: int) -> None:
    keys = Keys("jcmc", partitions)
    found = [keys.partition_of(one + other) for one in DIGITS for other in DIGITS]
    assert {found.count(each) for each in keys.every} == {256 // partitions}


def test_a_page_of_jmmc_is_in_the_partition_of_its_first_two_digits() -> None:
    assert Keys("jcmc").jmmc("07ff") == ("jcmc:{03}:jmmc:07ff", "jcmc:{03}:jmmc")
    assert Keys("jcmc", 64).jmmc("ff00") == ("jcmc:{63}:jmmc:ff00", "jcmc:{63}:jmmc")
