"""
Records sessions in Redis: writes the log of each session, lists, searches and erases sessions.

Stored pushes come in. Entries of session logs go out to Redis, and the history pages read these
entries again. The package `metrics` reads the participants that are live now, and the package
`traces` makes spans.
"""
