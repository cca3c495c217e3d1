"""
Makes spans of sessions and conferences that are over.

Redis's data about ended sessions come in; requests with spans go out to `otlp`. Spans wait in Redis
until a receiver has accepted them. `metrics` handles live participants.
"""
