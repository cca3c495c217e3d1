"""
Checks which of our rules a Prometheus lacks, can't evaluate, or has with another expression.

Source: Prometheus, HTTP API (rules).
"""

from collections.abc import Iterator
from typing import Any, Final

from otel_jcmc.doctor import shipped
from otel_jcmc.doctor.findings import Finding, left_open, listed, well, wrong
from otel_jcmc.doctor.promql import Api, hidden

# Rule files that not every Prometheus needs. Name of the file -> a series: a Prometheus with this
# series needs the file. None: only installations that already use the file need it.
_WANTED_WITH: Final = {
    "bridges.yaml": "jitsi_jvb_stress_level",
    "former-names.yaml": None,
}
# Our rule file recording.yaml makes this series, so a Prometheus with the series has the rules'
# results.
_RECORDED: Final = "otel_jcmc:store_up:min"
_FILES: Final = "name the files of collector-config/rules/ in rule_files, and reload Prometheus"
_OLDER: Final = "the file is an older one: take collector-config/rules/ of this version, and reload"


def rules(groups: list[dict[str, Any]], api: Api) -> Iterator[Finding]:
    """Check our rules in Prometheus's rule *groups*; raises the exceptions of `Api.labels`."""
    loaded = {each["name"]: each for group in groups for each in group["rules"]}
    ours = {file: of for file, of in shipped.rules().items() if _is_wanted(file, loaded, api)}
    every = {name: digest for of in ours.values() for name, digest in of.items()}
    if not every.keys() & loaded.keys():
        if api.has(_RECORDED):
            text = "it has the series that the project's rules record, but not the rules"
            yield left_open("prometheus", text, "fine if another server evaluates them")
            return
        yield wrong("prometheus", "it has loaded none of our rules: no alert fires", _FILES)
        return
    is_well = True
    for file, of in ours.items():
        if lacking := [name for name in of if name not in loaded]:
            is_well = False
            if len(lacking) == len(of):
                yield wrong("prometheus", f"the rules of {file} are not loaded", _FILES)
            else:
                yield wrong("prometheus", f"its {file} lacks {listed(lacking)}", _OLDER)
    for name in every:
        if name in loaded and loaded[name]["health"] == "err":
            is_well = False
            error = hidden(loaded[name].get("lastError", ""))
            yield wrong("prometheus", f"the rule {name} fails: {error}", _remedy(error))
    others = [
        name
        for name, digest in every.items()
        if name in loaded and shipped.digest_of(loaded[name]["query"]) != digest
    ]
    if others:
        text = f"rules that differ from this version's: {listed(others)}"
        yield left_open("prometheus", text, f"fine if you changed them; otherwise {_OLDER}")
    elif is_well:
        yield well("prometheus", f"it has loaded our {len(every)} rules, and none fails")


def _is_wanted(file: str, loaded: dict[str, Any], api: Api) -> bool:
    """Return whether Prometheus should have the rules of *file*, or already has some of them."""
    if file not in _WANTED_WITH or any(name in loaded for name in shipped.rules()[file]):
        return True
    series = _WANTED_WITH[file]
    return series is not None and api.has(series)


def _remedy(error: str) -> str:
    """Return what the operator can do about the *error* of a rule."""
    if "duplicate" in error or "many-to-many" in error:
        return "does a metric arrive twice, by two jobs or by two roads? docs/roads.md"
    return "Prometheus's page /rules shows the expression; is the file of this version?"
