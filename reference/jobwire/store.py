"""Run script calls on a server."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .client import check_client, is_cluster, is_passing, is_unknown_script, pauses, response_error, translate
from .lines import Line, as_command
from .scripts import Call, scripts

if TYPE_CHECKING:
    import redis
    import redis.asyncio

# How long a producer's call is sent again before it gives up.
PATIENCE_S = 10.0


def _raise_first(replies: list[Any]) -> None:
    """Raise the first error, which the client itself would put the whole of a script into."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def _perhaps_mine(calls: Sequence[Call], replies: list[Any]) -> list[Any]:
    """Return the replies to calls that were sent again: a job that failed can be of the first time. [PROD-4]"""
    return [
        [b"duplicate" if word == b"failed" else word for word in reply] if call.script == "enqueue" else reply
        for call, reply in zip(calls, replies, strict=True)
    ]


class Store:
    """Run calls on one server, synchronously; safe to share between threads.

    A `client` of the application's own lends its connections call by call; otherwise some stay open in between.
    """

    def __init__(self, client: redis.Redis, own: bool = False) -> None:
        check_client(client)
        self.client: Any = client
        self._cluster = is_cluster(client)
        self._own = own
        self._lines: list[Line] = []
        self._pid = os.getpid()
        self._has_loaded = False

    def load(self) -> None:
        """Load every script. [CALL-1]"""
        if self._cluster:  # each is for every node
            for script in scripts().values():
                self.client.script_load(script.text)
        else:
            pipe = self.client.pipeline(transaction=False)
            for script in scripts().values():
                pipe.script_load(script.text)
            _raise_first(pipe.execute(raise_on_error=False))
        self._has_loaded = True

    def load_once(self) -> None:
        """Load every script, unless that was done; raises what the client raises."""
        if not self._has_loaded:
            self.load()

    def run_once(self, calls: list[Call]) -> list[Any]:
        """Send the calls in one round trip and return each reply, or the error in its place.

        Raises what the client raises when the connection is lost.
        """
        self.load_once()
        if not calls:
            return []
        line = self._take_line()
        line.send([line.pack(calls)])
        replies = line.receive()
        if self._own:
            self._lines.append(line)
        else:
            line.release()
        return replies

    def _take_line(self) -> Line:
        if self._pid != os.getpid():
            # A fork shares the sockets of its parent, and must not use them.
            self._lines, self._pid = [], os.getpid()
        while self._lines:
            try:
                line = self._lines.pop()
            except IndexError:  # another thread was faster
                break
            if line.usable():
                return line
            line.close()
        return Line(self)

    def line_to(self, key: str) -> Line:
        """Return a line to the server that has this key."""
        if self._cluster:
            return Line(Store(self.client.get_redis_connection(self.client.get_node_from_key(key))))
        return Line(self)

    def loaded(self, calls: Sequence[Call], replies: list[Any]) -> list[Any]:
        """Return the replies, with those to scripts that the server had forgotten asked for again. [CALL-2]"""
        if not any(isinstance(reply, Exception) and is_unknown_script(reply) for reply in replies):
            return replies
        self.load()
        return [
            self.send_each([call])[0] if is_unknown_script(reply) else reply
            for call, reply in zip(calls, replies, strict=True)
        ]

    def send_each(self, calls: Sequence[Call]) -> list[Any]:
        """Send calls through the client itself, which in a Cluster finds the node of each."""
        found = []
        for call in calls:
            try:
                found.append(self.client.execute_command(*as_command(call)))
            except response_error() as error:
                found.append(error)
        return found

    def run(self, calls: list[Call], resent: bool = False) -> list[Any]:
        """Run the calls, each sent again while that may help; raise a ServerError. [CALL-7]

        `resent` says that they were sent before, and nobody knows what came of it.
        """
        give_up = pause = None
        while True:
            error: Exception | None = None
            try:
                replies = self.run_once(calls)
                for reply in replies:
                    if isinstance(reply, Exception):
                        error = reply
                        break
                else:
                    return _perhaps_mine(calls, replies) if resent else replies
            except Exception as lost:  # the client's tree has no common root with OSError
                error, resent = lost, True
            give_up = give_up or time.monotonic() + PATIENCE_S
            pause = pause or pauses()
            if not is_passing(error) or time.monotonic() > give_up:
                raise translate(error) from error
            time.sleep(next(pause))

    def read(self, command: str, *args: Any) -> Any:
        """Run one plain reading command."""
        try:
            return self.client.execute_command(command, *args)
        except Exception as error:
            raise translate(error) from error

    def scan(self, pattern: str) -> list[str]:
        """Return the names of all keys that match."""
        try:
            return sorted(
                key.decode("utf-8", "backslashreplace") for key in self.client.scan_iter(match=pattern, count=1000)
            )
        except Exception as error:
            raise translate(error) from error

    def close(self) -> None:
        """Close all connections, also those that a thread is blocked on."""
        self._lines.clear()
        pool = getattr(self.client, "connection_pool", None)
        if pool is not None:
            pool.disconnect(inuse_connections=True)
        self.client.close()


class AsyncStore:
    """Run calls on one server from an event loop; see Store."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        check_client(client)
        self.client: Any = client
        self._cluster = is_cluster(client)
        self._has_loaded = False

    async def load(self) -> None:
        """Load every script. [CALL-1]"""
        if self._cluster:
            for script in scripts().values():
                await self.client.script_load(script.text)
        else:
            pipe = self.client.pipeline(transaction=False)
            for script in scripts().values():
                pipe.script_load(script.text)
            _raise_first(await pipe.execute(raise_on_error=False))
        self._has_loaded = True

    async def run_once(self, calls: Sequence[Call]) -> list[Any]:
        """Send the calls in one round trip; see Store.run_once."""
        if not self._has_loaded:
            await self.load()
        replies = await self._send(calls)
        again = [i for i, reply in enumerate(replies) if is_unknown_script(reply)]
        if again:
            await self.load()
            for i, reply in zip(again, await self._send([calls[i] for i in again]), strict=True):
                replies[i] = reply
        return replies

    async def _send(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) > 1 and not self._cluster:
            pipe = self.client.pipeline(transaction=False)
            for call in calls:
                pipe.execute_command(*as_command(call))
            replies: list[Any] = await pipe.execute(raise_on_error=False)
            return replies
        found = []
        for call in calls:
            try:
                found.append(await self.client.execute_command(*as_command(call)))
            except response_error() as error:
                found.append(error)
        return found

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """Run the calls, each sent again while that may help; see Store.run. [CALL-7]"""
        import asyncio  # here, as it makes every start of the command line slower

        give_up = time.monotonic() + PATIENCE_S
        pause = pauses()
        resent = False
        while True:
            error, replies = None, []
            try:
                replies = await self.run_once(calls)
                error = next((reply for reply in replies if isinstance(reply, Exception)), None)
            except Exception as lost:  # the client's tree has no common root with OSError
                error, resent = lost, True
            if error is None:
                return _perhaps_mine(calls, replies) if resent else replies
            if not is_passing(error) or time.monotonic() > give_up:
                raise translate(error) from error
            await asyncio.sleep(next(pause))

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose()
