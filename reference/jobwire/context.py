"""What a handler may know of the job that it runs."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from .errors import UnknownJob
from .values import MAX_PROGRESS_BYTES, check_value, encode

if TYPE_CHECKING:
    from .worker.held import Held

running: ContextVar[Held] = ContextVar("jobwire_running")


class JobContext:
    """The job that this code runs for. [RUN-10]"""

    __slots__ = ("_held",)

    def __init__(self, held: Held) -> None:
        self._held = held

    @property
    def id(self) -> str:
        """The id of the job."""
        return self._held.id

    @property
    def queue(self) -> str:
        """The queue that the job was claimed from."""
        return self._held.keys.queue

    @property
    def type(self) -> str:
        """The type of the job."""
        return self._held.envelope.type

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._held.attempt

    @property
    def max_attempts(self) -> int:
        """How many attempts the job has."""
        return self._held.envelope.policy.max_attempts

    @property
    def run(self) -> int:
        """How often this id has been claimed; grows with every run, so it can fence side effects."""
        return int(self._held.token.partition(".")[0])

    @property
    def headers(self) -> dict[str, Any]:
        """The headers that the producer wrote."""
        return self._held.envelope.headers

    @property
    def cancelled(self) -> bool:
        """Whether the handler should stop: cancel requested, timed out, or the lease is lost. [CANCEL-1] [RETRY-9]"""
        return self.told is not None

    @property
    def told(self) -> Literal["cancel", "timeout", "lost"] | None:
        """Why the handler should stop, None if it should not. [CANCEL-1] [RETRY-9] [LEASE-4]"""
        held = self._held
        if held.cancel_requested:
            return "cancel"
        if held.timed_out:
            return "timeout"
        return "lost" if held.lost else None

    def progress(self, /, **report: Any) -> None:
        """Report progress as named values, 65536 bytes at most; the last report replaces earlier ones. [OUT-7]

        Raises ValueRefused or TooLarge.
        """
        check_value(report, "progress")
        self._held.report(encode(report, self._held.encoding, "progress", MAX_PROGRESS_BYTES))


def current_job() -> JobContext:
    """Return the context of the running job; raise UnknownJob outside of a handler."""
    try:
        return JobContext(running.get())
    except LookupError:
        raise UnknownJob("current_job: expected to be called by a running handler") from None
