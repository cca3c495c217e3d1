"""
The results of measurements, and the places that show them.

Rounds come in by a Bench, with the CPU use of the machine meanwhile. A table goes to the terminal,
results/latest.json to the next run, docs/performance.md and its pictures to readers.
"""
