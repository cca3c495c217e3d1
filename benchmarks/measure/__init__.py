"""
One file for each name that `python -m benchmarks` takes; the README has the table.

A Bench comes in, which says how long the rounds may be. Its figures and curves go out. A
measurement raises if they would be worthless. No file imports another, except for py-spy's looks.
"""
