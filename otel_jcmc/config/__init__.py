"""
Every setting of the service: its names, default, bounds and source, and advice about it.

The environment, `.env` and files of secrets come in; frozen `Settings` go out. This package opens
no connection and starts nothing. Only `service`, `command`, `doctor` and the tools see settings.
"""
