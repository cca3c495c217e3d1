"""
The service that is measured, as operators run it, and two stand-ins for it.

Settings come in. A running service goes out: its address, the processes whose CPU and memory count,
and load on it. `floor` answers pushes without a look at them. `day` runs the recorder alone, in
simulated time.
"""
