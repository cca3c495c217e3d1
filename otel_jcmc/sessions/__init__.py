"""
Who was there, and how it was: the log of each session, its history, its erasure.

Stored pushes come in, entries of a session's log go out to Redis and are read again. Who is live
now is not told here but in `metrics`; spans are made in `traces`.
"""
