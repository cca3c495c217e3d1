"""
What clients can push, and what the service exports: metrics, attributes, reasons, own metrics.

Each fact about a metric stands only in this package. Checks, gauges, the browser's table of
metrics, docs and dashboards are made from this package's rows. The package imports no other package
of otel_jcmc, and only describes.
"""
