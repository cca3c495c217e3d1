"""
What an operator types: `otel-jcmc serve`, `check`, `sessions`, `conference` and so on.

Arguments and the environment come in; a running service, a table or one clear line goes out. A
command reads the settings and calls the room that does the work; how the service works is decided
there, not here.
"""
