"""
Pushes at full speed or at a fixed rate, to any service that takes the wire format.

An Order comes in: where to, by how many, how often, for how long. A Result goes out: answers by
their status, what was lost, latencies. What the service took for it is none of its business.
"""
