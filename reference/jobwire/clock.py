"""The server's time, as far as this process knows it."""

from __future__ import annotations

import time


class ServerClock:
    """Add what the monotonic clock counted to the server's last `now`."""

    def __init__(self) -> None:
        self._offset_ms: float | None = None

    @property
    def known(self) -> bool:
        """Whether a reply has told the server's time yet."""
        return self._offset_ms is not None

    def tell(self, now_ms: int) -> None:
        """Take the `now` of a reply."""
        self._offset_ms = now_ms - time.monotonic() * 1000

    def now_ms(self) -> int:
        """Return the server's time in ms; the local clock's before the first reply."""
        if self._offset_ms is None:
            return time.time_ns() // 1_000_000
        return int(time.monotonic() * 1000 + self._offset_ms)
