"""Jobwire: background jobs over Redis, by a protocol that any language can speak. See SPEC.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import AsyncJobwire, Jobwire
    from .context import JobContext, current_job
    from .envelope import Envelope, Retry
    from .errors import (
        Failure,
        Invalid,
        JobCancelled,
        JobEnded,
        JobExpired,
        JobFailed,
        JobwireError,
        LayoutMismatch,
        Malformed,
        OutcomeGone,
        Refused,
        Rejected,
        ScriptRefused,
        ServerError,
        TooLarge,
        Unavailable,
        UnknownJob,
        UnsupportedVersion,
        ValueRefused,
        WaitTimeout,
    )
    from .handles import AsyncHandle, Handle
    from .lifecycle import State
    from .operations import View
    from .outcome import ErrorInfo, Outcome, OutcomeState
    from .registry import JobFunction, Workflow
    from .steps import Options, Step
    from .values import Encoding
    from .worker import Worker, WorkerSettings

_NAMES = {
    "app": ("AsyncJobwire", "Jobwire"),
    "context": ("JobContext", "current_job"),
    "envelope": ("Envelope", "Retry"),
    "errors": (
        *("Failure", "Invalid", "JobCancelled", "JobEnded", "JobExpired", "JobFailed", "JobwireError"),
        *("LayoutMismatch", "Malformed", "OutcomeGone", "Refused", "Rejected", "ScriptRefused", "ServerError"),
        *("TooLarge", "Unavailable", "UnknownJob", "UnsupportedVersion", "ValueRefused", "WaitTimeout"),
    ),
    "handles": ("AsyncHandle", "Handle"),
    "lifecycle": ("State",),
    "operations": ("View",),
    "outcome": ("ErrorInfo", "Outcome", "OutcomeState"),
    "registry": ("JobFunction", "Workflow"),
    "steps": ("Options", "Step"),
    "values": ("Encoding",),
    "worker": ("Worker", "WorkerSettings"),
}
__all__ = [
    "AsyncHandle",
    "AsyncJobwire",
    "Encoding",
    "Envelope",
    "ErrorInfo",
    "Failure",
    "Handle",
    "Invalid",
    "JobCancelled",
    "JobContext",
    "JobEnded",
    "JobExpired",
    "JobFailed",
    "JobFunction",
    "Jobwire",
    "JobwireError",
    "LayoutMismatch",
    "Malformed",
    "Options",
    "Outcome",
    "OutcomeGone",
    "OutcomeState",
    "Refused",
    "Rejected",
    "Retry",
    "ScriptRefused",
    "ServerError",
    "State",
    "Step",
    "TooLarge",
    "Unavailable",
    "UnknownJob",
    "UnsupportedVersion",
    "ValueRefused",
    "View",
    "WaitTimeout",
    "Worker",
    "WorkerSettings",
    "Workflow",
    "current_job",
]


if not TYPE_CHECKING:
    # At first use, as a producer needs no worker, and the help of the command line none of it.
    def __getattr__(name: str) -> object:
        """Import what a public name stands for."""
        from importlib import import_module

        for module, names in _NAMES.items():
            if name in names:
                found = globals()[name] = getattr(import_module(f".{module}", __name__), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Return the public names, imported or not."""
        return sorted({*globals(), *__all__})
