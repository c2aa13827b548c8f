"""The two clients: Jobwire for plain code, AsyncJobwire for an event loop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from . import operations as ops
from .client import connect, connect_async, is_cluster, server_url
from .clock import ServerClock
from .defaults import DEFAULT_NAMESPACE
from .handles import AsyncHandle, Handle
from .keys import queue_keys
from .lines import Stream
from .operations import Ahead, Listen, Operation, Pause, Send, Session, View
from .registry import Registry
from .steps import Chain, Group, Known, Step
from .store import AsyncStore, Store
from .values import Encoding
from .waiting import AsyncListener, ClusterListener, Idle, Listener, hang_up

if TYPE_CHECKING:
    import redis
    import redis.asyncio

R = TypeVar("R")


class Jobwire(Registry[Handle]):
    """Enqueue jobs, wait for their results, and register handlers; safe to share between threads.

    `server` is a URL (`redis://`, `rediss://`, `unix://`, `redis+cluster://`) or a client with
    `decode_responses=False`; without it JOBWIRE_REDIS_URL counts, then `redis://localhost:6379/0`.
    `encoding` is `json` or `msgpack`. Raises Refused on a bad URL, Invalid on a bad namespace.
    """

    def __init__(
        self,
        server: str | redis.Redis | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        encoding: Encoding | str = Encoding.JSON,
    ) -> None:
        super().__init__(namespace, encoding)
        self._session = Session(namespace, self.encoding, ServerClock())
        queue_keys(namespace, "default")
        self.url = server_url(server) if server is None or isinstance(server, str) else None
        self._client = None if server is None or isinstance(server, str) else server
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._idle = Idle()

    @property
    def store(self) -> Store:
        """The connection, made at first use."""
        if self._store is None:
            with self._lock:
                if self._store is None:
                    self._store = Store(self._client or connect(self.url or server_url()), own=self._client is None)
        return self._store

    def enqueue_many(self, steps: Iterable[Step]) -> list[Handle]:
        """Enqueue many jobs in few round trips; the handles come in the same order."""
        told = self.run(ops.enqueue_many(self._session, steps))
        return [Handle(self, step, (answer,)) for step, answer in told]

    def handle(self, id: str, queue: str = "default") -> Handle:
        """Return a handle of a job that somebody else enqueued."""
        return Handle(self, Known(queue, id))

    def look(self, ids: Sequence[str], queue: str = "default") -> list[View]:
        """Return what is known of many jobs of one queue, in that order."""
        return self.run(ops.look(self._session, [(queue, job_id) for job_id in ids]))

    def requeue(self, ids: Sequence[str], queue: str = "default") -> list[str]:
        """Put failed jobs back with all their attempts; per id `requeued` or `unknown`."""
        return self.run(ops.requeue(self._session, queue, ids))

    def purge(self, queue: str = "default", *, before_ms: int) -> int:
        """Delete the jobs that failed at or before an instant, and return how many."""
        return self.run(ops.purge(self._session, queue, before_ms))

    def configure(self, queue: str, field: str, value: int | None) -> None:
        """Set `paused`, `max_active` or `failed_ttl_ms` of a queue; None unsets it."""
        self.run(ops.configure(self._session, queue, field, value))

    def close(self) -> None:
        """Close all connections."""
        while (kept := self._idle.take()) is not None:
            hang_up(self.store.client, kept)
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Jobwire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(self, work: Step | Chain | Group) -> Handle:
        words = self.run(ops.enqueue(self._session, work))
        return Handle(self, work, words)

    def run(self, operation: Operation[R]) -> R:
        """Drive an operation to its end."""
        answer: Any = None
        listener: Listener | ClusterListener | None = None
        stream: Stream | None = None
        try:
            while True:
                request = operation.send(answer)
                answer = None
                if isinstance(request, Send):
                    answer = self.store.run(request.calls)
                elif isinstance(request, Ahead):
                    stream = stream or Stream(self.store)
                    answer = stream.push(request.calls)
                elif isinstance(request, Listen):
                    self.store.run([])  # so that it has loaded the scripts before the listener calls them
                    kind = ClusterListener if is_cluster(self.store.client) else Listener
                    listener = kind(self.store.client, self._idle)
                    answer = listener.listen(request.channels, request.calls) or self.store.run(request.calls)
                elif listener is not None:
                    answer = listener.pause(request.seconds)
        except StopIteration as stop:
            value: R = stop.value
            return value
        finally:
            if listener is not None:
                listener.close()
            if stream is not None:
                stream.close()


class AsyncJobwire(Registry[Awaitable[AsyncHandle]]):
    """Enqueue jobs and wait for their results from an event loop; see Jobwire."""

    def __init__(
        self,
        server: str | redis.asyncio.Redis | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        encoding: Encoding | str = Encoding.JSON,
    ) -> None:
        super().__init__(namespace, encoding)
        self._session = Session(namespace, self.encoding, ServerClock())
        queue_keys(namespace, "default")
        self.url = server_url(server) if server is None or isinstance(server, str) else None
        self._client = None if server is None or isinstance(server, str) else server
        self._store: AsyncStore | None = None
        self._idle = Idle()

    @property
    def store(self) -> AsyncStore:
        """The connection, made at first use."""
        if self._store is None:
            self._store = AsyncStore(self._client or connect_async(self.url or server_url()))
        return self._store

    async def enqueue_many(self, steps: Iterable[Step]) -> list[AsyncHandle]:
        """Enqueue many jobs in few round trips; see Jobwire.enqueue_many."""
        told = await self.run(ops.enqueue_many(self._session, steps))
        return [AsyncHandle(self, step, (answer,)) for step, answer in told]

    def handle(self, id: str, queue: str = "default") -> AsyncHandle:
        """Return a handle of a job that somebody else enqueued."""
        return AsyncHandle(self, Known(queue, id))

    async def look(self, ids: Sequence[str], queue: str = "default") -> list[View]:
        """Return what is known of many jobs of one queue, in that order."""
        return await self.run(ops.look(self._session, [(queue, job_id) for job_id in ids]))

    async def requeue(self, ids: Sequence[str], queue: str = "default") -> list[str]:
        """Put failed jobs back with all their attempts; per id `requeued` or `unknown`."""
        return await self.run(ops.requeue(self._session, queue, ids))

    async def purge(self, queue: str = "default", *, before_ms: int) -> int:
        """Delete the jobs that failed at or before an instant, and return how many."""
        return await self.run(ops.purge(self._session, queue, before_ms))

    async def configure(self, queue: str, field: str, value: int | None) -> None:
        """Set `paused`, `max_active` or `failed_ttl_ms` of a queue; None unsets it."""
        await self.run(ops.configure(self._session, queue, field, value))

    async def close(self) -> None:
        """Close all connections."""
        while (pubsub := self._idle.take()) is not None:
            await pubsub.aclose()
        if self._store is not None:
            await self._store.close()
            self._store = None

    async def __aenter__(self) -> AsyncJobwire:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _enqueue(self, work: Step | Chain | Group) -> AsyncHandle:
        words = await self.run(ops.enqueue(self._session, work))
        return AsyncHandle(self, work, words)

    async def run(self, operation: Operation[R]) -> R:
        """Drive an operation to its end."""
        async with self._listener() as listener:
            answer: Any = None
            ahead: list[Any] = []
            while True:
                try:
                    request = operation.send(answer)
                except StopIteration as stop:
                    value: R = stop.value
                    return value
                answer = None
                if isinstance(request, Send):
                    answer = await self.store.run(request.calls)
                elif isinstance(request, Ahead):
                    answer, ahead = ahead, await self.store.run(request.calls) if request.calls else []
                elif isinstance(request, Listen):
                    await listener.listen(request.channels)
                    answer = await self.store.run(request.calls)
                elif isinstance(request, Pause):
                    answer = await listener.pause(request.seconds)

    @asynccontextmanager
    async def _listener(self) -> AsyncIterator[AsyncListener]:
        listener = AsyncListener(self.store.client, self._idle)
        try:
            yield listener
        finally:
            await listener.close()
