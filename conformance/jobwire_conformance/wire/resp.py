"""Cut a stream of RESP2 or RESP3 into frames, whose bytes stay as they are."""

from __future__ import annotations

import hiredis

_SINGLE = frozenset(b"*~>")
_DOUBLE = frozenset(b"%|")
_BULK = frozenset(b"$=!")
_ATTRIBUTE = ord("|")

MESSAGES = frozenset({b"message", b"smessage", b"pmessage"})


class ProtocolError(Exception):
    """A stream that is no RESP."""


class Frames:
    """Collects bytes, and keeps its place in a frame that is not complete."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        self._left = 1

    def feed(self, data: bytes) -> list[bytes]:
        """Take in bytes; return the frames that are complete by now."""
        buffer = self._data
        buffer += data
        frames: list[bytes] = []
        start = 0
        while self._step(buffer):
            if self._left == 0:
                frames.append(bytes(buffer[start : self._at]))
                start, self._left = self._at, 1
        del buffer[:start]
        self._at -= start
        return frames

    def _step(self, buffer: bytearray) -> bool:
        """Go past one element, if it is there as a whole; what an aggregate holds comes after it."""
        end = buffer.find(b"\r\n", self._at)
        if end < 0:
            return False
        kind, at = buffer[self._at], end + 2
        if kind in _BULK:
            size = _number(buffer, self._at, end)
            at += size + 2 if size >= 0 else 0
            if at > len(buffer):
                return False
        elif kind in _SINGLE:
            self._left += max(_number(buffer, self._at, end), 0)
        elif kind in _DOUBLE:
            # An attribute stands in front of an element and is none.
            self._left += 2 * max(_number(buffer, self._at, end), 0) + (kind == _ATTRIBUTE)
        self._at = at
        self._left -= 1
        return True


def _number(buffer: bytearray, at: int, end: int) -> int:
    number = bytes(buffer[at + 1 : end])
    if not number.removeprefix(b"-").isdigit():
        raise ProtocolError(f"expected a length, got {number[:40]!r}")
    return int(number)


def command(frame: bytes) -> list[bytes]:
    """Return the parts of a command."""
    if not frame.startswith(b"*"):
        return frame.split()
    reader = hiredis.Reader()
    reader.feed(frame)
    parts = reader.gets()
    if not isinstance(parts, list) or not all(isinstance(part, bytes) for part in parts):
        raise ProtocolError(f"expected a command, got {frame[:40]!r}")
    return parts


def is_push(frame: bytes, listens: bool) -> bool:
    """Whether a frame answers no command; in RESP2 only a connection that `listens` gets such."""
    if not frame.startswith(b">") and not (listens and frame.startswith(b"*")):
        return False
    head = frame[:40].split(b"\r\n", 3)
    name = head[2] if len(head) > 2 else b""
    return name in MESSAGES or (frame.startswith(b">") and not name.endswith(b"subscribe"))
