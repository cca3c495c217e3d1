"""
Decides whether a page's Content-Security-Policy allows the client file and the pushes.

A page's policies come in as a browser gets them. The name of the first directive that forbids the
URL goes out. If a policy allows scripts by nonce or hash, the policy alone does not show whether
the client file is allowed.

Source: W3C, Content Security Policy Level 3 (6.7.2, matching of source lists).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": "80", "https": "443"}
_META: Final = re.compile(rb"<meta\s[^>]*content-security-policy[^>]*>", re.IGNORECASE)
_CONTENT: Final = re.compile(rb"""\scontent\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
# The directives that may decide about scripts and about pushes. If a policy has several of these
# directives, only the first in this order decides.
SCRIPT: Final = ("script-src-elem", "script-src", "default-src")
CONNECT: Final = ("connect-src", "default-src")


def policies_of(headers: Iterable[str], page: bytes) -> list[str]:
    """Return all policies of a page, from its *headers* and from the meta elements of its HTML."""
    found = [each.strip() for header in headers for each in header.split(",")]
    inside = [content for tag in _META.findall(page) if (content := _CONTENT.search(tag))]
    found += [(each[1] or each[2] or b"").decode(errors="replace") for each in inside]
    return [each for each in found if each]


def forbidding(
    policies: Iterable[str], purpose: Sequence[str], url: str, page_url: str
) -> str | None:
    """
    Return the name of the directive that forbids the page at *page_url* to use *url*.

    None means that the policies allow *url*. *purpose* is SCRIPT or CONNECT.
    """
    for policy in policies:
        directives: dict[str, list[str]] = {}
        for part in policy.split(";"):
            name, *sources = part.split() or [""]
            directives.setdefault(name.lower(), sources)
        for name in purpose:
            if name in directives:
                if not _allows(directives[name], url, page_url):
                    return name
                break
    return None


def is_by_nonce(policies: Iterable[str]) -> bool:
    """Return whether one of *policies* allows scripts by a nonce in their tag, not by their URL."""
    text = " ".join(policies)
    return "'strict-dynamic'" in text or "'nonce-" in text


def _allows(sources: Sequence[str], url: str, page_url: str) -> bool:
    return any(_matches(source, url, page_url) for source in sources)


def _matches(source: str, url: str, page_url: str) -> bool:
    """Return whether *source*, one item of a directive, matches *url* for the page *page_url*."""
    source = source if source.startswith("'") else source.lower()
    wanted, page = urlsplit(url), urlsplit(page_url)
    if source.lower() == "'self'":
        return _place(wanted.scheme, wanted.netloc) == _place(page.scheme, page.netloc)
    if source == "*":
        return wanted.scheme in (*_PORTS, page.scheme)
    if source.startswith("'"):
        return False
    if source.endswith(":"):
        return _fits(source[:-1], wanted.scheme)
    scheme, mark, rest = source.rpartition("://")
    host, slash, path = rest.partition("/")
    if not _fits(scheme if mark else page.scheme, wanted.scheme):
        return False
    name, _, port = host.partition(":")
    if not _is_host(name, wanted.hostname or "") or not _is_port(port, scheme, url):
        return False
    return not path or _is_path(slash + path, wanted.path)


def _fits(scheme: str, wanted: str) -> bool:
    """Return whether *scheme* allows the scheme *wanted*: both are equal, or http allows https."""
    return wanted == scheme or (scheme, wanted) == ("http", "https")


def _is_host(name: str, wanted: str) -> bool:
    if name.startswith("*."):
        return wanted.endswith(name[1:])
    return name in ("*", wanted)


def _is_port(port: str, scheme: str, url: str) -> bool:
    wanted = urlsplit(url)
    is_at = str(wanted.port or _PORTS.get(wanted.scheme, ""))
    standard = {_PORTS.get(scheme or wanted.scheme), _PORTS[wanted.scheme]}
    return port in ("*", is_at) or (not port and is_at in standard)


def _is_path(path: str, wanted: str) -> bool:
    return wanted.startswith(path) if path.endswith("/") else wanted == path


def _place(scheme: str, netloc: str) -> tuple[str, str]:
    host, _, port = netloc.lower().partition(":")
    return scheme, f"{host}:{port or _PORTS.get(scheme, '')}"
