"""
The body of a push that comes the ASGI way: read whole, or refused as soon as it may be.

Source: the ASGI specification, HTTP.
"""

from collections.abc import Sequence
from typing import Any

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.intake.callers import Header
from otel_jcmc.store.deadline import Deadline


class SenderGone(Exception):
    """The sender hung up: there is nobody to answer."""


class Bodies:
    """
    How a body may be.

    Attributes:
        max_bytes: one that is larger is not read whole.
        seconds: how long one may take where the server does not see to it; 0 for ever.
    """

    def __init__(self, max_bytes: int, seconds: float = 10.0) -> None:
        """Refuse bodies of more than *max_bytes*, 0: of none."""
        self.max_bytes = max_bytes or 2**63
        self.seconds = seconds

    def is_too_large(self, headers: Sequence[Header]) -> bool:
        """Say whether a request's head tells that its body is too large."""
        for name, value in headers:
            # No digits: not every server refuses that before us.
            if name == b"content-length" and (not value.isdigit() or int(value) > self.max_bytes):
                return True
        return False

    async def read(self, headers: Sequence[Header], receive: Any) -> bytes:
        """
        Return the body of a request with *headers*.

        Raises:
            PushRefused: too large, which its head tells before it is read, or too slow.
            Gone: the sender hung up.
        """
        if self.is_too_large(headers):
            raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
        try:
            async with Deadline(self.seconds or None):
                return await self._read(receive)
        except TimeoutError:
            raise PushRefused([Fault("", Reason.BODY_INCOMPLETE)]) from None

    async def _read(self, receive: Any) -> bytes:
        """Return the body, refusing it as soon as it is too large."""
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
