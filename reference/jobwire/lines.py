"""Send calls on one connection without waiting for the replies."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .client import client_errors, is_cluster, response_error
from .scripts import Call, scripts

if TYPE_CHECKING:
    from .store import Store

# A connection that was used within this time is taken to be open still.
TRUSTED_S = 1.0


def as_command(call: Call) -> tuple[Any, ...]:
    """Return a call as the words of a command."""
    return ("EVALSHA", scripts()[call.script].sha1, len(call.keys), *call.keys, *call.args)


def packed(call: Call) -> bytes:
    """Return a call as it is sent; the client would pack each argument in Python first, which takes much longer."""
    from hiredis import pack_command

    data: bytes = pack_command(as_command(call))
    return data


class Packed(NamedTuple):
    """Calls, and their bytes as they are sent."""

    calls: list[Call]
    data: bytes


# Stands for a BLPOP where calls are counted.
_BLPOP = Call("BLPOP", (), ())


class Line:
    """One connection that its one caller keeps, and sends on without waiting for the replies.

    In a Cluster, where each call can have a node of its own, it waits at once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cluster = is_cluster(store.client)
        self._connection: Any = None
        self._sent: deque[list[Call]] = deque()
        self._replies: deque[list[Any]] = deque()
        self._used_at = 0.0
        self.forgot = True
        """Whether the server may not know the scripts: nothing was asked yet, or it did not the last time."""

    def open(self) -> bool:
        """Connect; return whether it was connected. Raises what the client raises."""
        if self._cluster or self._connection is not None:
            return True
        self._connection = self._store.client.connection_pool.get_connection()
        return False

    def pack(self, calls: list[Call]) -> Packed:
        """Return calls ready to send."""
        if self._cluster:
            return Packed(calls, b"")
        return Packed(calls, b"".join(map(packed, calls)))

    def send(self, packs: Sequence[Packed]) -> None:
        """Send calls; raises what the client raises when the connection is lost, and drops what was sent before."""
        calls = [call for pack in packs for call in pack.calls]
        if self._cluster:
            self._replies.append(self._store.loaded(calls, self._store.send_each(calls)))
            return
        try:
            self.open()
            self._connection.send_packed_command([b"".join([pack.data for pack in packs])])
        except BaseException:
            self.close()
            raise
        self._sent.append(calls)

    def block(self, names: Sequence[str], wait_ms: int, claim: Call | None) -> None:
        """Send a BLPOP on these lists, and a claim that the server runs when that ends; otherwise as `send`."""
        from hiredis import pack_command

        command: tuple[Any, ...] = ("BLPOP", *names, f"{wait_ms / 1000:.3f}")
        packs = [Packed([_BLPOP], pack_command(command))]
        self.send(packs if claim is None else [*packs, self.pack([claim])])

    @property
    def socket(self) -> int | None:
        """The file descriptor that can be polled for replies."""
        socket = getattr(self._connection, "_sock", None)
        return socket.fileno() if socket is not None else None

    def half_close(self) -> bool:
        """Say that nothing more will be sent: the server drops what it has not run; return whether that was possible.

        What it has run is still answered.
        """
        import socket

        found = getattr(self._connection, "_sock", None)
        if type(found) is not socket.socket:
            return False  # TLS would not let the answer be read
        with contextlib.suppress(OSError):
            found.shutdown(socket.SHUT_WR)
        return True

    def receive(self) -> list[Any]:
        """Wait for the replies to what was sent first, each perhaps an error; otherwise as `send`."""
        if self._cluster:
            return self._replies.popleft()
        calls = self._sent.popleft()
        replies: list[Any] = []
        refusal = response_error()
        try:
            for _ in calls:
                try:
                    replies.append(self._connection.read_response())
                except refusal as error:
                    replies.append(error)
        except BaseException:
            self.close()
            raise
        self._used_at = time.monotonic()
        whole = self._store.loaded(calls, replies)
        self.forgot = whole is not replies
        return whole

    @property
    def owes(self) -> bool:
        """Whether replies are still to be received."""
        return bool(self._sent or self._replies)

    def usable(self) -> bool:
        """Whether the server has not hung up on a line that was not used for a while."""
        if self._cluster or self._connection is None or time.monotonic() - self._used_at < TRUSTED_S:
            return True
        try:
            return not self._connection.can_read(timeout=0)
        except Exception:  # whatever the client raises
            return False

    def close(self) -> None:
        """Give up the connection, which may owe replies; the next call opens another."""
        self._sent.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._store.client.connection_pool.release(connection)

    def release(self) -> None:
        """Give the connection back, for others to use."""
        if self._sent:
            self.close()
        elif self._connection is not None:
            self._store.client.connection_pool.release(self._connection)
            self._connection = None


class Stream:
    """Run calls one group after the other, with the next on its way before the replies of the last are read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._line = Line(store)
        self._calls: list[Call] = []

    def push(self, calls: list[Call]) -> list[Any]:
        """Send calls, and return the replies to those of the last push; see Store.run. [CALL-7]"""
        before, self._calls = self._calls, calls
        replies: list[Any] = []
        line = self._line
        try:
            self._store.load_once()
            # Where the server did not know the scripts, what is sent after what it refused would overtake it.
            if line.owes and line.forgot:
                replies = line.receive()
            owes = line.owes
            if calls:
                line.send([line.pack(calls)])
            if owes:
                replies = line.receive()
        except client_errors():
            # What the connection still owed is asked for again: a resend changes nothing. [PROD-4]
            line.close()
        if before and (not replies or any(isinstance(reply, Exception) for reply in replies)):
            line.close()
            return self._store.run(before, resent=not replies)
        return replies

    def close(self) -> None:
        """Give the connection back."""
        self._line.release()
