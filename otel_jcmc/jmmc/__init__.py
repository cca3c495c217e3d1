"""
All of the second wire format, which pages of the Jitsi Meet Metrics Collector (JMMC) send.

Changes of a participant's state come in; a checked report goes out to `intake`, as for all other
pushes. Only the room `service` uses this room: to remove the format, delete this folder and that
use.
"""
