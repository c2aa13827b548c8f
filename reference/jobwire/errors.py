"""The errors that Jobwire raises, split by who is to blame.

JobwireError
    Rejected                a document that breaks SPEC section 4, whoever wrote it
        Malformed           not decodable, or not an object
        UnsupportedVersion  another major version
        Invalid             a field that the tables do not allow
    Refused                 the caller asked for what the protocol does not allow
        ValueRefused        a value that both encodings cannot carry
        TooLarge            an envelope or outcome over its limit
        UnknownJob          a name that no handler is registered for
    JobEnded                a waited-for job that ended other than succeeded
        JobFailed, JobCancelled, JobExpired
        OutcomeGone         its outcome is no longer kept
    WaitTimeout             the wait was over before the job
    ServerError             the server, or the way to it
        Unavailable         no answer in time
        LayoutMismatch      the queue holds keys of another layout
        ScriptRefused       a script refused its arguments
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .outcome import Outcome


class JobwireError(Exception):
    """The root of all errors that Jobwire raises."""


class Rejected(JobwireError):
    """Say why a document is not accepted; `code` is the class of SPEC section 4.3."""

    code = "malformed"
    field: str | None = None


class Malformed(Rejected):
    """The bytes are not a JSON or MessagePack object. [ENC-1]"""


class UnsupportedVersion(Rejected):
    """The envelope has another major version. [FIELD-3]"""

    code = "unsupported_version"


class Invalid(Rejected):
    """A field has a value that SPEC's tables do not allow; `field` is its dotted name. [FIELD-7]"""

    code = "invalid"

    def __init__(self, field: str, problem: str, rule: str = "FIELD-5") -> None:
        super().__init__(f"{field}: {problem} [{rule}]")
        self.field = field


class Refused(JobwireError):
    """The caller asked for what the protocol does not allow."""


class ValueRefused(Refused):
    """A value that JSON and MessagePack cannot both carry. [VAL-3]"""


class TooLarge(Refused):
    """An envelope, outcome or progress over its limit. [VAL-10]"""


class UnknownJob(Refused):
    """No handler is registered under this name."""


class JobEnded(JobwireError):
    """A job that was waited for ended other than succeeded; `outcome` says how."""

    def __init__(self, outcome: Outcome | None, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class JobFailed(JobEnded):
    """The job failed; `outcome.error` has code, message, type, details and stack."""


class JobCancelled(JobEnded):
    """The job was cancelled."""


class JobExpired(JobEnded):
    """The job was not started before its `expires_at`."""


class OutcomeGone(JobEnded):
    """The job is over and its outcome is no longer kept. [WAIT-5]"""


class WaitTimeout(JobwireError, TimeoutError):
    """The wait was over before the job was. [WAIT-3]"""


class ServerError(JobwireError):
    """The server, or the way to it, is at fault."""


class Unavailable(ServerError):
    """The server gave no answer, or none that helps, in the time allowed."""


class LayoutMismatch(ServerError):
    """The queue holds keys of another layout. [CALL-5]"""


class ScriptRefused(ServerError):
    """A script refused its arguments; nothing was written. [CALL-6]"""


class Failure(Exception):
    """Raise this in a handler to say exactly how the job failed.

    `type` is what `no_retry_on` is compared with, `details` any value for programs;
    `retry=False` makes the failure final. [RETRY-3]
    """

    def __init__(self, message: str = "", *, type: str | None = None, details: Any = None, retry: bool = True) -> None:
        super().__init__(message)
        self.type = type
        self.details = details
        self.retry = retry
