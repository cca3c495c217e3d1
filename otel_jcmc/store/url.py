"""
REDIS_URL where Sentinels say which server is the master.

    redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0?sentinel_password=...

User, password, database and the rest of the query are the data servers', as in redis-py's own URLs;
`sentinel_username` and `sentinel_password` are the Sentinels'. With rediss+sentinel:// both are
spoken to by TLS, with the same ssl_* options.
"""

from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
DEFAULT_PORT: Final = 26_379
# Not urllib's words: what looks like a port may be a piece of an unescaped password.
_UNREADABLE: Final = "its host or port can't be read"


class SentinelUrl(NamedTuple):
    """
    What such a URL says.

    Attributes:
        hosts: the Sentinels, (host, port).
        master: the name that they know the master by.
        url: the master's URL for redis-py, with a host that does not count.
        sentinel: username and password for the Sentinels, what is given of them.
    """

    hosts: tuple[tuple[str, int], ...]
    master: str
    url: str
    sentinel: dict[str, str]


def is_sentinel(url: str) -> bool:
    """Say whether *url* names Sentinels."""
    return url.partition("://")[0] in SCHEMES


def parse_sentinel(url: str) -> SentinelUrl:
    """
    Return what *url*, one of SCHEMES, says.

    Raises:
        ValueError: it can't be read; the message repeats nothing of it, it may hold a password.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    user, at, addresses = parts.netloc.rpartition("@")
    hosts = tuple(_address(text) for text in addresses.split(","))
    master, _, database = parts.path.strip("/").partition("/")
    if not master:
        raise ValueError("the master's name is missing: redis+sentinel://host:26379/mymaster")
    if database and not database.isdecimal():
        raise ValueError("what follows the master's name is no database: /mymaster/0")
    options = parse_qsl(parts.query)
    theirs = {
        name.removeprefix("sentinel_"): text
        for name, text in options
        if name in {"sentinel_username", "sentinel_password"}
    }
    query = urlencode([pair for pair in options if not pair[0].startswith("sentinel_")])
    scheme = parts.scheme.removesuffix("+sentinel")
    made = f"{scheme}://{user}{at}sentinel/{database}" + (f"?{query}" if query else "")
    return SentinelUrl(hosts, unquote(master), made, theirs)


def _address(text: str) -> tuple[str, int]:
    """Return host and port of one Sentinel."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    if not host:
        raise ValueError(_UNREADABLE)
    return host, port or DEFAULT_PORT
