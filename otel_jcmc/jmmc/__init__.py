"""
The second wire format, complete: what pages of the Jitsi Meet Metrics Collector send.

Changes of a page's state come in; a checked report goes out to `intake`, like those of all other
pages. Only `service`, which wires it, knows this room: to remove the format, delete the folder.
"""
