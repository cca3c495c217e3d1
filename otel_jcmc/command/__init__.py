"""
What an operator types: `otel-jcmc serve`, `check`, `sessions`, `conference` and so on.

Arguments and the environment come in; a running service, a table or one clear line goes out.
Nothing of the service is decided here: a command reads the settings and calls the room that works.
"""
