"""The keys in Redis: what they begin with, and the partition that each is in."""

from otel_jcmc.store.keys import PARTITION_OF, PARTITIONS, Keys


def test_a_key_names_its_partition_in_braces() -> None:
    assert Keys("jcmc").each("live") == [f"jcmc:{{0{number}}}:live" for number in range(4)]


def test_the_first_digit_of_a_digest_tells_its_partition() -> None:
    keys = Keys("jcmc")
    for digit in "0123456789abcdef":
        assert PARTITION_OF[digit] == int(digit, 16) % PARTITIONS
        assert keys.base_of(digit + "a" * 31) == f"jcmc:{{0{int(digit, 16) % 4}}}:"


def test_a_page_of_jmmc_is_in_the_partition_of_its_first_two_digits() -> None:
    assert Keys("jcmc").jmmc("07ff") == ("jcmc:{03}:jmmc:07ff", "jcmc:{03}:jmmc")
