"""A real nginx that runs what deploy/nginx and the docs have, with the addresses of a test."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.parts import ROOT, is_open, missing, running
from harness import eventually

# What deploy/nginx ships: what goes beside the page's `server`, and what goes into it.
BESIDE = (ROOT / "deploy/nginx/otel_jcmc.conf").read_text("utf-8")
LOCATIONS = (ROOT / "deploy/nginx/otel_jcmc.locations").read_text("utf-8")
_INCLUDE = "include /etc/nginx/otel_jcmc.locations;"
UNPACKED = ROOT / ".cache" / "nginx" / "usr" / "sbin"
# Everything that the package would keep in /var is in the test's folder.
_CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type text/html;
    types {{ text/javascript js; }}
{http}
}}
"""


def fenced(document: str, language: str) -> list[str]:
    """Return the blocks of *language* in a Markdown file of this repository."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def before_replicas() -> str:
    """Return collector-config/nginx.conf with the locations that it includes."""
    text = (ROOT / "collector-config/nginx.conf").read_text("utf-8")
    assert text.count(_INCLUDE) == 1
    return text.replace(_INCLUDE, LOCATIONS)


def nginx_binary() -> str:
    """Return the path of nginx."""
    return (
        shutil.which("nginx")
        or shutil.which("nginx", path="/usr/sbin")
        or shutil.which("nginx", path=UNPACKED)
        or missing("nginx")
    )


@contextmanager
def running_nginx(folder: Path, http: str, port: int) -> Iterator[None]:
    """Run nginx in *folder* with *http* in its http block, one of whose servers is on *port*."""
    binary = nginx_binary()
    (folder / "nginx.conf").write_text(_CONFIG.format(http=http))
    log = folder / "log"
    with running([binary, "-e", "stderr", "-p", folder, "-c", "nginx.conf"], log):
        try:
            eventually(lambda: is_open(port))
        except AssertionError:
            pytest.fail(f"nginx does not start: {log.read_text().strip()}", pytrace=False)
        yield
