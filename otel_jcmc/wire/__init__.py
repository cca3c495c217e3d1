"""
The bytes of a push to a checked report.

Bytes come in; out goes a `Report` with every field that is kept, and the faults of all that is not,
or `PushRefused`. It asks nobody: no limits, no tokens, no store.
"""
