"""
Takes pushes from pages of the Jitsi Meet Metrics Collector (JMMC), which have a second wire format.

A push with the changes of a participant's state comes in. A report with the whole state goes out to
`intake`, as for all other pushes. Only the room `service` uses this room. To remove the format,
delete this folder and the lines of `service` that use it.
"""
