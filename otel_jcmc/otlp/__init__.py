"""
Sends metrics, spans and log records by OTLP: makes the requests, and runs the process that sends.

Collected gauges, finished spans and events come in. Requests go out to a receiver; the outcome of a
request comes back. `metrics` decides what is measured; `traces` decides when a session is over.
"""
