"""The command line's own process: what it asks of the C library before there are threads."""

import ctypes
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SCRIPT = """
import sys, threading
from test_main import heaps
from otel_jcmc.__main__ import _give_memory_back
if sys.argv[1] == "asked":
    _give_memory_back()
print(heaps(sys.argv[2]))
"""


def heaps(path: str) -> int:
    """Return how many heaps malloc has when four threads have allocated, by its own account."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
    threads = [threading.Thread(target=libc.malloc, args=[1000]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file = ctypes.c_void_p(libc.fopen(path.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    return len(re.findall("<heap nr=", Path(path).read_text()))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc's malloc")
def test_threads_share_one_heap_so_that_what_a_scrape_took_is_returned(tmp_path: Path) -> None:
    def counted(how: str) -> int:
        command = [sys.executable, "-c", SCRIPT, how, str(tmp_path / how)]
        ran = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parent, timeout=30
        )
        return int(ran.stdout)

    assert counted("asked") == 1
    assert counted("not asked") > 1
