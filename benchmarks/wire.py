"""A client at the speed of C: bytes that were made beforehand, through one socket, read by hiredis."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import hiredis

from jobwire import scripts
from jobwire.envelope import Envelope, write
from jobwire.ids import new_id
from jobwire.keys import QueueKeys
from jobwire.values import Encoding

READ_BYTES = 1 << 20


def packed(call: scripts.Call) -> bytes:
    """Return the bytes of a script call."""
    sha1 = scripts.scripts()[call.script].sha1
    return command("EVALSHA", sha1, len(call.keys), *call.keys, *call.args)


def command(*words: Any) -> bytes:
    """Return the bytes of a command."""
    data: bytes = hiredis.pack_command(words)
    return data


def jobs(keys: QueueKeys, count: int, payload: int) -> list[scripts.Accept]:
    """Make jobs such as the drivers enqueue, in MessagePack; all alike but for their ids."""
    text = ("x" * payload,) if payload else ()
    first = new_id()
    envelope = Envelope(jobwire="1.0", id=first, type="add", queue=keys.queue, args=[count, 1, *text])
    before, _, after = write(envelope, Encoding.MSGPACK).partition(first.encode())
    ids = [f"{first[:24]}{number:012x}" for number in range(count)]
    return [scripts.Accept(job_id, before + job_id.encode() + after, 0, 3, 4) for job_id in ids]


class Wire:
    """One connection; whatever the server refuses ends the measurement."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()
        for script in scripts.scripts().values():
            self.exchange(command("SCRIPT", "LOAD", script.text))

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def exchange(self, block: bytes) -> Any:
        """Send one command and wait for its reply."""
        self._socket.sendall(block)
        return self._reply()

    def exchange_all(self, blocks: Iterable[bytes]) -> float:
        """Send commands, each after the reply to the one before, and return the seconds that took."""
        began = time.perf_counter()
        for block in blocks:
            self.exchange(block)
        return time.perf_counter() - began

    def pour(self, blocks: Iterable[bytes], count: int) -> float:
        """Send `count` commands without waiting for replies in between, and return the seconds that took."""
        sender = threading.Thread(target=self._send, args=(blocks,), daemon=True)
        began = time.perf_counter()
        sender.start()
        for _ in range(count):
            self._reply()
        sender.join()
        return time.perf_counter() - began

    def _send(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self._socket.sendall(block)

    def _reply(self) -> Any:
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(READ_BYTES)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply
