"""
Parts made and tied together: what the service is made of, and when it starts and ends.

Settings come in, an ASGI application goes out. Only this room and the command line hand settings
on: every other room gets the few plain values that it needs.
"""
