"""
What happened, as log records that are events.

Events that wait in Redis come in, requests of records go out to `otlp`; what began and ended to
stand out is read from the journal and joins them. What happens to participants is noticed in
`intake`, and when something stands out is decided in `verdict`.
"""
