"""
Who is live, as gauges: one read of the store, label sets, values, exposition text.

What the store holds comes in; collected gauges and the text of a scrape go out, beside them the
service's own metrics and the fleet's histograms, which count what is pushed here. Remembered are
those counts and the last read; nothing is sent (`otlp`).
"""
