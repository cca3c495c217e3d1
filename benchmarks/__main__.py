"""`python -m benchmarks [--quick] [NAME...]`: measure, print a table, write the results."""

import argparse
import sys
import traceback
from collections.abc import Callable
from time import monotonic

from benchmarks.measure import (
    churn,
    client,
    crowd,
    history,
    idle,
    instructions,
    large,
    memory,
    pages,
    profile,
    prometheus,
    push,
    rules,
    scaling,
    scrape,
    stages,
    startup,
    steps,
    summaries,
    sustained,
    together,
    verdict,
    wrk,
)
from benchmarks.report import results
from benchmarks.report.bench import Bench
from benchmarks.report.pace import Pace
from benchmarks.report.table import rows

MEASUREMENTS: dict[str, Callable[[Bench], None]] = {
    "push": push.measure,
    "instructions": instructions.measure,
    "stages": stages.measure,
    "verdict": verdict.measure,
    "wrk": wrk.measure,
    "scrape": scrape.measure,
    "together": together.measure,
    "memory": memory.measure,
    "churn": churn.measure,
    "sustained": sustained.measure,
    "large": large.measure,
    "pages": pages.measure,
    "steps": steps.measure,
    "scaling": scaling.measure,
    "history": history.measure,
    "summaries": summaries.measure,
    "crowd": crowd.measure,
    "idle": idle.measure,
    "startup": startup.measure,
    "profile": profile.measure,
    "prometheus": prometheus.measure,
    "rules": rules.measure,
    "client": client.measure,
}


def main() -> int:
    """Run the measurements that the arguments name, all by default; 1 when one has failed."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="put the last results into docs/performance.md, and measure nothing",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASUREMENTS):
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(MEASUREMENTS)}")
    if arguments.write_docs:
        # It needs matplotlib, which a measurement does not.
        from benchmarks.report import docs  # noqa: PLC0415

        docs.write()
        return 0

    known = results.begin(quick=arguments.quick)
    machine = known["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB")
    pace = Pace(3.0)
    passed = [
        _measure(Bench(name, arguments.quick, pace), known)
        for name in arguments.names or MEASUREMENTS
    ]
    return 0 if all(passed) else 1


def _measure(bench: Bench, known: results.Results) -> bool:
    """Measure one thing, print and keep what came of it, and say whether it went to its end."""
    name = bench.title
    error = None
    started = monotonic()
    try:
        MEASUREMENTS[name](bench)
    except Exception as raised:  # noqa: BLE001  # the others are to be measured all the same
        error = f"{type(raised).__name__}: {raised}"
        traceback.print_exc()
    bench.say("")
    results.keep(known, bench, monotonic() - started, error)
    print(f"\n{name}, {monotonic() - started:.0f} s")
    print("\n".join(rows(bench.figures)), flush=True)
    if error:
        print(f"  failed: {error}", file=sys.stderr)
    return error is None


if __name__ == "__main__":
    sys.exit(main())
