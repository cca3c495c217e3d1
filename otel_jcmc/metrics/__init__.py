"""
Live participants as gauges: one read of the store, label sets, values, exposition text.

What the store holds comes in. Collected gauges and the text of a scrape go out, with the service's
own metrics and the fleet's histograms, which count the pushes of this process. The room remembers
only those counts and the last read. It sends nothing (`otlp`).
"""
