"""
Makes a checked report from the bytes of a push.

Bytes come in. A `Report` with every field that is kept and the faults of all other fields goes out,
or `PushRefused` is raised. This room decides by the bytes alone: it knows nothing about limits of
rates, tokens or the store.
"""
