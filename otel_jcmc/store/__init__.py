"""
Redis: what it holds, under which keys, and the scripts and connections that reach it.

Writes come in and are answered when Redis has them; everyone live is read back. Whether a push is
allowed or well formed was decided before; what a value means is not known here.
"""
