"""Jobwire: background jobs over Redis, by a protocol that any language can speak. See SPEC.md."""

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
