"""
The version of OpenTelemetry's semantic conventions that the names here follow.

Resource and scope of all OTLP exports name it. A test compares the names with the pinned
opentelemetry-semantic-conventions, and this version with the newest schema in it.

Source: OpenTelemetry specification, schemas; semantic conventions 1.44.0.
"""

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
