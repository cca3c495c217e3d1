"""
What can be pushed, and what we say: metrics, attributes, reasons, our own metrics.

Everything that is true of one metric is said here, once; checks, gauges, the browser's table, docs
and dashboards are derived. It imports nothing of ours and does nothing.
"""
