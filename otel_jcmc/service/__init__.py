"""
Makes the parts of the service, connects them, and starts and ends them.

Settings come in, an ASGI application goes out. Only this room and the command line pass settings
on: every other room gets the few plain values that it needs.
"""
