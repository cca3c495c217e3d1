"""
Pushes at full speed or at a fixed rate, to any service that takes the wire format.

An Order comes in: the address, the number of participants, the rate, the time. A Result goes out:
answers by their status, lost pushes, latencies. This room does not measure the service.
"""
