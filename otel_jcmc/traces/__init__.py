"""
Makes spans of sessions and conferences that are over.

This room reads ended sessions from Redis and hands requests with spans to the room `otlp`. Spans
wait in Redis until a receiver has accepted them. The room `metrics` handles live participants.
"""
