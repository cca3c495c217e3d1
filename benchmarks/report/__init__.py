"""
What a measurement says, and where that is shown.

Rounds come in, by a Bench, and who used the machine meanwhile. A table goes out to the terminal,
results/latest.json to whoever measures next, docs/performance.md and its pictures to readers.
"""
