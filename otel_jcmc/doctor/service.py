"""The running service: whether it answers, and what it says of itself, of pushes and of senders."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.catalogue.remedies import REMEDIES
from otel_jcmc.doctor.asking import SECONDS, Unreachable, ask
from otel_jcmc.doctor.findings import Finding, left_open, well, wrong
from otel_jcmc.version import __version__
from otel_jcmc.web.doctor import DOCTOR_PATH

_START: Final = "start it with `otel-jcmc serve`, or say with --url where it is"
# Of what the store says itself.
_OF_STORE: Final = {Reason.STORE_UNAVAILABLE, Reason.STORE_FULL, Reason.STORE_BUSY}
LONG_SECONDS: Final = 300.0
# Of a question for which it reads and looks through everybody.
_READ_SECONDS: Final = 60.0


class Portrait(NamedTuple):
    """What the service says of itself (service/portrait.py), and where it was asked."""

    url: str
    token: str
    told: dict[str, Any]

    @property
    def settings(self) -> dict[str, str]:
        """The service's settings, without secrets."""
        return dict(self.told["settings"])

    @property
    def is_ready(self) -> bool:
        """Whether it takes pushes."""
        return not self.told["why_not_ready"]

    def has_exporter(self, name: str) -> bool:
        """Say whether metrics go out by the exporter *name*."""
        return name in self.settings.get("OTEL_METRICS_EXPORTER", "").split(",")

    def age(self, time: str) -> float | None:
        """Return how many seconds ago *time* was, of the document's; None: never."""
        at = self.told["times"].get(time)
        return None if at is None else max(0.0, float(self.told["time"]) - at)

    def count_tests(self) -> int | None:
        """Return how many test participants are live; None: nobody knows."""
        tests = self._more("tests")
        return tests if isinstance(tests, int) else None

    def names(self) -> frozenset[str] | None:
        """Return the names of all series that the service tells now; None: nobody knows."""
        names = self._more("series", _READ_SECONDS)
        return frozenset(names) if isinstance(names, list) else None

    def _more(self, what: str, seconds: float = SECONDS) -> Any:
        """Return what the service tells only to who asks for it; None: it does not."""
        url, headers = f"{self.url}{DOCTOR_PATH}?{what}", bearer(self.token)
        try:
            told = ask(url, headers=headers, seconds=seconds).json()
        except Unreachable:
            return None
        return told.get(what) if isinstance(told, dict) else None


def bearer(token: str) -> dict[str, str]:
    """Return the header for *token*, nothing without one."""
    return {"authorization": f"Bearer {token}"} if token else {}


def find_service(url: str, token: str) -> tuple[Portrait | None, list[Finding]]:
    """Return what the service at *url* says of itself, if it does, and what was found."""
    try:
        answer = ask(f"{url}{DOCTOR_PATH}", headers=bearer(token))
    except Unreachable as error:
        return None, [wrong("service", f"nobody answers at {url}: {error}", _START)]
    if answer.status in (401, 403, 421):
        remedy = "ask from the service's own machine, or set JCMC_READ_TOKEN here as it has it"
        return None, [wrong("service", f"{url} lets doctor read nothing ({answer.status})", remedy)]
    told = answer.json()
    if answer.status != 200 or not isinstance(told, dict) or "why_not_ready" not in told:
        remedy = "--url names the service itself; with JCMC_ADMIN_PORT it is that port"
        what = f"what answers at {url} is not otel_jcmc, or an older one ({answer.status})"
        return None, [wrong("service", what, remedy)]
    portrait = Portrait(url, token, told)
    found = [well("service", f"otel_jcmc {told['version']} answers at {url}")]
    if told["version"] != __version__:
        text = (
            f"this command is of version {__version__}: what it knows of rules and dashboards, too"
        )
        found.append(left_open("service", text, "run doctor of the service's own installation"))
    return portrait, found


def pushes(portrait: Portrait) -> Iterator[Finding]:
    """Return what the service says of pushes: the last one, and what it has refused of late."""
    told = portrait.told
    age, by = portrait.age("pushed_at"), told["origin"]
    late = f"{ago(age)}, from pages of {by}" if by else ago(age)
    counts = told["pushes"]
    refused = {**counts.get("refused", {}), **counts.get("failed", {})}
    if not portrait.is_ready:
        # Their failing is the store's, which has its line.
        refused = {each: n for each, n in refused.items() if each not in _OF_STORE}
    if age is None and not refused:
        remedy = (
            "does the page of a conference load the client file (--page looks), and does its"
            " push come through (--public-url tries)? `otel-jcmc simulate` pushes without a page"
        )
        yield wrong("pushes", "none since the service has started", remedy)
    elif age is not None and age > LONG_SECONDS:
        remedy = "fine if nobody is in a call; else docs/runbooks/OtelJcmcNobodyPushes.md"
        yield left_open("pushes", f"the last one {late}", remedy)
    elif age is not None:
        yield well("pushes", f"the last one {late}")
    for reason, count in sorted(refused.items()):
        text = f"{count} refused in the last {told['seconds']:.0f} s: {reason}"
        yield wrong("pushes", text, remedy_for(reason))


def remedy_for(reason: str) -> str:
    """Return what to do about pushes that are refused for *reason*."""
    return next((text for each, text in REMEDIES.items() if each == reason), "docs/reasons.md")


def ago(seconds: float | None) -> str:
    """Return how long ago something was, in words."""
    if seconds is None:
        return "never"
    for unit, each in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * each:
            return f"{seconds // each:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
