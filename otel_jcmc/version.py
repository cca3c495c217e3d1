"""Contains the version of the package; the wheel, `--version` and every export show it."""

__version__ = "0.1.0"
