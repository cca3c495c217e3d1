"""
`python -m fuzz`: bad input by the hundred thousand; `make fuzz` runs it.

The targets run one after the other. `push`: the push check and everything made of a push, in this
process and led by coverage; `jmmc`: the same for the second wire format. `framing`: streams of
requests, compared with a strict reader of RFC 9112. `forwarded`, `agent` and `accept`: headers.
`token`: what a push sends as permission. `stored`: what Redis may hold. `http`: broken requests to
a running service. `road`: broken pushes, compared with a scrape. It exits with 1 at the first
failure, and prints how to repeat it.
"""

import argparse
import importlib.util
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fuzz.engine import Target

# Of 200,000 pushes, so many of the others.
SHARES = {
    "push": 1.0,
    "jmmc": 0.25,
    "framing": 0.5,
    "stored": 0.25,
    "agent": 0.1,
    "forwarded": 0.1,
    "accept": 0.1,
    "token": 0.1,
}
WIRE = {"http": 0.05, "road": 0.025, "proxied": 0.5}


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("-n", "--inputs", type=int, default=200_000, help="of pushes; 200,000")
    parser.add_argument("-s", "--seed", type=int, default=1, help="another gives other inputs")
    parser.add_argument("--only", choices=[*SHARES, *WIRE], help="one target, with all inputs")
    parser.add_argument("--replay", type=Path, help="try one input again, the file of a finding")
    parser.add_argument("--guided", choices=SHARES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    # Who is left out is logged once per change, which here is always.
    logging.getLogger("otel_jcmc").setLevel(logging.CRITICAL)
    if args.guided:
        guide(args.guided, args.inputs, args.seed)
    if args.replay:
        return replay(args.replay)
    shares = {args.only: 1.0} if args.only else SHARES | WIRE
    for name, share in shares.items():
        inputs = max(1, round(args.inputs * share))
        if not (on_the_wire if name in WIRE else in_process)(name, inputs, args.seed):
            return 1
    return 0


def guide(name: str, inputs: int, seed: int) -> None:
    """Run one target led by coverage; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["otel_jcmc"], enable_loader_override=False):
        from fuzz.targets import TARGETS
    from fuzz.engine import guided

    guided(name, TARGETS[name], inputs, seed)


def in_process(name: str, inputs: int, seed: int) -> bool:
    """Run one target; led by coverage if Atheris is installed."""
    from fuzz.engine import lead, run

    if importlib.util.find_spec("atheris"):
        return lead(name, inputs, seed)
    try:
        run(name, target_of(name), inputs, seed).say("  by chance alone: Atheris is not installed")
    except AssertionError as error:
        print(error)
        return False
    return True


def on_the_wire(name: str, inputs: int, seed: int) -> bool:
    """Run one target against a service of its own."""
    from fuzz import wire

    if name == "proxied":
        return through_proxies(inputs, seed)
    tries = {"http": wire.try_sockets, "road": wire.try_road}
    with wire.running() as service:
        try:
            tries[name](service, inputs, seed).say("  in the end")
        except AssertionError as error:
            print(error)
            return False
    return True


def through_proxies(inputs: int, seed: int) -> bool:
    """Send streams through real proxies."""
    from fuzz import proxied

    try:
        proxied.try_proxies(inputs, seed).say("  in the end")
    except AssertionError as error:
        print(error)
        return False
    return True


def target_of(name: str) -> "Target":
    """Return the target *name*."""
    from fuzz.targets import TARGETS

    return TARGETS[name]


def replay(path: Path) -> int:
    """Try one input again, and let what it breaks be seen."""
    from fuzz import wire

    name, data = path.name.partition("-")[0], path.read_bytes()
    if name in SHARES:
        print(f"took {target_of(name).check(data) * 1000:.1f} ms")
    else:
        with wire.running() as service:
            if name == "http":
                sockets = wire.Sockets(service)
                sockets.check(data)
                sockets.lives_on()
            else:
                print(service.push(data))
    print("nothing broke")
    return 0


sys.exit(main())
