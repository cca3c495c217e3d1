"""
REDIS_URL: whether it is one, and what it says where it names Sentinels, or a cluster.

    redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0?sentinel_password=...
    redis+cluster://user:password@host1:6379,host2:6379

User, password, database and the rest of the query are the data servers', as in redis-py's own URLs;
`sentinel_username` and `sentinel_password` are the Sentinels'. With rediss+sentinel:// both are
spoken to by TLS, with the same ssl_* options. A cluster's hosts are those that are asked first
where the keys are; rediss+cluster:// speaks to all nodes by TLS.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
CLUSTER_SCHEMES: Final = ("redis+cluster", "rediss+cluster")
DEFAULT_PORT: Final = 26_379
CLUSTER_PORT: Final = 6379
# Not urllib's words: what looks like a port may be a piece of an unescaped password.
_UNREADABLE: Final = "its host or port can't be read"
# `redis://:ab@cd/ef@host/0` would go to a host cd: what a password may hold has to be told apart.
_ENCODE: Final = "in a password `/` is %2F, `?` %3F, `#` %23 and `@` %40; an option is name=value"
_NO_DATABASE: Final = "what follows its host is no database's number: redis://host:6379/0"
_NO_SOCKET: Final = "the path of a socket is wanted: unix:///run/redis.sock"
_NO_MASTER: Final = "the master's name is missing: redis+sentinel://host:26379/mymaster"
_ONE_DATABASE: Final = "a cluster has one database: redis+cluster://host1:6379,host2:6379"
_HOST: Final = re.compile(r"[\w.:%-]+")
_DATABASE: Final = re.compile(r"(/[0-9]*)?/?")
_QUERY: Final = re.compile(r"(\w+=[^@&]*(&\w+=[^@&]*)*)?")


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


class ClusterUrl(NamedTuple):
    """
    What the URL of a cluster says.

    Attributes:
        seeds: the nodes that it names, (host, port).
        scheme, user, query: of the URL of each node, with the signs that belong to them.
    """

    seeds: tuple[tuple[str, int], ...]
    scheme: str
    user: str
    query: str

    def node(self, host: str, port: int) -> str:
        """Return the URL of one node, for redis-py."""
        host = f"[{host}]" if ":" in host else host
        return f"{self.scheme}://{self.user}{host}:{port}{self.query}"


def is_sentinel(url: str) -> bool:
    """Say whether *url* names Sentinels."""
    return url.partition("://")[0] in SCHEMES


def is_cluster(url: str) -> bool:
    """Say whether *url* names nodes of a cluster."""
    return url.partition("://")[0] in CLUSTER_SCHEMES


def check_redis(url: str) -> None:
    """
    Refuse a *url*, of a scheme that is known, which would not lead where its writer means.

    Raises:
        ValueError: the message says why, and repeats nothing of it: it may hold a password.
    """
    if is_sentinel(url):
        parse_sentinel(url)
        return
    if is_cluster(url):
        parse_cluster(url)
        return
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    _check_end(parts)
    if parts.scheme == "unix":
        if parts.netloc.rpartition("@")[2] or not parts.path.strip("/"):
            raise ValueError(_NO_SOCKET)
        return
    # None at all is this machine.
    if parts.netloc and (not host or not _HOST.fullmatch(host) or port == 0):
        raise ValueError(_UNREADABLE)
    if not _DATABASE.fullmatch(parts.path):
        raise ValueError(_NO_DATABASE)


def _check_end(parts: SplitResult) -> None:
    """Refuse what follows the path of a URL unless it is options, and nothing of a password."""
    if parts.fragment or not _QUERY.fullmatch(parts.query):
        raise ValueError(_ENCODE)


def parse_sentinel(url: str) -> SentinelUrl:
    """
    Return what *url*, one of SCHEMES, says.

    Raises:
        ValueError: it can't be read; the message repeats nothing of it, it may hold a password.
    """
    parts, user, hosts = _split(url, DEFAULT_PORT)
    master, _, database = parts.path.strip("/").partition("/")
    if not master or "@" in master:
        raise ValueError(_NO_MASTER)
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
    made = f"{scheme}://{user}sentinel/{database}" + (f"?{query}" if query else "")
    return SentinelUrl(hosts, unquote(master), made, theirs)


def parse_cluster(url: str) -> ClusterUrl:
    """
    Return what *url*, one of CLUSTER_SCHEMES, says.

    Raises:
        ValueError: it can't be read; the message repeats nothing of it, it may hold a password.
    """
    parts, user, seeds = _split(url, CLUSTER_PORT)
    if parts.path not in {"", "/", "/0"} or any(name == "db" for name, _ in parse_qsl(parts.query)):
        raise ValueError(_ONE_DATABASE)
    query = f"?{parts.query}" if parts.query else ""
    return ClusterUrl(seeds, parts.scheme.removesuffix("+cluster"), user, query)


def _split(url: str, default_port: int) -> tuple[SplitResult, str, tuple[tuple[str, int], ...]]:
    """Return the parts of a *url* of several servers, who asks (`user@`), and where they are."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    _check_end(parts)
    user, at, addresses = parts.netloc.rpartition("@")
    return parts, user + at, tuple(_address(text, default_port) for text in addresses.split(","))


def _address(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of one of several servers."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    if not host or not _HOST.fullmatch(host):
        raise ValueError(_UNREADABLE)
    return host, port or default_port
