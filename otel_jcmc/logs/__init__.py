"""
Sends events as log records: what happened to participants, and what stood out.

Events that wait in Redis come in, requests with records go out to `otlp`. This room also reads from
the journal which things began to stand out or no longer do. `intake` notices events of
participants; `verdict` decides what stands out.
"""
