"""The handlers of the conformance suite; each says in a file when it starts and when it ends."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar

from jobwire import Failure, Jobwire, JobwireError, current_job

H = TypeVar("H", bound=Callable[..., Any])

LOOK_AGAIN_S = 0.01
NO_VALUES: dict[str, Callable[[], Any]] = {
    "nan": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "deep": lambda: nested(40),
}

app = Jobwire(os.environ["JOBWIRE_REDIS_URL"], namespace=os.environ["JOBWIRE_NAMESPACE"])
log = os.open(os.environ["JOBWIRE_CONFORMANCE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def handler(function: H) -> H:
    """Register a function under its name, and write down when it starts and ends."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        write("start")
        try:
            return function(*args, **kwargs)
        finally:
            write("end", told=current_job().told)

    app.job(f"conformance.{function.__name__}")(run)
    return function


def write(event: str, **more: Any) -> None:
    """Append a line, with one write."""
    job = current_job()
    entry = {
        "event": event, "id": job.id, "type": job.type, "attempt": job.attempt, "run": job.run,
        "worker": os.environ["JOBWIRE_WORKER"], "at": time.time() * 1000, **more,
    }  # fmt: skip
    os.write(log, json.dumps(entry).encode() + b"\n")


@handler
def echo(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the arguments."""
    return {"args": args, "kwargs": kwargs}


@handler
def add(a: Any, b: Any) -> Any:
    """Return the sum."""
    return a + b


@handler
def context(*_: Any, **__: Any) -> dict[str, Any]:
    """Return what the worker says of the job."""
    job = current_job()
    return {"id": job.id, "attempt": job.attempt, "run": job.run}


class Odd(SystemExit):
    """An order to end the process, in place of whose text comes another one."""

    def __str__(self) -> NoReturn:
        raise KeyboardInterrupt


@handler
def fail(
    message: str = "failed",
    type: str = "ConformanceError",
    final: bool = False,
    details: Any = None,
    broken: bool = False,
    odd: bool = False,
) -> NoReturn:
    """End in an error."""
    if odd:
        raise Odd
    if broken:
        message += "\ud800"
    if final or details is not None or not type.isidentifier():
        raise Failure(message, type=type, details=details, retry=not final)
    raise named(type)(message)


def named(name: str) -> Callable[[str], Exception]:
    """Return a class of errors of this name."""
    return type(name, (Exception,), {})


@handler
def flaky(n: int) -> int:
    """Fail up to attempt n."""
    attempt = current_job().attempt
    if attempt <= n:
        raise named("ConformanceError")(f"attempt {attempt} of {n} that fail")
    return attempt


@handler
def sleep(ms: float) -> None:
    """Sleep, unless told of a cancel or time-out."""
    job = current_job()
    until = time.monotonic() + ms / 1000
    while (left := until - time.monotonic()) > 0:
        if job.told in ("cancel", "timeout"):
            raise InterruptedError(f"told of a {job.told}")
        time.sleep(min(left, LOOK_AGAIN_S))


@handler
def busy(ms: float) -> float:
    """Keep the processor busy."""
    until = time.monotonic() + ms / 1000
    while time.monotonic() < until:
        pass
    return ms


@handler
def barrier(path: str) -> str:
    """Wait for a file."""
    while not os.path.exists(path):
        time.sleep(LOOK_AGAIN_S)
    return "open"


@handler
def progress(list: list[Any], path: str) -> list[bool]:
    """Report each value, and say which were accepted."""
    accepted = [report(value) for value in list]
    barrier(path)
    return accepted


def report(value: Any) -> bool:
    """Report a value, and say whether it was accepted."""
    try:
        current_job().progress(**value)
    except (JobwireError, TypeError):
        return False
    return True


@handler
def until_cancelled(how: str) -> str:
    """Wait until told of a cancel."""
    while current_job().told != "cancel":
        time.sleep(LOOK_AGAIN_S)
    if how != "return":
        raise InterruptedError("told of a cancel")
    return "stopped"


@handler
def big(n: int) -> str:
    """Return a long string."""
    return "x" * n


@handler
def unserializable(how: str) -> Any:
    """Return what is no value of the protocol."""
    return NO_VALUES[how]()


def nested(depth: int) -> list[Any]:
    """Return arrays in one another."""
    return [] if depth == 1 else [nested(depth - 1)]


@handler
def exit(code: int) -> NoReturn:
    """End the process at once."""
    os._exit(code)
