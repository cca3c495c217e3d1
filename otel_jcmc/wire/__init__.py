"""
From the bytes of a push to a checked report.

Bytes come in. A `Report` goes out with every field that is kept and the faults of all others, or
`PushRefused`. This room decides by the bytes alone: it knows no limits of rate, no tokens and no
store.
"""
