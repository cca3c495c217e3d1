"""
Redis: what it holds, under which keys, and the scripts and connections that reach it.

Writes come in, and each is answered when Redis has stored it. Reads return all live participants.
This room does not decide whether a push is allowed or well formed, and it does not know what a
value means.
"""
