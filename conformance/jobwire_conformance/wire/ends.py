"""One end of a connection: frames come in, bytes go out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

from .resp import Frames, ProtocolError


class End(asyncio.Protocol):
    """Calls back for what happens; the other side may stop sending and still listen."""

    def __init__(
        self,
        opened: Callable[[], None],
        came: Callable[[list[bytes]], None],
        half_closed: Callable[[], None],
        gone: Callable[[], None],
    ) -> None:
        self._opened, self._came, self._half_closed, self._gone = opened, came, half_closed, gone
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._opened()

    def data_received(self, data: bytes) -> None:
        """Pass on what is complete; what is no RESP ends the connection."""
        try:
            self._came(self._frames.feed(data))
        except ProtocolError:
            self.abort()

    def eof_received(self) -> bool:
        """Keep this direction open: replies are still to be passed on."""
        self._half_closed()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._gone()

    def write(self, data: bytes) -> None:
        """Send bytes, if anybody is there."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        """Send nothing more."""
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    def close(self) -> None:
        """End once everything was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()
