"""
Turns a waiting event into its log record; the same event always gives the same record.

The names in the record are the names that JCMC_NAMING=otel has in the catalogue. If sessions become
spans, the record has the trace id and the span id of the session's leg (sessions/span_ids.py).

Source: opentelemetry-proto, logs.proto; semantic conventions, events, and log.record.uid.
"""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogRecordFlags, SeverityNumber

from otel_jcmc.catalogue.events import (
    EVENT_OF,
    OUTAGE_BEGAN,
    OUTAGE_ENDED,
    OUTAGE_SECONDS,
    Severity,
)
from otel_jcmc.otlp.logs import Noted
from otel_jcmc.otlp.values import key_values
from otel_jcmc.sessions.events import WaitingEvent, read_waiting
from otel_jcmc.sessions.span_ids import session_span_id, trace_id
from otel_jcmc.store.participant import leg_name
from otel_jcmc.store.sid import sid_conference
from otel_jcmc.traces.summary import NAMED, named

UID: Final = "log.record.uid"
NS_IN_MS: Final = 1_000_000
# The W3C flag "sampled" is set, because every session becomes a span.
_SAMPLED: Final = 0x1 & LogRecordFlags.LOG_RECORD_FLAGS_TRACE_FLAGS_MASK


def noted_of(item: bytes) -> Noted:
    """
    Return the log record of the waiting *item*, and the service that noticed the event.

    Raises:
        ValueError: *item* is not an event, or this version can't read it.
    """
    event = read_waiting(item)
    row = EVENT_OF.get(event.event)
    # A later version may have queued an event that this version does not know. This version sends
    # it as INFO.
    severity = row.severity if row else Severity.INFO
    # The service notices an outage some time after it began, so the record of its beginning has the
    # time when it began. The record of any other event has the time when the service noticed it.
    at_ms = event.began_ms if event.event == OUTAGE_BEGAN.name else event.noticed_ms
    record = LogRecord(
        time_unix_nano=at_ms * NS_IN_MS,
        observed_time_unix_nano=event.noticed_ms * NS_IN_MS,
        severity_number=SeverityNumber.ValueType(severity.value),
        severity_text=severity.name,
        event_name=event.event,
        attributes=key_values(_told_by(event)),
    )
    if row:
        record.body.CopyFrom(AnyValue(string_value=row.brief))
    if event.sid and event.instance:
        record.trace_id = trace_id(sid_conference(event.sid), event.instance)
        record.span_id = session_span_id(
            event.sid, event.instance, event.payload.session, event.leg
        )
        record.flags = _SAMPLED
    return Noted(event.payload.instance, record)


def _told_by(event: WaitingEvent) -> Mapping[str, Any]:
    """Return the attributes of *event*'s record: name -> value. A value None is not sent."""
    payload = event.payload
    told: dict[str, Any] = {UID: event.uid}
    if event.member:
        session = leg_name(payload.session, event.leg or 1) if payload.session else None
        told |= {"session.id": session, "jitsi.session.key": event.sid or None}
        told |= named(payload.attributes, NAMED)
    if event.event in (OUTAGE_BEGAN.name, OUTAGE_ENDED.name):
        told[OUTAGE_SECONDS] = event.lasted_ms / 1000
    return told | payload.told
