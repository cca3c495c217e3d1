"""
Takes the pushes of pages of the Jitsi Meet Metrics Collector (JMMC), which have their own format.

A JMMC push contains only the values that have changed since the page's last push. This room checks
the push, adds the session's stored values, and hands the result to the room `intake`, as `wire`
does for other pages. Only the room `service` imports this room. To remove the format, delete this
folder and the code in `service` that uses this folder.
"""
