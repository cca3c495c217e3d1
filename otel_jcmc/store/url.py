"""
Checks REDIS_URL, and splits it into parts if it names Sentinels or a cluster.

    redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0?sentinel_password=...
    redis+cluster://user:password@host1:6379,host2:6379

User, password, database and the rest of the query are for the data servers, as in redis-py's own
URLs; `sentinel_username` and `sentinel_password` are for the Sentinels. With rediss+sentinel:// all
connections use TLS, with the same ssl_* options. A cluster's URL names some of its nodes. The
service first asks these nodes which node has which keys. With rediss+cluster:// the connections to
all nodes use TLS.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
CLUSTER_SCHEMES: Final = ("redis+cluster", "rediss+cluster")
DEFAULT_PORT: Final = 26_379
CLUSTER_PORT: Final = 6379
# urllib's own message is not repeated: it contains the port, which may be part of a password.
_UNREADABLE: Final = "its host or port can't be read"
# `redis://:ab@cd/ef@host/0` would lead to a host `cd`: `/`, `?`, `#` and `@` in a password must be
# encoded.
_ENCODE: Final = "in a password `/` is %2F, `?` %3F, `#` %23 and `@` %40; an option is name=value"
_NO_DATABASE: Final = "only a database's number may follow its host: redis://host:6379/0"
_NO_SOCKET: Final = "the path of a socket is missing: unix:///run/redis.sock"
_NO_MASTER: Final = "the master's name is missing: redis+sentinel://host:26379/mymaster"
_ONE_DATABASE: Final = "a cluster has one database: redis+cluster://host1:6379,host2:6379"
_HOST: Final = re.compile(r"[\w.:%-]+")
_DATABASE: Final = re.compile(r"(/[0-9]*)?/?")
_QUERY: Final = re.compile(r"(\w+=[^@&]*(&\w+=[^@&]*)*)?")


class SentinelUrl(NamedTuple):
    """
    The parts of a URL that names Sentinels.

    Attributes:
        hosts: the Sentinels, (host, port).
        master: the name by which the Sentinels know the master.
        url: the master's URL for redis-py; its host is not used.
        sentinel: the options `username` and `password` for the Sentinels, if the URL has them.
    """

    hosts: tuple[tuple[str, int], ...]
    master: str
    url: str
    sentinel: dict[str, str]


class ClusterUrl(NamedTuple):
    """
    The parts of a URL that names nodes of a cluster.

    Attributes:
        seeds: the nodes that the URL names, (host, port).
        scheme, user, query: parts of the URL of each node, with their `@` and `?`.
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
    Refuse a *url* that can't be read, or that leads to another server than the operator means.

    The caller has checked the scheme.

    Raises:
        ValueError: the message says why, and repeats no part of the URL, which may hold a password.
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
    # A URL without a host means this machine.
    if parts.netloc and (not host or not _HOST.fullmatch(host) or port == 0):
        raise ValueError(_UNREADABLE)
    if not _DATABASE.fullmatch(parts.path):
        raise ValueError(_NO_DATABASE)


def _check_end(parts: SplitResult) -> None:
    """Refuse a URL if the text after `?` or `#` is not options: it may be part of a password."""
    if parts.fragment or not _QUERY.fullmatch(parts.query):
        raise ValueError(_ENCODE)


def parse_sentinel(url: str) -> SentinelUrl:
    """
    Return the parts of a *url* with one of SCHEMES.

    Raises:
        ValueError: it can't be read; the message repeats no part of it, as it may hold a password.
    """
    parts, user, hosts = _split(url, DEFAULT_PORT)
    master, _, database = parts.path.strip("/").partition("/")
    if not master or "@" in master:
        raise ValueError(_NO_MASTER)
    if database and not database.isdecimal():
        raise ValueError("only a database's number may follow the master's name: /mymaster/0")
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
    Return the parts of a *url* with one of CLUSTER_SCHEMES.

    Raises:
        ValueError: it can't be read; the message repeats no part of it, as it may hold a password.
    """
    parts, user, seeds = _split(url, CLUSTER_PORT)
    if parts.path not in {"", "/", "/0"} or any(name == "db" for name, _ in parse_qsl(parts.query)):
        raise ValueError(_ONE_DATABASE)
    query = f"?{parts.query}" if parts.query else ""
    return ClusterUrl(seeds, parts.scheme.removesuffix("+cluster"), user, query)


def _split(url: str, default_port: int) -> tuple[SplitResult, str, tuple[tuple[str, int], ...]]:
    """Return from a *url* of several servers its parts, its `user:password@`, and the servers."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    _check_end(parts)
    user, at, addresses = parts.netloc.rpartition("@")
    return parts, user + at, tuple(_address(text, default_port) for text in addresses.split(","))


def _address(text: str, default_port: int) -> tuple[str, int]:
    """Return the host and the port in *text*, the address of one server."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    if not host or not _HOST.fullmatch(host):
        raise ValueError(_UNREADABLE)
    return host, port or default_port
