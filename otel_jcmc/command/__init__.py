"""
Contains the commands that an operator types: `otel-jcmc serve`, `check`, `sessions` and so on.

The input is arguments and the environment. The output is a running service, a table, or one line
that says what is wrong. A command reads the settings, calls the package that does the work, and
prints the result.
"""
