"""
The commands that an operator types: `otel-jcmc serve`, `check`, `sessions`, `conference` and more.

Arguments and the environment come in; a running service, a table or one clear line goes out.
This room decides nothing about the service: a command reads the settings and calls another room.
"""
