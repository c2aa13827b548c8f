"""The handlers of an application, by type, and what makes steps of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from .envelope import Retry, check_id
from .errors import Refused
from .steps import NO_OPTIONS, Chain, Duration, Group, Instant, Options, Step, chain_of, make_step
from .values import Encoding

H = TypeVar("H")
"""What enqueueing gives: a Handle, or an awaitable of an AsyncHandle."""


class JobFunction(Generic[H]):
    """A handler with its type and default options; call it to run it here and now."""

    def __init__(self, app: Registry[H], type: str, function: Callable[..., Any], options: Options) -> None:
        self._app = app
        self.type = type
        self.function = function
        self.options = options
        self.is_async = inspect.iscoroutinefunction(function)
        self.__name__ = getattr(function, "__name__", type)
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the handler here, without a queue."""
        return self.function(*args, **kwargs)

    def with_options(
        self,
        *,
        queue: str | None = None,
        id: str | None = None,
        run_at: Instant | None = None,
        delay: Duration | None = None,
        expires_at: Instant | None = None,
        expires_in: Duration | None = None,
        timeout_ms: int | None = None,
        priority: int | None = None,
        retry: Retry | None = None,
        result_ttl_ms: int | None = None,
        headers: Mapping[str, Any] | None = None,
        pass_result: bool | None = None,
    ) -> JobFunction[H]:
        """Return the same handler with other options; each is described at Options."""
        given = Options(
            queue=queue, id=id, run_at=run_at, delay=delay, expires_at=expires_at, expires_in=expires_in,
            timeout_ms=timeout_ms, priority=priority, retry=retry, result_ttl_ms=result_ttl_ms,
            headers=headers, pass_result=pass_result,
        )  # fmt: skip
        return JobFunction(self._app, self.type, self.function, given.over(self.options))

    def step(self, *args: Any, **kwargs: Any) -> Step:
        """Return a job that is not enqueued yet, with these arguments."""
        return make_step(self.type, args, kwargs, self.options)

    def enqueue(self, *args: Any, **kwargs: Any) -> H:
        """Enqueue one job with these arguments."""
        return self._app._enqueue(self.step(*args, **kwargs))


class Registry(Generic[H]):
    """What the synchronous and the asynchronous client share: settings, handlers, builders."""

    def __init__(self, namespace: str, encoding: Encoding | str) -> None:
        self.namespace = namespace
        try:
            self.encoding = Encoding(encoding)
        except ValueError:
            names = " or ".join(each.value for each in Encoding)
            raise Refused(f"encoding: expected {names}, got {encoding!r:.80} [ENC-3]") from None
        self.jobs: dict[str, JobFunction[H]] = {}

    def job(
        self,
        type: str,
        *,
        queue: str | None = None,
        timeout_ms: int | None = None,
        priority: int | None = None,
        retry: Retry | None = None,
        result_ttl_ms: int | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> Callable[[Callable[..., Any]], JobFunction[H]]:
        """Register a function, plain or `async def`, as the handler of a type, with default options."""
        check_id(type, "type")
        options = Options(
            queue=queue, timeout_ms=timeout_ms, priority=priority, retry=retry, result_ttl_ms=result_ttl_ms,
            headers=headers,
        )  # fmt: skip

        def register(function: Callable[..., Any]) -> JobFunction[H]:
            if type in self.jobs:
                raise Refused(f"type: expected one handler for {type!r}, got a second")
            job = JobFunction(self, type, function, options)
            self.jobs[type] = job
            return job

        return register

    def step(self, type: str, *args: Any, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Step:
        """Return a job of any type that is not enqueued yet; `options` are those of Options."""
        return make_step(type, args, kwargs or {}, self._options(type, options))

    def _options(self, type: str, options: Mapping[str, Any]) -> Options:
        known = self.jobs.get(type)
        base = known.options if known else NO_OPTIONS
        if not options:
            # The same object each time, by which the envelope's template is found.
            return base
        try:
            return Options(**options).over(base)
        except TypeError as error:
            raise Refused(f"options: {error}") from None

    def enqueue(self, type: str, *args: Any, kwargs: Mapping[str, Any] | None = None, **options: Any) -> H:
        """Enqueue a job of any type; `args` and `kwargs` are the handler's, `options` those of Options.

        Raises Invalid, ValueRefused, TooLarge or Refused for what may not be enqueued, Unavailable without a server.
        """
        return self._enqueue(self.step(type, *args, kwargs=kwargs, **options))

    def chain(self, *steps: Step | Workflow[H]) -> Workflow[H]:
        """Return steps that run one after the other, each with the result of the one before."""
        return Workflow(self, chain_of(_bare(step) for step in steps))

    def group(self, *members: Step | Workflow[H], then: Step | Workflow[H], ttl_ms: int | None = None) -> Workflow[H]:
        """Return steps or chains that run side by side; `then` runs with the array of their outcomes."""
        return Workflow(self, Group(tuple(map(_bare, members)), chain_of([_bare(then)]), ttl_ms=ttl_ms))

    def _enqueue(self, work: Step | Chain | Group) -> H:
        raise NotImplementedError


class Workflow(Generic[H]):
    """A chain or group that is not enqueued yet."""

    def __init__(self, app: Registry[H], work: Chain | Group) -> None:
        self._app = app
        self.work = work

    def enqueue(self) -> H:
        """Enqueue what can run now; the handle waits for the last job of the workflow."""
        return self._app._enqueue(self.work)


def _bare(part: Step | Workflow[Any]) -> Step | Chain:
    work = part.work if isinstance(part, Workflow) else part
    if isinstance(work, Group):
        raise Refused("workflow: expected steps and chains, got a group inside")
    return work
