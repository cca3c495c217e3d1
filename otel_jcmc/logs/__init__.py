"""
Sends events as log records: events of participants, and events of things that stand out.

This room reads the events that wait in Redis, and hands requests with log records to the room
`otlp`. It also reads the journal, and makes an event when a thing begins or ceases to stand out.
The room `intake` notices events of participants; the room `verdict` decides what stands out.
"""
