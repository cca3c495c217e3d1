"""
Which version of OpenTelemetry's semantic conventions the names here follow.

Resource and scope of all that goes out by OTLP say so. A test holds the names against the pinned
opentelemetry-semantic-conventions, and this against the newest schema that it knows.

Source: OpenTelemetry specification, schemas; semantic conventions 1.44.0.
"""

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
