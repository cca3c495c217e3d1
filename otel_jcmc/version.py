"""The version of the package, which the wheel, `--version` and every export name."""

__version__ = "0.1.0"
