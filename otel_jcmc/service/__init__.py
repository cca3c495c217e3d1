"""
Makes the objects of which the service consists, connects them, and starts and ends them.

The input is the settings, the output is an ASGI application. Only this package and `command` know
the settings. They give every other package the few plain values that it needs.
"""
