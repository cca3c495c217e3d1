"""
Who was there, and how it was: the log of each session, its history, its erasure.

Stored pushes come in; entries of a session's log go out to Redis and are read again. The
participants that are live now are read in `metrics`, and spans are made in `traces`.
"""
