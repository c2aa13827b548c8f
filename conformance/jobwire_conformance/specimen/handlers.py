"""The handlers that a worker under test has."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import codec
from state import Run, Worker

LOOK_S = 0.01
MOST_PROGRESS = 65536


class Context:
    """What a handler is given. [RUN-10]"""

    def __init__(self, worker: Worker, run: Run) -> None:
        self.id = run.id
        self.attempt = run.attempt
        self.run = run.number
        self.interrupted = run.interrupted
        self.cancelled = run.cancelled
        self._run = run
        self._progress = "progress" in worker.profiles

    @property
    def told(self) -> str | None:
        """Return what the handler was told."""
        return self._run.told

    def report(self, value: Any) -> bool:
        """Report progress with the next extension of the lease; tell whether it can be. [OUT-7]"""
        if not self._progress or not isinstance(value, dict):
            return False
        try:
            data = codec.write(value, self._run.encoding)
        except codec.Unwritable:
            return False
        if len(data) > MOST_PROGRESS:
            return False
        self._run.progress = data
        return True


class ConformanceError(Exception):
    """An error as conformance.fail describes it."""

    def __init__(self, message: str, kind: str = "ConformanceError", final: bool = False, details: Any = None) -> None:
        super().__init__(message)
        self.kind = str(kind)
        self.final = final
        self.details = details


class Odd(BaseException):
    """An error that cannot even be printed."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def _echo(context: Context, /, *args: Any, **kwargs: Any) -> Any:
    return {"args": list(args), "kwargs": kwargs}


def _add(context: Context, /, a: Any, b: Any) -> Any:
    return a + b


def _context(context: Context, /, *args: Any, **kwargs: Any) -> Any:
    return {"id": context.id, "attempt": context.attempt, "run": context.run}


def _fail(
    context: Context,
    /,
    message: str = "failed",
    type: str = "ConformanceError",
    final: bool = False,
    details: Any = None,
    broken: bool = False,
    odd: bool = False,
) -> Any:
    if odd:
        raise Odd
    if broken:
        message += "\ud800"
    raise ConformanceError(message, type, final, details)


def _flaky(context: Context, /, n: int) -> Any:
    if context.attempt <= n:
        raise ConformanceError(f"attempt {context.attempt} of {n} that fail")
    return context.attempt


def _sleep(context: Context, /, ms: float) -> Any:
    if context.interrupted.wait(ms / 1000):
        raise ConformanceError(f"told of {context.told}")
    return ms


def _busy(context: Context, /, ms: float) -> Any:
    end = time.monotonic() + ms / 1000
    while time.monotonic() < end:
        pass
    return ms


def _barrier(context: Context, /, path: str) -> Any:
    while not os.path.exists(path):
        time.sleep(LOOK_S)
    return "open"


def _progress(context: Context, /, values: list[Any], path: str) -> Any:
    accepted = [context.report(value) for value in values]
    _barrier(context, path)
    return accepted


def _until_cancelled(context: Context, /, how: str) -> Any:
    context.cancelled.wait()
    if how == "return":
        return "stopped"
    raise ConformanceError("stopped")


def _big(context: Context, /, n: int) -> Any:
    return "x" * n


def _unserializable(context: Context, /, how: str) -> Any:
    if how == "nan":
        return float("nan")
    if how == "infinity":
        return float("inf")
    value: list[Any] = []
    for _ in range(39):
        value = [value]
    return value


def _exit(context: Context, /, code: int) -> Any:
    os._exit(code)


HANDLERS: dict[str, Callable[..., Any]] = {
    "conformance.echo": _echo,
    "conformance.add": _add,
    "conformance.context": _context,
    "conformance.fail": _fail,
    "conformance.flaky": _flaky,
    "conformance.sleep": _sleep,
    "conformance.busy": _busy,
    "conformance.barrier": _barrier,
    "conformance.progress": _progress,
    "conformance.until_cancelled": _until_cancelled,
    "conformance.big": _big,
    "conformance.unserializable": _unserializable,
    "conformance.exit": _exit,
}
