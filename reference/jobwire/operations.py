"""What a client does, without the sending: each operation yields what to send and is sent the replies.

An operation yields a `Send`, and gets the replies of its calls, or an `Ahead`, and gets those of the one before; a
`Listen`, to hear the end of jobs; or a `Pause`, to sleep until one is heard or the time is over. `Jobwire` and
`AsyncJobwire` drive the same operations.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from . import scripts
from .clock import ServerClock
from .envelope import check_id
from .errors import (
    JobCancelled,
    JobEnded,
    JobExpired,
    JobFailed,
    Malformed,
    OutcomeGone,
    Refused,
    Rejected,
    WaitTimeout,
)
from .keys import QueueKeys, queue_keys
from .lifecycle import ENDED, State
from .outcome import Code, ErrorInfo, Outcome, OutcomeState, decode_outcome, write_error
from .scripts import Call, Look
from .steps import Chain, Group, Ready, Step, build, build_step, needs_clock
from .values import Encoding, decode_object

# How many jobs, and about how many bytes, go into one call. [CALL-3] [CALL-4]
ENQUEUE_JOBS = 500
ENQUEUE_BYTES = 4 * 1_048_576
LOOK_IDS = 250

# How long a wait sleeps at most between two looks. [WAIT-1]
LOOK_AGAIN_S = 1.0
DEFAULT_WAIT_S = 60.0
CANCELLED_TTL_MS = 3_600_000


class Send(NamedTuple):
    """Send these calls and give back their replies."""

    calls: list[Call]


class Ahead(NamedTuple):
    """Send these calls, and give back the replies to those of the Ahead before: an empty list for the first."""

    calls: list[Call]


class Listen(NamedTuple):
    """Subscribe to these channels, then send these calls and give back their replies."""

    channels: list[str]
    calls: list[Call]


class Pause(NamedTuple):
    """Sleep until a channel says something, at most so many seconds, and give back what it said, if it did."""

    seconds: float


class View(NamedTuple):
    """What is known of one job: its state, attempt, stored outcome and progress; `problem` if one is unreadable."""

    state: State
    attempt: int
    outcome: Outcome | None
    progress: dict[str, Any] | None
    problem: Rejected | None = None


R = TypeVar("R")
Operation = Generator[Send | Ahead | Listen | Pause, Any, R]


class Session(NamedTuple):
    """What every operation of one client needs to know."""

    namespace: str
    encoding: Encoding
    clock: ServerClock

    def keys(self, queue: str) -> QueueKeys:
        """Return the keys of a queue."""
        return queue_keys(self.namespace, queue)


def enqueue(session: Session, work: Step | Chain | Group) -> Operation[list[str]]:
    """Enqueue a job, chain or group and return the answers, one for each job that is enqueued now."""
    if needs_clock(work):
        yield from _tell_time(session)
    if isinstance(work, Step):
        return (yield from _enqueue_one(session, work))
    ready = build(work, session.encoding, session.clock.now_ms())
    parts = _parts(session, ready)
    replies = yield Send([part.call for part in parts])
    return _answers(session, ready, parts, replies)


def _enqueue_one(session: Session, step: Step) -> Operation[list[str]]:
    queue, job = build_step(step, session.encoding, session.clock.now_ms())
    now, word = (yield Send([scripts.enqueue(session.keys(queue), [job])]))[0]
    session.clock.tell(now)
    if word == b"refused":
        raise _refused(job.id)
    return [word.decode()]


def enqueue_many(session: Session, steps: Iterable[Step]) -> Operation[list[tuple[Step, str]]]:
    """Enqueue steps in batches, building each while the server takes in the one before; return each with its answer."""
    told: list[tuple[Step, str]] = []
    batches: deque[tuple[list[Step], list[Ready], list[_Part]]] = deque()

    def take(replies: list[Any]) -> None:
        steps, ready, parts = batches.popleft()
        told.extend(zip(steps, _answers(session, ready, parts, replies), strict=True))

    batch: list[Step] = []
    ready: list[Ready] = []
    size = 0
    for step in steps:
        if step.options.relative:
            yield from _tell_time(session)
        built = build_step(step, session.encoding, session.clock.now_ms())
        batch.append(step)
        ready.append(built)
        size += len(built.job.envelope)
        if len(batch) == ENQUEUE_JOBS or size >= ENQUEUE_BYTES:
            parts = _parts(session, ready)
            batches.append((batch, ready, parts))
            replies = yield Ahead([part.call for part in parts])
            if len(batches) > 1:
                take(replies)
            batch, ready, size = [], [], 0
    if batches:
        take((yield Ahead([])))
    if batch:
        parts = _parts(session, ready)
        batches.append((batch, ready, parts))
        take((yield Send([part.call for part in parts])))
    return told


class _Part(NamedTuple):
    """One call, and which of the jobs that are meant together are in it."""

    numbers: Sequence[int]
    call: Call


def _parts(session: Session, ready: Sequence[Ready]) -> list[_Part]:
    """Return the calls that enqueue these jobs: each for one queue, and none too large. [CALL-3] [CALL-4]"""
    by_queue: dict[str, list[int]] = {}
    for number, each in enumerate(ready):
        by_queue.setdefault(each.queue, []).append(number)
    parts = []
    for queue, numbers in by_queue.items():
        first = size = 0
        for last, number in enumerate(numbers, 1):
            size += len(ready[number].job.envelope)
            if last - first == ENQUEUE_JOBS or size >= ENQUEUE_BYTES or last == len(numbers):
                part = numbers[first:last]
                parts.append(_Part(part, scripts.enqueue(session.keys(queue), [ready[i].job for i in part])))
                first, size = last, 0
    return parts


def _answers(session: Session, ready: Sequence[Ready], parts: Sequence[_Part], replies: Sequence[Any]) -> list[str]:
    answers = [""] * len(ready)
    for part, reply in zip(parts, replies, strict=True):
        session.clock.tell(reply[0])
        for number, word in zip(part.numbers, scripts.words(reply), strict=True):
            answers[number] = word
            if word == "refused":
                raise _refused(ready[number].job.id)
    return answers


def _refused(job_id: str) -> Refused:
    return Refused(f"enqueue: the server refused job {job_id!r} [PROD-5]")


def _tell_time(session: Session) -> Operation[None]:
    if not session.clock.known:
        reply = (yield Send([scripts.look(session.keys("default"), ["-"])]))[0]
        session.clock.tell(reply[0])


def look(session: Session, targets: Sequence[tuple[str, str]]) -> Operation[list[View]]:
    """Return what is known of each (queue, id), in that order."""
    parts = _look_parts(session, targets)
    return _views(session, targets, parts, (yield Send([part.call for part in parts])))


def _look_parts(session: Session, targets: Sequence[tuple[str, str]]) -> list[_Part]:
    by_queue: dict[str, list[int]] = {}
    for number, (queue, _) in enumerate(targets):
        by_queue.setdefault(queue, []).append(number)
    parts = []
    for queue, numbers in by_queue.items():
        for first in range(0, len(numbers), LOOK_IDS):
            part = numbers[first : first + LOOK_IDS]
            parts.append(_Part(part, scripts.look(session.keys(queue), [targets[number][1] for number in part])))
    return parts


def _views(
    session: Session, targets: Sequence[tuple[str, str]], parts: Sequence[_Part], replies: Sequence[Any]
) -> list[View]:
    views: list[View] = [NOTHING] * len(targets)
    for part, reply in zip(parts, replies, strict=True):
        session.clock.tell(reply[0])
        for number, seen in zip(part.numbers, scripts.looked(reply), strict=True):
            views[number] = _view(seen)
    return views


NOTHING = View(State.UNKNOWN, 0, None, None)


def _view(seen: Look) -> View:
    outcome = progress = problem = None
    try:
        progress = decode_object(seen.progress) if seen.progress else None
        outcome = decode_outcome(seen.document) if seen.document else None
        if seen.state == "finished" and (outcome is None or outcome.state is OutcomeState.RETRYING):
            raise Malformed(f"outcome: expected how the job ended, got {seen.document!r:.80} [WAIT-4]")
    except Rejected as error:
        problem = error
    if seen.state != "finished":
        return View(State(seen.state), seen.attempt, outcome, progress, problem)
    if outcome is None or problem is not None:
        # That it is over is known, but not how.
        return View(State.UNKNOWN, 0, None, None, problem)
    return View(State(outcome.state.value), outcome.attempt, outcome, progress)


def wait(session: Session, targets: Sequence[tuple[str, str]], timeout_s: float, confirmed: bool) -> Operation[Outcome]:
    """Return the outcome that ends a job or workflow; the last target's is the result. [WAIT-4] [FLOW-17]

    Raises WaitTimeout after `timeout_s` seconds, and OutcomeGone when no outcome is kept any more.
    """
    give_up = time.monotonic() + timeout_s
    channels = [session.keys(queue).result(job_id) for queue, job_id in targets]
    parts = _look_parts(session, targets)
    replies = yield Listen(channels, [part.call for part in parts])
    views = _views(session, targets, parts, replies)
    known = confirmed
    while True:
        for view in views:
            if view.problem is not None and view.state in (State.UNKNOWN, State.FAILED):
                raise view.problem
        verdict = judge(views)
        if verdict is not None:
            return verdict
        nothing = all(view.state is State.UNKNOWN for view in views)
        if nothing and known:
            raise OutcomeGone(None, f"job {targets[-1][1]!r}: its outcome is no longer kept [WAIT-5]")
        known = known or not nothing
        left = give_up - time.monotonic()
        if left <= 0:
            raise WaitTimeout(f"job {targets[-1][1]!r}: expected an outcome within {timeout_s} s, got none [WAIT-3]")
        said = yield Pause(min(left, LOOK_AGAIN_S))
        outcome = _told(said) if said and len(targets) == 1 else None
        if outcome is not None:
            return outcome
        views = yield from look(session, targets)


def _told(said: bytes) -> Outcome | None:
    """Read what a channel said; None for what is no end of a job, where a look will tell more."""
    try:
        outcome = decode_outcome(said)
    except Rejected:
        return None
    return None if outcome.state is OutcomeState.RETRYING else outcome


def judge(views: Sequence[View]) -> Outcome | None:
    """Return the outcome that ends the wait for a workflow, if one does. [FLOW-17]"""
    last = views[-1]
    if last.state in ENDED and last.outcome is not None:
        return last.outcome
    for view in views[:-1]:
        if view.state in ENDED and view.outcome is not None and view.outcome.state is not OutcomeState.SUCCEEDED:
            return view.outcome
    return None


_RAISES: dict[OutcomeState, type[JobEnded]] = {
    OutcomeState.FAILED: JobFailed,
    OutcomeState.CANCELLED: JobCancelled,
    OutcomeState.EXPIRED: JobExpired,
}


def result_of(outcome: Outcome) -> Any:
    """Return the result of a succeeded outcome, else raise JobFailed, JobCancelled or JobExpired."""
    if outcome.state is OutcomeState.SUCCEEDED:
        return outcome.result
    error = outcome.error
    said = f"{error.code}: {error.type + ': ' if error.type else ''}{error.message}" if error else outcome.state.value
    raise _RAISES.get(outcome.state, JobFailed)(outcome, f"job {outcome.id!r}: {said}")


def cancel(session: Session, targets: Sequence[tuple[str, str]]) -> Operation[list[str]]:
    """Cancel jobs, first to last, and return the answers."""
    answers = []
    for queue, job_id in targets:
        document = write_error(
            check_id(job_id, "id"),
            0,
            OutcomeState.CANCELLED,
            ErrorInfo(code=Code.CANCELLED, message="cancelled on request"),
            None,
            session.clock.now_ms(),
            session.encoding,
        )
        reply = (yield Send([scripts.cancel(session.keys(queue), job_id, document, CANCELLED_TTL_MS)]))[0]
        answers += scripts.words(reply)
    return answers


def requeue(session: Session, queue: str, ids: Sequence[str]) -> Operation[list[str]]:
    """Put failed jobs back and return the answers."""
    answers: list[str] = []
    for first in range(0, len(ids), scripts.MAX_JOBS):
        part = ids[first : first + scripts.MAX_JOBS]
        answers += scripts.words((yield Send([scripts.requeue(session.keys(queue), part)]))[0])
    return answers


def purge(session: Session, queue: str, before_ms: int) -> Operation[int]:
    """Delete the jobs that failed at or before an instant and return how many."""
    count = 0
    while True:
        part: int = (yield Send([scripts.purge(session.keys(queue), before_ms, scripts.MAX_JOBS)]))[0][1]
        count += part
        if part < scripts.MAX_JOBS:
            return count


def configure(session: Session, queue: str, field: str, value: int | None) -> Operation[None]:
    """Set, or with None unset, one setting of a queue."""
    yield Send([scripts.configure(session.keys(queue), field, "" if value is None else str(value))])


def refuse_unkept(keeps: bool, job_id: str) -> None:
    """Raise Refused for a wait that no outcome can end. [WAIT-6]"""
    if not keeps:
        raise Refused(f"job {job_id!r}: expected result_ttl_ms over 0 to wait for, got 0 [WAIT-6]")
