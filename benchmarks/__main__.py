"""`python -m benchmarks [--quick] [NAME...]`: measure, print a table, write the results."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from benchmarks import client, floor, memory, prometheus, push, scrape, startup, together
from benchmarks.bench import ROOT, Bench, Figure
from benchmarks.machine import describe

MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    "floor": floor.measure,
    "push": push.measure,
    "scrape": scrape.measure,
    "together": together.measure,
    "memory": memory.measure,
    "startup": startup.measure,
    "prometheus": prometheus.measure,
    "client": client.measure,
}
RESULTS = ROOT / "benchmarks" / "results" / "latest.json"


def main() -> None:
    """Run the measurements that the arguments name, all by default."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASUREMENTS):
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(MEASUREMENTS)}")

    found = describe()
    machine = found["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB")
    measured: dict[str, list[Figure]] = {}
    for name in arguments.names or MEASUREMENTS:
        bench = Bench(arguments.quick)
        bench.begin(name)
        MEASUREMENTS[name](bench)
        bench.say("")
        measured[name] = bench.figures
        print(f"\n{name}")
        print("\n".join(_line(figure) for figure in bench.figures), flush=True)
    figures = {name: [asdict(figure) for figure in each] for name, each in measured.items()}
    _write(found | {"quick": arguments.quick, "figures": figures})


def _line(figure: Figure) -> str:
    """Return a figure's row of the table."""
    target = "" if figure.target is None else f"<= {figure.target:g}"
    others = "" if figure.others_percent is None else f"others {figure.others_percent:.0f} %"
    return f"  {figure.name:<47} {_digits(figure.value):>9} {figure.unit:<6} {target:<8} {others}"


def _digits(value: float) -> str:
    """Return *value* with three digits or, above, as a whole number."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _write(results: dict[str, object]) -> None:
    """Write the results where the last ones were."""
    RESULTS.parent.mkdir(exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    RESULTS.write_text(json.dumps({"at": at, **results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
