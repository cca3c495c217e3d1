"""
What leaves by OTLP: the requests, who sends them, and the process that does.

Collected gauges and finished spans come in; requests go out to a receiver, and what became of each
comes back. What is measured, and when a session is over, is decided in `metrics` and `traces`.
"""
