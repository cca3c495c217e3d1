"""
Makes spans of sessions and conferences that have ended, and sends them.

Redis's data about ended sessions come in; requests with spans go out to `otlp`. Spans wait in Redis
until a receiver has accepted them. `metrics` exports the values of live participants.
"""
