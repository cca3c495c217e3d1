"""
Sessions and conferences that are over, as spans.

What Redis says of ended sessions comes in, requests of spans go out to `otlp`. Spans wait in Redis
until a receiver has taken them. Who is live is none of its business: that is `metrics`.
"""
