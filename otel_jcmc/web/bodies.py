"""
Reads the body of a push that comes by ASGI, or refuses it as early as possible.

Source: the ASGI specification, HTTP.
"""

from collections.abc import Sequence
from typing import Any

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.intake.callers import Header
from otel_jcmc.store.deadline import Deadline


class SenderGone(Exception):
    """The sender disconnected: nothing can be answered."""


class Bodies:
    """
    Reads bodies of limited size within a limited time.

    Attributes:
        max_bytes: a larger body is refused.
        seconds: how long a body may take if the server sets no limit; 0: any time.
    """

    def __init__(self, max_bytes: int, seconds: float = 10.0) -> None:
        """Refuse bodies of more than *max_bytes*; 0: refuse no body for its size."""
        self.max_bytes = max_bytes or 2**63
        self.seconds = seconds

    def is_too_large(self, headers: Sequence[Header]) -> bool:
        """Say whether the head of a request tells that its body is too large."""
        for name, value in headers:
            # The value may have other characters than digits: not every server refuses that.
            if name == b"content-length" and (not value.isdigit() or int(value) > self.max_bytes):
                return True
        return False

    async def read(self, headers: Sequence[Header], receive: Any) -> bytes:
        """
        Return the body of a request with *headers*.

        Raises:
            PushRefused: the body is too large, perhaps by its head already, or comes too slowly.
            SenderGone: the sender disconnected.
        """
        if self.is_too_large(headers):
            raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
        try:
            async with Deadline(self.seconds or None):
                return await self._read(receive)
        except TimeoutError:
            raise PushRefused([Fault("", Reason.BODY_INCOMPLETE)]) from None

    async def _read(self, receive: Any) -> bytes:
        """Return the body; refuse it as soon as it is too large."""
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
