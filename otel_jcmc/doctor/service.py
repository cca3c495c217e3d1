"""Checks the running service: whether it answers, and whether it accepts pushes."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.catalogue.remedies import REMEDIES
from otel_jcmc.doctor.asking import SECONDS, Unreachable, ask
from otel_jcmc.doctor.findings import Finding, left_open, well, wrong
from otel_jcmc.version import __version__
from otel_jcmc.web.doctor import DOCTOR_PATH

_START: Final = "start it with `otel-jcmc serve`, or give its address with --url"
# Pushes that fail for these reasons are not reported here: the findings about the store report
# them.
_OF_STORE: Final = {Reason.STORE_UNAVAILABLE, Reason.STORE_FULL, Reason.STORE_BUSY}
LONG_SECONDS: Final = 300.0
# The time limit, in seconds, of a request for which the service must read all participants.
_READ_SECONDS: Final = 60.0


class Portrait(NamedTuple):
    """
    The service's answer to doctor, its URL, and the token to ask it.

    service/portrait.py makes the answer (`told`): settings, counts, times and errors.
    """

    url: str
    token: str
    told: dict[str, Any]

    @property
    def settings(self) -> dict[str, str]:
        """The service's settings as text, without secrets: name -> value."""
        return dict(self.told["settings"])

    @property
    def is_ready(self) -> bool:
        """Whether the service takes pushes."""
        return not self.told["why_not_ready"]

    def has_exporter(self, name: str) -> bool:
        """Return whether the service exports metrics by *name*, which is prometheus or otlp."""
        return name in self.settings.get("OTEL_METRICS_EXPORTER", "").split(",")

    def age(self, time: str) -> float | None:
        """Return the seconds since the event called *time*, such as `pushed_at`; None: never."""
        at = self.told["times"].get(time)
        return None if at is None else max(0.0, float(self.told["time"]) - at)

    def count_tests(self) -> int | None:
        """Return the number of live test participants; None: the service gave no number."""
        tests = self._more("tests")
        return tests if isinstance(tests, int) else None

    def names(self) -> frozenset[str] | None:
        """Return the names of all series that the service exports now; None: it gave no names."""
        names = self._more("series", _READ_SECONDS)
        return frozenset(names) if isinstance(names, list) else None

    def _more(self, what: str, seconds: float = SECONDS) -> Any:
        """Ask the service for *what* in a request of its own, and return it; None: no answer."""
        url, headers = f"{self.url}{DOCTOR_PATH}?{what}", bearer(self.token)
        try:
            told = ask(url, headers=headers, seconds=seconds).json()
        except Unreachable:
            return None
        return told.get(what) if isinstance(told, dict) else None


def bearer(token: str) -> dict[str, str]:
    """Return the Authorization header for *token*; no header if *token* is empty."""
    return {"authorization": f"Bearer {token}"} if token else {}


def find_service(url: str, token: str) -> tuple[Portrait | None, list[Finding]]:
    """Ask the service at *url* for its state; return its answer (None: it failed) and findings."""
    try:
        answer = ask(f"{url}{DOCTOR_PATH}", headers=bearer(token))
    except Unreachable as error:
        return None, [wrong("service", f"no answer from {url}: {error}", _START)]
    if answer.status in (401, 403, 421):
        remedy = "run doctor on the service's machine, or set the service's JCMC_READ_TOKEN here"
        return None, [wrong("service", f"{url} does not let doctor read ({answer.status})", remedy)]
    told = answer.json()
    if answer.status != 200 or not isinstance(told, dict) or "why_not_ready" not in told:
        remedy = "--url must name the service itself; with JCMC_ADMIN_PORT it must have that port"
        what = f"{url} is not otel_jcmc, or is an older version ({answer.status})"
        return None, [wrong("service", what, remedy)]
    portrait = Portrait(url, token, told)
    found = [well("service", f"otel_jcmc {told['version']} answers at {url}")]
    if told["version"] != __version__:
        text = (
            f"this command is version {__version__}: it checks that version's rules and dashboards"
        )
        found.append(left_open("service", text, "run the doctor of the service's installation"))
    return portrait, found


def pushes(portrait: Portrait) -> Iterator[Finding]:
    """Return findings about pushes: when the last push came, and why pushes were not accepted."""
    told = portrait.told
    age, by = portrait.age("pushed_at"), told["origin"]
    late = f"{ago(age)}, from pages of {by}" if by else ago(age)
    counts = told["pushes"]
    refused = {**counts.get("refused", {}), **counts.get("failed", {})}
    if not portrait.is_ready:
        # Pushes that fail because of the store are left out: findings about the store report them.
        refused = {each: n for each, n in refused.items() if each not in _OF_STORE}
    if age is None and not refused:
        remedy = (
            "does the conference's page load the client file (--page checks), and do pushes"
            " arrive (--public-url checks)? `otel-jcmc simulate` pushes without a page"
        )
        yield wrong("pushes", "none since the service started", remedy)
    elif age is not None and age > LONG_SECONDS:
        remedy = "fine if no conference is on; otherwise docs/runbooks/OtelJcmcNobodyPushes.md"
        yield left_open("pushes", f"the last one was {late}", remedy)
    elif age is not None:
        yield well("pushes", f"the last one was {late}")
    for reason, count in sorted(refused.items()):
        text = f"{count} refused in the last {told['seconds']:.0f} s: {reason}"
        yield wrong("pushes", text, remedy_for(reason))


def remedy_for(reason: str) -> str:
    """Return what the operator can do if the service refuses pushes for *reason*."""
    return next((text for each, text in REMEDIES.items() if each == reason), "docs/reasons.md")


def ago(seconds: float | None) -> str:
    """Return *seconds* as words, such as `3 min ago`; None becomes `never`."""
    if seconds is None:
        return "never"
    for unit, each in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * each:
            return f"{seconds // each:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
