"""Runs the command `otel-jcmc` when a user types `python -m otel_jcmc`."""

from otel_jcmc.command.arguments import main

if __name__ == "__main__":
    main()
