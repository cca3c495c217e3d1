"""
Sends metrics, spans and log records by OTLP: makes the requests, and runs the process that sends.

This package gets collected gauges, finished spans and events. It sends them in requests to a
receiver, and reads the receiver's answers. The package `metrics` decides which metrics exist;
`traces` decides when a session is over.
"""
