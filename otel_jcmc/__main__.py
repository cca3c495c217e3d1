"""`python -m otel_jcmc` is the command `otel-jcmc`."""

from otel_jcmc.command.arguments import main

if __name__ == "__main__":
    main()
