"""
One file for each name that `python -m benchmarks` takes; the README has the table.

A Bench comes in: how long the rounds may be. Its figures and curves are what goes out; a
measurement raises when they would not count. None imports another but for py-spy's looks.
"""
