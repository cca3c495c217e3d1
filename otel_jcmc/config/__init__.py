"""
Every knob of the service: names, defaults, bounds, where they are read from, and advice.

The environment, `.env` and files of secrets come in, frozen `Settings` go out. Nothing is opened or
started here. Only `service`, `command` and the tools see them.
"""
