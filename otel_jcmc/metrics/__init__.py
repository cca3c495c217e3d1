"""
Who is live, as gauges: one read of the store, label sets, values, exposition text.

What the store holds comes in; collected gauges and the text of a scrape go out, and beside them the
metrics of the service itself. Nothing is remembered but the last read; nothing is sent (`otlp`).
"""
