"""
The parts of the service, made and tied together, and when they start and end.

Settings come in, an ASGI application goes out. Only this room and the command line hand settings
on: every other room gets the few plain values that it needs.
"""
