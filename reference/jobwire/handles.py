"""What enqueueing gives back: a job, chain or group to look at, wait for and cancel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import operations as ops
from .lifecycle import State
from .operations import DEFAULT_WAIT_S, View
from .outcome import Outcome
from .steps import ids_of, keeps_outcome

if TYPE_CHECKING:
    from .app import AsyncJobwire, Jobwire
    from .steps import Chain, Group, Known, Step


class _Names:
    """The jobs of a handle; `answers` are the server's to their enqueueing, none where somebody else did that."""

    __slots__ = ("_work", "answers")

    def __init__(self, work: Step | Chain | Group | Known, answers: Sequence[str]) -> None:
        self._work = work
        self.answers = tuple(answers)

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Queue and id of each job, in the order in which a waiter looks."""
        return ids_of(self._work)

    @property
    def queue(self) -> str:
        """The queue of the job; of a workflow's last."""
        return self.targets[-1][0]

    @property
    def id(self) -> str:
        """The id of the job; of a workflow's last."""
        return self.targets[-1][1]

    @property
    def ids(self) -> list[str]:
        """The ids of all jobs of a workflow, first to last."""
        return [job_id for _, job_id in self.targets]

    @property
    def accepted(self) -> bool:
        """Whether this call put every job in; false where an id was known before. [PROD-5]"""
        return bool(self.answers) and all(answer == "accepted" for answer in self.answers)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r} in {self.queue!r}>"

    def _wait(self, app: Any, timeout_s: float) -> ops.Operation[Outcome]:
        ops.refuse_unkept(keeps_outcome(self._work), self.id)
        return ops.wait(app._session, self.targets, timeout_s, bool(self.answers))


class Handle(_Names):
    """One job, or the last of a workflow."""

    __slots__ = ("_app",)

    def __init__(self, app: Jobwire, work: Step | Chain | Group | Known, answers: Sequence[str] = ()) -> None:
        super().__init__(work, answers)
        self._app = app

    def outcome(self, timeout: float = DEFAULT_WAIT_S) -> Outcome:
        """Wait up to `timeout` seconds and return how the job ended; raise WaitTimeout or OutcomeGone."""
        return self._app.run(self._wait(self._app, timeout))

    def result(self, timeout: float = DEFAULT_WAIT_S) -> Any:
        """Wait up to `timeout` seconds and return the result.

        Raises JobFailed, JobCancelled or JobExpired when the job ended so, WaitTimeout, or OutcomeGone.
        """
        return ops.result_of(self.outcome(timeout))

    def look(self) -> View:
        """Return state, attempt, stored outcome and progress as they are now."""
        return self._app.run(ops.look(self._app._session, self.targets[-1:]))[0]

    def look_all(self) -> list[View]:
        """Return what is known of every job of a workflow."""
        return self._app.run(ops.look(self._app._session, self.targets))

    def state(self) -> State:
        """Return the state as it is now."""
        return self.look().state

    def progress(self) -> dict[str, Any] | None:
        """Return what the handler reported last, while the job runs."""
        return self.look().progress

    def cancel(self) -> str:
        """Cancel the job, or every job of the workflow; `cancelled`, `requested`, `finished` or `unknown`.

        For a workflow it is the strongest of the answers: one job that is stopped stops what follows.
        """
        return strongest(self._app.run(ops.cancel(self._app._session, self.targets)))


class AsyncHandle(_Names):
    """One job, or the last of a workflow; see Handle."""

    __slots__ = ("_app",)

    def __init__(self, app: AsyncJobwire, work: Step | Chain | Group | Known, answers: Sequence[str] = ()) -> None:
        super().__init__(work, answers)
        self._app = app

    async def outcome(self, timeout: float = DEFAULT_WAIT_S) -> Outcome:
        """Wait up to `timeout` seconds and return how the job ended; see Handle.outcome."""
        return await self._app.run(self._wait(self._app, timeout))

    async def result(self, timeout: float = DEFAULT_WAIT_S) -> Any:
        """Wait up to `timeout` seconds and return the result; see Handle.result."""
        return ops.result_of(await self.outcome(timeout))

    async def look(self) -> View:
        """Return state, attempt, stored outcome and progress as they are now."""
        return (await self._app.run(ops.look(self._app._session, self.targets[-1:])))[0]

    async def look_all(self) -> list[View]:
        """Return what is known of every job of a workflow."""
        return await self._app.run(ops.look(self._app._session, self.targets))

    async def state(self) -> State:
        """Return the state as it is now."""
        return (await self.look()).state

    async def progress(self) -> dict[str, Any] | None:
        """Return what the handler reported last, while the job runs."""
        return (await self.look()).progress

    async def cancel(self) -> str:
        """Cancel the job, or every job of the workflow; see Handle.cancel."""
        return strongest(await self._app.run(ops.cancel(self._app._session, self.targets)))


def strongest(answers: Sequence[str]) -> str:
    """Return the answer that says most of a workflow's cancel."""
    return next(word for word in ("cancelled", "requested", "finished", "unknown") if word in answers)
