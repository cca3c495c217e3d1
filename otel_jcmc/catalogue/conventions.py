"""
The version of OpenTelemetry's semantic conventions that the names here follow.

The resource and the scope of all OTLP exports contain this version. A test compares our names with
the names in the pinned package opentelemetry-semantic-conventions, and this version with the newest
schema in that package.

Source: OpenTelemetry specification, schemas; semantic conventions 1.44.0.
"""

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
