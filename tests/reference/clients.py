"""Both clients behind one face, so that no test is written twice; and jobs settled by hand."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import redis

from jobwire import AsyncHandle, AsyncJobwire, Handle, JobFunction, Jobwire, Workflow
from tests.lua.binding import Held, Queue
from tests.reference.documents import ERROR, outcome
from tests.servers import until

FACES = {"sync": Jobwire, "async": AsyncJobwire}
_WRAPPED = (Handle, AsyncHandle, Workflow, JobFunction)


class Driven:
    """A client, handle or workflow whose every call returns when it is done, whichever client it is of."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self.inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        return self._driven(value) if inspect.ismethod(value) else value

    def _driven(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*[_bare(arg) for arg in args], **{name: _bare(arg) for name, arg in kwargs.items()})
            if inspect.isawaitable(answer):
                answer = self._runner.run(_awaited(answer))
            return self._dressed(answer)

        return call

    def _dressed(self, answer: Any) -> Any:
        if isinstance(answer, list):
            return [self._dressed(each) for each in answer]
        return Driven(answer, self._runner) if isinstance(answer, _WRAPPED) else answer


def _bare(argument: Any) -> Any:
    return argument.inner if isinstance(argument, Driven) else argument


async def _awaited(answer: Any) -> Any:
    return await answer


@contextmanager
def driven(face: str, server: Any, **settings: Any) -> Iterator[Any]:
    """Open a client of this face; close it in the end."""
    with asyncio.Runner() as runner:
        app = Driven(FACES[face](server, **settings), runner)
        try:
            yield app
        finally:
            app.close()


@contextmanager
def in_background(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Do something in a thread; its result is asked of the future."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def looks(client: redis.Redis) -> int:
    """Return how many scripts have been called since the statistics were last reset."""
    stats = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0, "failed_calls": 0})
    # A call that found no script counts as a failed one.
    calls: int = stats["calls"] - stats["failed_calls"]
    return calls


@contextmanager
def awaited(handle: Any, queue: Queue, id: str) -> Iterator[Future[Any]]:
    """Wait for the outcome of a handle in a thread, which hears of this id and has looked at it."""
    channel = queue.key(f"result:{id}")
    queue.client.config_resetstat()
    with in_background(lambda: handle.outcome(timeout=60)) as waiting:
        until(lambda: waiting.done() or (_ears(queue.client, channel) and looks(queue.client)))
        yield waiting


def _ears(client: redis.Redis, channel: str) -> int:
    ears: int = client.execute_command("PUBSUB", "SHARDNUMSUB", channel)[1]
    return ears


def end(queue: Queue, held: Held, verb: str = "succeed", **members: Any) -> None:
    """Settle a held job with a legal outcome."""
    state = {"succeed": "succeeded", "fail": "failed", "cancel": "cancelled", "expire": "expired", "retry": "retrying"}
    error = {} if verb == "succeed" else {"error": ERROR}
    document = outcome(**{"id": held.id, "state": state[verb], "attempt": held.attempt} | error | members)
    assert queue.end(held, verb, document, 0 if verb == "fail" else 60_000) == "done"
