"""
The measurements behind the README's figures: `python -m benchmarks`, see README.md in this folder.

`load` makes pushes, `service` runs the service that takes them, `measure` has a file for each
measurement, and `report` shows the results. `__main__.py` is the command.
"""

import sys
from pathlib import Path

# The service in a process of its own is the tests' harness; they are no package.
TESTS = Path(__file__).parents[1] / "tests"
sys.path += [str(TESTS), str(TESTS / "helpers")]
