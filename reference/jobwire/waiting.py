"""Hear the end of jobs: sharded subscriptions, kept open from one wait to the next."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from .client import is_cluster, response_error
from .lines import packed
from .scripts import Call

# Pauses without a subscription, where every look is a poll.
FIRST_POLL_S = 0.01

SHORTEST_PAUSE_S = 0.001

# Connections kept for later waits.
KEPT = 16


_PUSHES = (b"ssubscribe", b"sunsubscribe", b"smessage")


class Idle:
    """Subscription connections that no wait uses; each process has its own."""

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._pid = os.getpid()

    def take(self) -> Any:
        """Return a connection, or None where none is kept."""
        if self._pid != os.getpid():
            # A fork shares the sockets of its parent, and must not read from them.
            self._kept, self._pid = [], os.getpid()
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def give(self, pubsub: Any) -> bool:
        """Keep a connection, and say whether there was room for it."""
        if len(self._kept) >= KEPT:
            return False
        self._kept.append(pubsub)
        return True


class _Confirmations:
    """Count down the confirmations of one subscription; what else comes is of an earlier one."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._missing = {channel.encode() for channel in channels}

    def take(self, message: dict[str, Any] | None) -> None:
        if message is not None and message["type"] == "ssubscribe":
            self._missing.discard(message["channel"])

    @property
    def complete(self) -> bool:
        return not self._missing


def _heard(message: dict[str, Any] | None) -> bytes | None:
    return message["data"] if message is not None and message["type"] == "smessage" else None


async def _sleep(seconds: float) -> None:
    import asyncio  # here, as it makes every start of the command line slower

    await asyncio.sleep(seconds)


class Listener:
    """Hear the end of some jobs, on a connection of its own."""

    def __init__(self, client: Any, idle: Idle) -> None:
        self._client = client
        self._idle = idle
        self._connection: Any = None
        self._channels: list[bytes] = []
        self._said: bytes | None = None
        self._poll_s = FIRST_POLL_S

    def listen(self, channels: Sequence[str], calls: list[Call]) -> list[Any]:
        """Subscribe, and return once the server has confirmed; without the right to, poll. [WAIT-2]

        With RESP3 the calls go the same way, right behind; returns their replies, or none where they are still to be
        sent.
        """
        self._channels = [channel.encode() for channel in channels]
        # A kept connection can have been closed by the server; a new one that fails is given up.
        for kept in (True, False):
            connection = self._idle.take() if kept else None
            if kept and connection is None:
                continue
            try:
                self._connection = connection or self._client.connection_pool.get_connection()
                return self._subscribe(calls if str(getattr(self._connection, "protocol", 2)) == "3" else [])
            except Exception:  # whatever the client raises, looking once a second still works
                self._drop()
        return []

    def _subscribe(self, calls: list[Call]) -> list[Any]:
        self._send("SSUBSCRIBE", *map(packed, calls))
        missing = set(self._channels)
        replies: list[Any] = []
        while missing or len(replies) < len(calls):
            try:
                reply = self._connection.read_response(push_request=True)
            except response_error():
                # Of the subscription, or of a call, which is then sent the other way.
                if missing:
                    raise
                reply = None
            if not self._take_push(reply, missing):
                replies.append(reply)
        return replies if None not in replies else []

    def _take_push(self, reply: Any, missing: set[bytes]) -> bool:
        """Take in what is no reply to a call; confirmations and messages of other channels are of an earlier wait."""
        if not isinstance(reply, list) or reply[0] not in _PUSHES:
            return False
        kind, channel, said = reply
        if kind == b"ssubscribe":
            missing.discard(channel)
        elif kind == b"smessage" and channel in self._channels:
            self._said = said
        return True

    def pause(self, seconds: float) -> bytes | None:
        """Sleep until a channel says something, at most `seconds`, and return what it said."""
        if self._connection is None:
            self._poll_s = min(self._poll_s * 2, seconds)
            time.sleep(self._poll_s)
            return None
        until = time.monotonic() + seconds
        try:
            while self._said is None and (left := until - time.monotonic()) > 0:
                if self._connection.can_read(timeout=left):
                    self._take_push(self._connection.read_response(push_request=True), set())
        except Exception:  # a lost connection: look, and listen anew
            self._drop()
            self.listen([channel.decode() for channel in self._channels], [])
        said, self._said = self._said, None
        return said

    def close(self) -> None:
        """Unsubscribe and give the connection back."""
        if self._connection is None:
            return
        try:
            self._send("SUNSUBSCRIBE")
        except Exception:  # the connection is gone, and its subscriptions with it
            self._drop()
            return
        if not self._idle.give(self._connection):
            self._drop()
        self._connection = None

    def _send(self, command: str, *more: bytes) -> None:
        from hiredis import pack_command

        words: tuple[Any, ...] = (command, *self._channels)
        self._connection.send_packed_command([b"".join([pack_command(words), *more])])

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            hang_up(self._client, connection)


