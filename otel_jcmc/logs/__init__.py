"""
Sends log records about what happened to participants, and about what stood out as bad.

Events that wait in Redis come in; requests with log records go out to `otlp`. `intake` notices
events of participants. `verdict` decides what stands out, such as a bridge, and writes it into its
journal. From the journal, this room makes an event when something begins or ceases to stand out.
"""
