"""
Sessions and conferences that are over, as spans.

Redis's data about ended sessions come in, requests with spans go out to `otlp`. Spans wait in Redis
until a receiver has accepted them. Live participants belong to `metrics`.
"""
