"""Run script calls on a server: the only modules that know the Redis client are this one and `waiting`."""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .defaults import DEFAULT_URL, URL_VARIABLE
from .errors import LayoutMismatch, Refused, ScriptRefused, ServerError, Unavailable
from .scripts import Call, scripts

if TYPE_CHECKING:
    import redis
    import redis.asyncio

# How long a producer's call is sent again before it gives up.
PATIENCE_S = 10.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0

# A connection that was used within this time is taken to be open still.
TRUSTED_S = 1.0

# A server that is silent for longer is taken for gone; well above the longest BLPOP.
SOCKET_TIMEOUT_S = 10.0

_CREDENTIALS = re.compile(r"//[^/]*@")
_CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}

# Errors after which the same call may succeed. [CALL-7]
_PASSING = ("READONLY", "LOADING", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK", "UNBLOCKED", "MASTERDOWN", "NOREPLICAS")


def server_url(url: str | None = None) -> str:
    """Return the URL to use: the given one, that of JOBWIRE_REDIS_URL, or the default."""
    return url or os.environ.get(URL_VARIABLE) or DEFAULT_URL


def _options(url: str) -> tuple[str, dict[str, Any], bool]:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    scheme, separator, rest = url.partition("://")
    plain = _CLUSTER_SCHEMES.get(scheme, scheme)
    options: dict[str, Any] = {"decode_responses": False}
    if scheme != "unix":
        options["socket_keepalive"] = True
    for name in ("socket_timeout", "socket_connect_timeout"):
        if name not in url:
            options[name] = SOCKET_TIMEOUT_S
    if plain == scheme:
        # Each caller here decides for itself what is sent again, and when.
        options["retry"] = Retry(NoBackoff(), 0)
    return plain + separator + rest, options, plain != scheme


def _brief() -> dict[str, Any]:
    """Return options that spare each new connection three round trips, where the client has them.

    In these it introduces itself, and asks to be told of maintenance, of which a lost connection tells us, too.
    """
    try:
        import redis.driver_info  # noqa: F401
        from redis.maint_notifications import MaintNotificationsConfig
    except ImportError:
        return {}
    return {"driver_info": None, "maint_notifications_config": MaintNotificationsConfig(enabled=False)}


def connect(url: str) -> redis.Redis:
    """Return a synchronous client; `redis+cluster://` and `rediss+cluster://` give a Cluster client."""
    import redis
    import redis.cluster

    plain, options, cluster = _options(url)
    try:
        if cluster:
            return cast("redis.Redis", redis.cluster.RedisCluster.from_url(plain, **options))
        single: redis.Redis = redis.Redis.from_url(plain, **options, **_brief())
        return single
    except ValueError as error:
        raise _bad_url(url, error) from None
    except (redis.RedisError, redis.exceptions.RedisClusterException) as error:
        raise Unavailable(f"server: no answer from {_shown(url)}: {error}") from error


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return an asynchronous client, as `connect` does a synchronous one."""
    import redis.asyncio
    import redis.asyncio.cluster

    plain, options, cluster = _options(url)
    try:
        if cluster:
            return cast("redis.asyncio.Redis", redis.asyncio.RedisCluster.from_url(plain, **options))
        single: redis.asyncio.Redis = redis.asyncio.Redis.from_url(plain, **options)
        return single
    except (ValueError, redis.exceptions.RedisClusterException) as error:
        raise _bad_url(url, error) from None


def _bad_url(url: str, error: Exception) -> Refused:
    wanted = "redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://"
    return Refused(f"url: expected {wanted}, got {_shown(url)!r}: {error}")


def _shown(url: str) -> str:
    """Return a URL without its user and password, which belong into no message."""
    return _CREDENTIALS.sub("//", url)


def is_cluster(client: Any) -> bool:
    """Whether a client speaks to a Cluster, where calls to several queues cannot share a pipeline."""
    return type(client).__name__ == "RedisCluster"


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed when it is sent again. [CALL-7]"""
    import redis.exceptions as failures

    if isinstance(error, failures.AuthenticationError | failures.AuthorizationError | failures.NoPermissionError):
        return False
    if isinstance(error, failures.ConnectionError | failures.TimeoutError | OSError | failures.ClusterError):
        return True
    if isinstance(error, failures.RedisClusterException):
        return "cannot be connected" in str(error)
    return isinstance(error, failures.ResponseError) and (
        str(error).startswith(_PASSING)
        or isinstance(
            error, failures.ReadOnlyError | failures.TryAgainError | failures.AskError | failures.ClusterDownError
        )
    )


def translate(error: BaseException) -> ServerError:
    """Return our error for one of the client's. [CALL-5] [CALL-6]"""
    text = str(error)
    if "JOBWIRE_LAYOUT" in text:
        have = text.partition("JOBWIRE_LAYOUT")[2].strip()
        return LayoutMismatch(f"control.layout: expected '1', got {have!r} [CALL-5]")
    if "JOBWIRE_ARGUMENT" in text:
        return ScriptRefused(f"{text} [CALL-6]")
    return Unavailable(f"server: {text or type(error).__name__}")


def _command(call: Call) -> tuple[Any, ...]:
    return ("EVALSHA", scripts()[call.script].sha1, len(call.keys), *call.keys, *call.args)


def packed(call: Call) -> bytes:
    """Return a call as it is sent; the client would pack each argument in Python first, which takes much longer."""
    from hiredis import pack_command

    data: bytes = pack_command(_command(call))
    return data


def _unknown(reply: Any) -> bool:
    import redis.exceptions as failures

    return isinstance(reply, failures.NoScriptError) or (
        isinstance(reply, failures.ResponseError) and str(reply).startswith("NOSCRIPT")
    )


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


def pauses() -> Iterator[float]:
    """Yield how many seconds to wait before each further try, growing, with jitter."""
    pause = FIRST_PAUSE_S
    while True:
        yield pause * (0.5 + random.random() / 2)
        pause = min(pause * 2, LONGEST_PAUSE_S)


class Store:
    """Run calls on one server, synchronously; safe to share between threads.

    A `client` of the application's own lends its connections call by call; otherwise some stay open in between.
    """

    def __init__(self, client: redis.Redis, own: bool = False) -> None:
        _check_client(client)
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
        if not any(isinstance(reply, Exception) and _unknown(reply) for reply in replies):
            return replies
        self.load()
        return [
            self.send_each([call])[0] if _unknown(reply) else reply for call, reply in zip(calls, replies, strict=True)
        ]

    def send_each(self, calls: Sequence[Call]) -> list[Any]:
        """Send calls through the client itself, which in a Cluster finds the node of each."""
        found = []
        for call in calls:
            try:
                found.append(self.client.execute_command(*_command(call)))
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
            if self._connection is None:
                self._connection = self._store.client.connection_pool.get_connection()
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


class AsyncStore:
    """Run calls on one server from an event loop; see Store."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        _check_client(client)
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
        again = [i for i, reply in enumerate(replies) if _unknown(reply)]
        if again:
            await self.load()
            for i, reply in zip(again, await self._send([calls[i] for i in again]), strict=True):
                replies[i] = reply
        return replies

    async def _send(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) > 1 and not self._cluster:
            pipe = self.client.pipeline(transaction=False)
            for call in calls:
                pipe.execute_command(*_command(call))
            replies: list[Any] = await pipe.execute(raise_on_error=False)
            return replies
        found = []
        for call in calls:
            try:
                found.append(await self.client.execute_command(*_command(call)))
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


@cache
def client_errors() -> tuple[type[Exception], ...]:
    """Return what the client raises when the server or the way to it is at fault."""
    import redis.exceptions as failures

    return (failures.RedisError, failures.RedisClusterException, OSError)


@cache
def response_error() -> type[Exception]:
    """Return what the client raises for an error that the server answers."""
    import redis.exceptions as failures

    return failures.ResponseError


def _check_client(client: Any) -> None:
    # A Cluster's client has a pool a node.
    options = client.get_connection_kwargs() if is_cluster(client) else client.connection_pool.connection_kwargs
    if options.get("decode_responses"):
        raise Refused("client: expected decode_responses=False, got True [KEY-2]")
