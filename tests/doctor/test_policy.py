"""doctor/policy.py: how a browser reads a Content-Security-Policy, source by source."""

import pytest

from otel_jcmc.doctor.policy import CONNECT, SCRIPT, forbidding, policies_of

PAGE = "https://meet.example.org/standup"
SAME = "https://meet.example.org/metrics-collector/client-file"
OTHER = "https://metrics.example.org/metrics-collector/client-file"


@pytest.mark.parametrize(
    ("policy", "url", "found"),
    [
        ("", OTHER, None),
        ("default-src 'self'", SAME, None),
        ("default-src 'self'", OTHER, "default-src"),
        ("default-src 'none'; script-src 'self'", SAME, None),
        ("default-src *; script-src 'none'", SAME, "script-src"),
        ("script-src-elem 'self'; script-src *", OTHER, "script-src-elem"),
        ("script-src https://metrics.example.org", OTHER, None),
        ("script-src metrics.example.org", OTHER, None),
        ("script-src http://metrics.example.org", OTHER, None),
        ("script-src https://METRICS.example.org:443", OTHER, None),
        ("script-src https://metrics.example.org:8443", OTHER, "script-src"),
        ("script-src https://metrics.example.org:*", OTHER, None),
        ("script-src *.example.org", OTHER, None),
        ("script-src *.org", "https://example.net/x", "script-src"),
        ("script-src https:", OTHER, None),
        ("script-src https:", "http://metrics.example.org/x", "script-src"),
        ("script-src *", OTHER, None),
        ("script-src metrics.example.org/metrics-collector/", OTHER, None),
        ("script-src metrics.example.org/elsewhere/", OTHER, "script-src"),
        ("script-src metrics.example.org/metrics-collector/client-file", OTHER, None),
        ("script-src metrics.example.org/metrics-collector", OTHER, "script-src"),
        ("script-src 'unsafe-inline'", OTHER, "script-src"),
        ("img-src 'none'", OTHER, None),
        ("SCRIPT-SRC 'SELF'", SAME, None),
    ],
)
def test_a_script(policy: str, url: str, found: str | None) -> None:
    assert forbidding([policy], SCRIPT, url, PAGE) == found


def test_each_of_several_policies_counts() -> None:
    assert forbidding(["connect-src *", "connect-src 'self'"], CONNECT, OTHER, PAGE) == (
        "connect-src"
    )


def test_policies_stand_in_headers_and_in_the_page() -> None:
    page = b"""<head><meta http-equiv="Content-Security-Policy" content="script-src 'self'">
    <META content='connect-src *' http-equiv=content-security-policy></head>"""
    assert policies_of(["default-src *, img-src 'none'"], page) == [
        "default-src *",
        "img-src 'none'",
        "script-src 'self'",
        "connect-src *",
    ]
