r"""
`python -m benchmarks.load --url URL`: push to any service that takes the wire format.

    python -m benchmarks.load --url http://127.0.0.1:3000/metrics/push --participants 10000 \
        --connections 64 --seconds 10 --pid 1234

Without a rate it pushes as fast as the connections can, with a rate at fixed times. It prints a
table, or JSON with `--json FILE` (`-`: to stdout, in place of the table). The exit code is 1 if a
push was not answered 200, or if no push was answered.
"""

import argparse
import asyncio
import json
import signal
import sys
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks.load.bodies import CLIENT, WIRE
from benchmarks.load.generator import Load
from benchmarks.load.loops import make_load
from benchmarks.load.order import Order, Result, to_json
from benchmarks.report.machine import Family, Usage, Watch, describe

_HELP = {
    "url": "where pushes go; without a path, /metrics/push",
    "participants": "how many different ones push in rotation",
    "first": "number of the first participant",
    "connections": "how many stay open; at most so many pushes are under way",
    "rate": "pushes a second, at fixed times; 0: as fast as they are answered",
    "seconds": "how long",
    "pushes": "end after so many (without a rate)",
    "body": "wire: 738 bytes and 13 series, as of the original's page; client: 1.5 kB and 30"
    " series, as of this project's client file",
    "lean": "a head of four lines, in place of all that a browser sends",
    "timeout_seconds": "a push that is not answered by then is lost",
}


def main(given: list[str] | None = None) -> int:
    """Do what the command line says, and return the exit code."""
    parser = _parser()
    arguments = vars(parser.parse_args(given))
    path, pids = arguments.pop("json"), arguments.pop("pid")
    order = Order(**arguments)
    if min(order.participants, order.connections) < 1 or min(order.rate, order.seconds) < 0:
        parser.error("participants and connections must be above 0, rate and seconds not below")
    if not order.seconds and (order.rate or not order.pushes):
        parser.error("--seconds says for how long")
    try:
        load = make_load(order)
        watch = Watch({_name(pid): Family(psutil.Process(pid), alone=True) for pid in pids})
        result, usage = uvloop.run(_run(load, watch))
    except OSError as error:
        return _refuse(f"{order.url} can't be reached: {_words(error)}")
    except psutil.Error as error:
        return _refuse(str(error))
    except ValueError as error:
        return _refuse(str(error))
    if path:
        _write(path, {"order": asdict(order), "result": to_json(result)} | _told(usage))
    if path != "-":
        print(table(order, result, usage))
    return 0 if result.answers and not result.faults else 1


def arguments_of(order: Order) -> list[str]:
    """Return the command line that says *order*."""
    return [
        part
        for name, value in asdict(order).items()
        if value is not False
        for part in (_option(name), *(() if value is True else (str(value),)))
    ]


def _option(name: str) -> str:
    return f"--{name.removesuffix('_seconds')}"


def _parser() -> argparse.ArgumentParser:
    """Return what reads the command line: an option for each field of an Order, and three more."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.load",
        description="Push to any service that takes the wire format of POST /metrics/push.",
    )
    for each in fields(Order):
        said: dict[str, Any] = {"help": _HELP[each.name], "dest": each.name}
        if each.type is bool:
            said["action"] = "store_true"
        else:
            said |= {"type": each.type, "default": each.default, "metavar": "N"}
        if each.name == "url":
            said |= {"required": True, "metavar": "URL"}
        elif each.name == "body":
            said |= {"choices": [WIRE, CLIENT], "metavar": None}
        else:
            said["help"] += "" if each.type is bool else f" (default {each.default:g})"
        parser.add_argument(_option(each.name), **said)
    parser.add_argument(
        "--pid",
        action="append",
        default=[],
        type=int,
        metavar="PID",
        help="a process whose CPU time is taken; may be repeated",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results there; -: to stdout")
    return parser


async def _run(load: Load, watch: Watch) -> tuple[Result, Usage]:
    """Run *load*; Ctrl-C ends it and shows what there was so far."""
    await load.open()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, load.end)
    progress = asyncio.create_task(_show(load)) if sys.stderr.isatty() else None
    watch.read()
    result = await load.run()
    usage = watch.read()
    if progress:
        progress.cancel()
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return result, usage


async def _show(load: Load) -> None:
    """Say twice a second how far it is."""
    loop, order = asyncio.get_running_loop(), load.order
    started = loop.time()
    while True:
        await asyncio.sleep(0.5)
        of = f" of {order.seconds:g}" if order.seconds else ""
        text = f"{loop.time() - started:.0f}{of} s  {load.done} pushes"
        text += f"  {load.done - load.answers['200']} not answered 200"
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)


def table(order: Order, result: Result, usage: Usage) -> str:
    """Return what came of it, a line each."""
    how = f"{order.rate:g} a second" if order.rate else "as fast as they are answered"
    shares = {"p50": result.p50, "p90": result.p90, "p99": result.p99, "longest": result.longest}
    latency = ", ".join(f"{name} {value:.2f} ms" for name, value in shares.items())
    rows = {
        "pushes": f"{how}, {order.participants} participants, {order.connections} connections",
        "a push": f"head {result.head_bytes:.0f} B, body {result.body_bytes:.0f} B",
        "answers": _counts(result.answers),
        "errors": _counts(result.errors),
        "a second": f"{result.pushes / result.seconds:.1f}, for {result.seconds:.1f} s",
        "latency": latency if result.pushes else "none",
    }
    if result.reopened:
        rows["connections"] = f"{result.reopened} opened again"
    for name, seconds in (result.cpu | usage.cpu).items():
        each = f"{1e6 * seconds / result.pushes:.1f} µs CPU a push, " if result.pushes else ""
        rows[name] = f"{each}{100 * seconds / result.seconds:.0f} % of a core"
    if order.rate:
        rows["generator"] += f", itself late p99 {result.late_p99:.2f} ms"
    rows["others"] = f"kept the machine {usage.others_percent:.0f} % busy"
    width = max(len(name) for name in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows.items())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"


def _told(usage: Usage) -> dict[str, Any]:
    """Return what the processes used and what they ran on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu_seconds": usage.cpu,
        "others_percent": usage.others_percent,
        **describe(),
    }


def _write(path: str, results: dict[str, Any]) -> None:
    text = json.dumps(results, indent=2) + "\n"
    if path == "-":
        sys.stdout.write(text)
    else:
        Path(path).write_text(text)


def _name(pid: int) -> str:
    return f"{psutil.Process(pid).name()} {pid}"


def _refuse(why: str) -> int:
    print(f"benchmarks.load: {why}", file=sys.stderr)
    return 1


def _words(error: OSError) -> str:
    """Return in a few words what kind of *error* it is."""
    known = {
        ConnectionRefusedError: "connection refused",
        TimeoutError: "time-out",
        ConnectionError: "connection lost",
    }
    for kind, words in known.items():
        if isinstance(error, kind):
            return words
    return error.strerror or str(error) or type(error).__name__
