"""
Turns live participants into gauges, and gauges into the text of a scrape.

A collection reads the store once, then makes label sets and values. This package also has the
service's own metrics, and the fleet's histograms, which count the pushes of this process. It keeps
only these counts and the last read. It sends nothing: `otlp` sends metrics to receivers.
"""
