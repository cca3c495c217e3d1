"""What the makers of the service run, and no wheel carries: generated files, checks, releases."""