def hang_up(client: Any, kept: Any) -> None:
    """Close what a wait has used: a connection, or in a Cluster a subscriber."""
    if is_cluster(client):
        kept.close()
    else:
        kept.disconnect()
        client.connection_pool.release(kept)


class ClusterListener:
    """Hear the end of some jobs from several nodes; see Listener."""

    def __init__(self, client: Any, idle: Idle) -> None:
        self._client = client
        self._idle = idle
        self._pubsub: Any = None
        self._channels: Sequence[str] = ()
        self._poll_s = FIRST_POLL_S

    def listen(self, channels: Sequence[str], calls: list[Call]) -> list[Any]:
        """Subscribe, and return once the server has confirmed; the calls are still to be sent. See Listener.listen."""
        self._channels = channels
        try:
            self._pubsub = self._idle.take() or self._client.pubsub()
            self._pubsub.ssubscribe(*channels)
            waiting = _Confirmations(channels)
            give_up = time.monotonic() + 5
            while not waiting.complete and time.monotonic() < give_up:
                waiting.take(self._pubsub.get_sharded_message(timeout=1))
        except Exception:  # whatever the client raises, looking once a second still works
            self._drop()
        return []

    def pause(self, seconds: float) -> bytes | None:
        """Sleep until a channel says something, at most `seconds`, and return what it said."""
        until = time.monotonic() + seconds
        if self._pubsub is None:
            self._poll_s = min(self._poll_s * 2, seconds)
            time.sleep(self._poll_s)
            return None
        try:
            while (left := until - time.monotonic()) > 0:
                began = time.monotonic()
                said = _heard(self._pubsub.get_sharded_message(timeout=left))
                if said is not None:
                    return said
                # A Cluster's subscriber asks one node a call, and some answer at once.
                if time.monotonic() - began < SHORTEST_PAUSE_S:
                    time.sleep(SHORTEST_PAUSE_S)
        except Exception:  # a lost connection: look, and listen anew
            self._drop()
            self.listen(self._channels, [])
        return None

    def close(self) -> None:
        """Unsubscribe and give the connection back."""
        if self._pubsub is None:
            return
        try:
            self._pubsub.sunsubscribe(*self._channels)
        except Exception:  # the connection is gone, and its subscriptions with it
            self._drop()
            return
        if not self._idle.give(self._pubsub):
            self._drop()
        self._pubsub = None

    def _drop(self) -> None:
        if self._pubsub is not None:
            self._pubsub.close()
        self._pubsub = None


class AsyncListener:
    """Hear the end of some jobs from an event loop; see Listener."""

    def __init__(self, client: Any, idle: Idle) -> None:
        self._client = client
        self._idle = idle
        self._pubsub: Any = None
        self._channels: Sequence[str] = ()
        self._poll_s = FIRST_POLL_S

    async def listen(self, channels: Sequence[str]) -> None:
        """Subscribe, and return once the server has confirmed; without the right to, poll. [WAIT-2]"""
        self._channels = channels
        try:
            self._pubsub = self._idle.take() or self._client.pubsub()
            await self._pubsub.ssubscribe(*channels)
            waiting = _Confirmations(channels)
            give_up = time.monotonic() + 5
            while not waiting.complete and time.monotonic() < give_up:
                waiting.take(await self._message(1))
        except Exception:  # whatever the client raises, looking once a second still works
            await self._drop()

    async def pause(self, seconds: float) -> bytes | None:
        """Sleep until a channel says something, at most `seconds`, and return what it said."""
        until = time.monotonic() + seconds
        if self._pubsub is None:
            self._poll_s = min(self._poll_s * 2, seconds)
            await _sleep(self._poll_s)
            return None
        try:
            while (left := until - time.monotonic()) > 0:
                began = time.monotonic()
                said = _heard(await self._message(left))
                if said is not None:
                    return said
                # A Cluster's subscriber asks one node a call, and some answer at once.
                if time.monotonic() - began < SHORTEST_PAUSE_S:
                    await _sleep(SHORTEST_PAUSE_S)
        except Exception:  # a lost connection: look, and listen anew
            await self._drop()
            await self.listen(self._channels)
        return None

    async def close(self) -> None:
        """Unsubscribe and give the connection back."""
        if self._pubsub is None:
            return
        try:
            await self._pubsub.sunsubscribe(*self._channels)
        except Exception:  # the connection is gone, and its subscriptions with it
            await self._drop()
            return
        if not self._idle.give(self._pubsub):
            await self._drop()
        self._pubsub = None

    async def _message(self, seconds: float) -> Any:
        # The Cluster's subscriber has another name for it.
        get = getattr(self._pubsub, "get_sharded_message", None) or self._pubsub.get_message
        return await get(timeout=seconds)

    async def _drop(self) -> None:
        if self._pubsub is not None:
            await self._pubsub.aclose()
        self._pubsub = None
