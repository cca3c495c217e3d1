"""The log of our processes: one line for an event; errors say where, and quote no data."""

import subprocess
import sys

import pytest

SECRET = "Ada-Lovelace-7c1f"

# Each raises an error with a personal text, where another's code logs it.
UNEXPECTED = {
    "logged": """
try:
    fail()
except KeyError:
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application\\n")
""",
    "logged by its cause": """
try:
    try:
        fail()
    except KeyError as error:
        raise ValueError(f"no {SECRET}") from error
except ValueError:
    logging.getLogger("otel_jcmc").exception("it failed")
""",
    "grouped": """
try:
    raise ExceptionGroup(SECRET, [KeyError(SECRET)])
except ExceptionGroup as group:
    logging.getLogger("otel_jcmc").error("it failed", exc_info=group)
""",
    "in a task": """
async def run():
    asyncio.create_task(afail(SECRET), name=SECRET)
    await asyncio.sleep(0.01)
    gc.collect()
asyncio.run(run())
""",
    "in a callback": """
async def run():
    asyncio.get_running_loop().call_soon(fail, SECRET)
    await asyncio.sleep(0.01)
asyncio.run(run())
""",
    "in a slow callback": """
async def run():
    asyncio.get_running_loop().call_soon(time.sleep, Slow())
    await asyncio.sleep(0.01)
asyncio.run(run(), debug=True)
""",
    "in a callback of uvloop": """
async def run():
    asyncio.get_running_loop().call_later(0, functools.partial(fail, SECRET))
    await asyncio.sleep(0.01)
uvloop.run(run())
""",
    "in a protocol": """
class Protocol(asyncio.Protocol):
    def data_received(self, data):
        fail(data.decode())
async def run():
    ours, theirs = socket.socketpair()
    await asyncio.get_running_loop().create_connection(Protocol, sock=ours)
    theirs.sendall(SECRET.encode())
    await asyncio.sleep(0.01)
uvloop.run(run())
""",
    "in a thread": """
thread = threading.Thread(target=fail, args=(SECRET,))
thread.start()
thread.join()
""",
    "when an object goes": """
class Going:
    def __del__(self):
        fail(SECRET)
del [Going()][0]
gc.collect()
""",
    "by nobody": "fail(SECRET)",
}
PROLOGUE = f"""
import asyncio, functools, gc, logging, socket, threading, time, uvloop
from otel_jcmc.command.log import set_up_logging
SECRET = {SECRET!r}
class Slow(float):
    def __new__(cls):
        return super().__new__(cls, 0.2)
    __repr__ = lambda self: SECRET
def fail(name=SECRET):
    {{}}[name]
async def afail(name):
    fail(name)
set_up_logging("DEBUG")
"""


def written(program: str) -> list[str]:
    """Return the lines that *program* logs."""
    ran = subprocess.run(
        [sys.executable, "-c", PROLOGUE + program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.stdout == ""
    return ran.stderr.splitlines()


@pytest.mark.parametrize("program", UNEXPECTED.values(), ids=UNEXPECTED)
def test_an_unexpected_error_says_where_and_not_with_what(program: str) -> None:
    lines = written(program)
    assert [line for line in lines if SECRET in line] == []
    if "Slow()" not in program:
        assert [line for line in lines if line.startswith(("KeyError", "ExceptionGroup"))]
        assert [line for line in lines if line.startswith('  File "')]


def test_what_the_system_says_of_a_file_is_kept() -> None:
    program = """
try:
    open("/nowhere")
except OSError:
    logging.getLogger("otel_jcmc").exception("it failed")
"""
    lines = written(program)
    assert lines[0].endswith(" ERROR it failed")
    assert lines[1] == "FileNotFoundError: No such file or directory"


def test_an_event_is_one_line() -> None:
    assert len(written('logging.getLogger("otel_jcmc").info("one\\ntwo")')) == 1
