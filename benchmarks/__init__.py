"""
What the README's figures come from: `python -m benchmarks`, see README.md in this folder.

Each module measures one thing on real processes; `__main__.py` lists them.
"""

import sys
from pathlib import Path

# The service in a process of its own is the tests' harness; they are no package.
TESTS = Path(__file__).parents[1] / "tests"
sys.path += [str(TESTS), str(TESTS / "helpers")]
