"""
The second wire format, whole: what pages of the Jitsi Meet Metrics Collector send.

Changes of a page's state come in; a checked report goes out to `intake`, as from every other page.
Nothing else knows of it but `service`, which wires it: delete the folder and it is gone.
"""
