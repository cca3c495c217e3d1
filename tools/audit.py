"""
Looks for known vulnerabilities in what requirements/ pins; `make check` runs it.

pip-audit asks an advisory service, PyPI's or OSV's. A mirror of PyPI often has no advisories, which
looks to pip-audit like no vulnerability. So the audit first asks about a version that is known to
be vulnerable, and trusts only a service that names it. If no such service can be reached, the audit
says so, and serves pip-audit the short list in requirements/advisories.json.

It exits with 1 if a pinned version is vulnerable. It names what it could not audit; that is not an
error.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.version import Version

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
# The other lists are parts of these.
LISTS = [REQUIREMENTS / f"{name}.txt" for name in ("dev", "bench", "fuzz", "uv")]
ADVISORIES = REQUIREMENTS / "advisories.json"
# Known as vulnerable for years, by several advisories.
CANARY = "jinja2==2.4.1"
SERVICES: Sequence[Sequence[str]] = (
    ("--vulnerability-service", "pypi"),
    ("--vulnerability-service", "osv"),
)
Run = subprocess.CompletedProcess[str]


def audit(lists: Sequence[Path], service: Sequence[str], *more: str) -> Run:
    """Ask *service* about all versions that *lists* pin; install and resolve nothing."""
    files = [word for path in lists for word in ("--requirement", str(path))]
    quiet = ("--disable-pip", "--progress-spinner", "off", "--timeout", "10")
    command = [sys.executable, "-m", "pip_audit", *quiet, *files, *service, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def is_of_use(service: Sequence[str]) -> bool:
    """Say whether *service* knows that the canary is vulnerable."""
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder, "canary.txt")
        canary.write_text(f"{CANARY}\n")
        asked = audit([canary], service, "--no-deps", "--format", "json")
    try:
        return any(each.get("vulns") for each in json.loads(asked.stdout)["dependencies"])
    except (ValueError, KeyError):
        return False


@contextmanager
def serving(advisories: Sequence[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    """Serve *advisories* in OSV's form, on loopback; yield the options that name the service."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps({"vulns": list(_matching(asked, advisories))}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/v1/query"
            yield ("--vulnerability-service", "osv", "--osv-url", url)
        finally:
            server.shutdown()
            thread.join()


def _matching(asked: Any, advisories: Sequence[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """Return each advisory about the package and version *asked* for, in OSV's form."""
    name, version = asked["package"]["name"], Version(asked["version"])
    for each in advisories:
        since, fixed = each.get("since", "0"), each["fixed"]
        if each["package"] == name and Version(since) <= version < Version(fixed):
            package = {"name": name, "ecosystem": "PyPI"}
            events = [{"introduced": since}, {"fixed": fixed}]
            ranges = [{"type": "ECOSYSTEM", "events": events}]
            yield {"id": each["id"], "affected": [{"package": package, "ranges": ranges}]}


def known() -> Any:
    """Return the short list: the date of its last entry, and its advisories."""
    return json.loads(ADVISORIES.read_text())


def python() -> int:
    """Audit the Python packages."""
    for service in SERVICES:
        if is_of_use(service):
            return told(f"audited by {service[-1]}", audit(LISTS, service))
    listed = known()
    advisories, until = listed["advisories"], listed["until"]
    print(
        "Python packages: NOT audited, no advisory service can be reached from here;"
        f" only compared with {len(advisories)} advisories, of {until} at the latest"
    )
    with serving(advisories) as listing:
        if not is_of_use(listing):
            raise SystemExit("the list of advisories is not asked as it should be")
        return told("compared", audit(LISTS, listing))


def told(what: str, asked: Run) -> int:
    """Print the result of an audit and return its exit code."""
    print(f"Python packages: {what}:", asked.stderr.strip() or "nothing found")
    if asked.returncode:
        print(asked.stdout)
    return asked.returncode


def javascript() -> int:
    """Audit the npm packages, which only check the browser's file."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm packages: NOT audited, there is no npm")
        return 0
    command = [npm, "audit", "--json", "--audit-level=low"]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        found = json.loads(asked.stdout)
        counts = found["metadata"]["vulnerabilities"]
    except (ValueError, KeyError):
        print("npm packages: NOT audited, the registry does not answer for its advisories")
        return 0
    print("npm packages: audited,", counts["total"], "vulnerable")
    return asked.returncode


if __name__ == "__main__":
    sys.exit(python() or javascript())
