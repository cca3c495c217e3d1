"""
Finds out why a dashboard is empty, and says what to do, for `otel-jcmc doctor`.

Exit codes: 0: nothing is wrong; 1: something is wrong; 2: the arguments are wrong.
"""

import sys
from argparse import Namespace
from urllib.parse import urlsplit

from otel_jcmc.command.environment import faults_of, read_settings, url_of
from otel_jcmc.config.settings import Settings
from otel_jcmc.doctor.examine import Asked, examine
from otel_jcmc.doctor.findings import Finding, as_json, as_text, exit_code, wrong

_URLS = {
    "url": "--url",
    "public_url": "--public-url",
    "page": "--page",
    "prometheus": "--prometheus",
}
_SETTINGS = "docs/settings.md lists all settings; `otel-jcmc check` shows those in force"


def doctor(arguments: Namespace) -> int:
    """Check everything, print the findings, and return the exit code."""
    for name, option in _URLS.items():
        url = getattr(arguments, name)
        if url is not None and not _is_http(url):
            print(f"otel-jcmc: {option}: {url} is not an http:// or https:// URL", file=sys.stderr)
            return 2
    try:
        settings = read_settings()
    except ValueError as error:
        findings = [wrong("settings", line, _SETTINGS) for line in faults_of(error)]
    else:
        findings = [*examine(settings, _asked(arguments, settings))]
    _show(findings, is_json=arguments.json)
    return exit_code(findings)


def _asked(arguments: Namespace, settings: Settings) -> Asked:
    """Return the URLs to check: those in *arguments*, otherwise the service's in *settings*."""
    scheme = "https" if settings.tls_certificate_file else "http"
    local = url_of(scheme, settings.host, settings.port)
    url = local
    if settings.admin_port is not None:
        url = url_of(scheme, settings.admin_host, settings.admin_port)
    if arguments.url is not None:
        url = arguments.url
        if settings.admin_port is None:
            local = url
    given = (arguments.public_url, arguments.page, arguments.prometheus)
    public, page, prometheus = given
    return Asked(
        url.rstrip("/"),
        local.rstrip("/"),
        public and public.rstrip("/"),
        page,
        prometheus and prometheus.rstrip("/"),
    )


def _is_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _show(findings: list[Finding], *, is_json: bool) -> None:
    """Print *findings*."""
    if is_json:
        print(as_json(findings))
        return
    is_utf = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    print(as_text(findings, is_utf=is_utf))
