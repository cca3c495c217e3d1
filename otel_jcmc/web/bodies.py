"""
Reads the body of a push that comes by ASGI; refuses a body that is too large or too slow.

Source: the ASGI specification, HTTP.
"""

from collections.abc import Sequence
from typing import Any

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.intake.callers import Header
from otel_jcmc.store.deadline import Deadline


class SenderGone(Exception):
    """The sender has disconnected, so the service can't send an answer."""


class Bodies:
    """
    Reads bodies of limited size within a limited time.

    Attributes:
        max_bytes: a body that is larger than this is refused.
        seconds: the longest time that a body may take to arrive; 0: no limit. Some servers have
            no such limit themselves.
    """

    def __init__(self, max_bytes: int, seconds: float = 10.0) -> None:
        """Refuse bodies of more than *max_bytes*; 0: refuse no body for its size."""
        self.max_bytes = max_bytes or 2**63
        self.seconds = seconds

    def is_too_large(self, headers: Sequence[Header]) -> bool:
        """Return whether the length in *headers* is too large, or is not a number."""
        for name, value in headers:
            # Some servers pass on a length that is not a number.
            if name == b"content-length" and (not value.isdigit() or int(value) > self.max_bytes):
                return True
        return False

    async def read(self, headers: Sequence[Header], receive: Any) -> bytes:
        """
        Return the body of a request with *headers*.

        Raises:
            PushRefused: the body is too large, or its head announces this, or it comes too slowly.
            SenderGone: the sender has disconnected.
        """
        if self.is_too_large(headers):
            raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
        try:
            async with Deadline(self.seconds or None):
                return await self._read(receive)
        except TimeoutError:
            raise PushRefused([Fault("", Reason.BODY_INCOMPLETE)]) from None

    async def _read(self, receive: Any) -> bytes:
        """Return the body; raise PushRefused as soon as more than *max_bytes* have come."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise SenderGone
            part = message.get("body", b"")
            size += len(part)
            if size > self.max_bytes:
                raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)
