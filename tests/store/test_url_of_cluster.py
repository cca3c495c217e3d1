"""The URL of a cluster: its parts, and what is refused."""

import pytest

from otel_jcmc.store.url import ClusterUrl, parse_cluster


def test_a_url_says_who_and_how() -> None:
    said = parse_cluster("rediss+cluster://u:p%40@a:7000,b,[::1]:2/0?ssl_ca_certs=/ca")
    seeds = (("a", 7000), ("b", 6379), ("::1", 2))
    assert said == ClusterUrl(seeds, "rediss", "u:p%40@", "?ssl_ca_certs=/ca")
    assert said.node("::1", 2) == "rediss://u:p%40@[::1]:2?ssl_ca_certs=/ca"
    assert parse_cluster("redis+cluster://a").node("b", 1) == "redis://b:1"


@pytest.mark.parametrize(
    "url",
    [
        *("redis+cluster://", "redis+cluster:///0", "redis+cluster://:hunter2/0"),
        *("redis+cluster://a:hunter2", "redis+cluster://a,", "redis+cluster://a:99999"),
        *("redis+cluster://a/1", "redis+cluster://a/hunter2", "redis+cluster://a?db=2"),
        *("redis+cluster://[hunter2", "redis+cluster://a/0#hunter2", "redis+cluster://a/?hunter2"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse_cluster(url)
    assert "hunter2" not in str(caught.value)
