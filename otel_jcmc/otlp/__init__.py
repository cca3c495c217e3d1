"""
What leaves by OTLP: the requests, their sending, and the process that sends.

Collected gauges and finished spans come in. Requests go out to a receiver, and the outcome of each
comes back. `metrics` decides what is measured, and `traces` decides when a session is over.
"""
