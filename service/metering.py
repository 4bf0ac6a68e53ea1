"""A body that is too large for memory: handed on piece by piece, within a limit of bytes and of seconds."""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Send

from service.errors import BodyTooLarge, TooSlow

SLOWEST = 64 << 10
"""Bytes a second that a sender must reach on average, once the first seconds are over."""


class Metered:
    """What an application receives. It raises BodyTooLarge and TooSlow where the sender goes beyond."""

    def __init__(self, receive: Receive, max_bytes: int, max_seconds: float) -> None:
        self._receive = receive
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._received, self._waited = 0, 0.0
        self._whole = False

    async def __call__(self) -> Message:
        """The next message."""
        if self._whole:  # whoever asks now waits for the sender to go away
            return await self._receive()
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Only waiting counts: how long the disk takes is not the sender's fault.
        patience = self._max_seconds + self._received / SLOWEST - self._waited
        try:
            async with asyncio.timeout(max(0.0, patience)):
                message = await self._receive()
        except TimeoutError as error:
            raise TooSlow(
                f"the body came more slowly than {SLOWEST >> 10} KiB/s after {self._max_seconds:g} s"
            ) from error
        self._waited += loop.time() - began
        self._received += len(message.get("body", b""))
        if self._received > self._max_bytes:
            raise BodyTooLarge(f"the body is over {self._max_bytes:,} bytes (TGSH_MAX_UPLOAD_BYTES)")
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    def closing(self, send: Send) -> Send:
        """`send`, but that an answer to a body that was not read to its end closes the connection."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and not self._whole:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        return send_on
