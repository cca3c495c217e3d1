"""
What is measured: the service as its users run it, and two things that stand in for it.

Settings come in; out goes what is running: the address, the processes whose CPU and memory count,
load on it. `floor` is a push that nobody looks at, `day` the recorder alone, in simulated time.
"""
