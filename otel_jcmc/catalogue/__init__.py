"""
What clients can push, and what the service exports: metrics, attributes, reasons, own metrics.

Each fact about a metric stands here, once. Checks, gauges, the browser's table, docs and dashboards
are derived from it. This room imports no other room and does nothing.
"""
