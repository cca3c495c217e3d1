"""Tools for contributors, outside the wheel: they write generated files and audit dependencies."""
