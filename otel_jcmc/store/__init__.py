"""
Writes to Redis and reads from it: has the keys, the stored values, scripts and connections.

A caller hands over a write, and gets an answer when Redis has stored the write. A read returns all
live participants. This package does not decide whether a push is allowed or well formed, and it
does not know the meaning of a value.
"""
