"""Decide how each run is settled: SPEC sections 9.2 and 9.3, without I/O."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from .. import workflow
from ..clock import ServerClock
from ..envelope import check_id, check_used, decode
from ..errors import Failure, Invalid, Malformed, Rejected, TooLarge, ValueRefused
from ..lifecycle import Verb
from ..outcome import Code, ErrorInfo, Outcome, OutcomeState, decode_outcome, write_error, write_success
from ..registry import JobFunction
from ..retry import delay_ms
from ..values import Encoding, encoding_of
from .held import Ending, Held

# A handed-over job keeps its outcome, so that handing it over again finds it. [RUN-11]
LEAST_TTL_OF_CHILD_MS = 3_600_000
UNDECODABLE_TTL_MS = 600_000
LEAST_DELAY_AFTER_TIMEOUT_MS = 1000

_VERBS = {
    OutcomeState.SUCCEEDED: Verb.SUCCEED,
    OutcomeState.FAILED: Verb.FAIL,
    OutcomeState.CANCELLED: Verb.CANCEL,
    OutcomeState.EXPIRED: Verb.EXPIRE,
}


class Judge:
    """Make the ending of each run; `chance` gives numbers in [0, 1)."""

    def __init__(
        self,
        jobs: Mapping[str, JobFunction[Any]],
        name: str,
        clock: ServerClock,
        stacks: bool,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._jobs = jobs
        self._name = name
        self._clock = clock
        self._stacks = stacks
        self._chance = chance

    def admit(self, held: Held) -> Ending | None:
        """Read a claimed job; return its ending if its handler is not to run, else None. [RUN-5] to [RUN-8]"""
        try:
            held.encoding = encoding_of(held.data)
            envelope = held.envelope = decode(held.data, held.encoding)
            check_place(held)
            check_used(envelope)
            job = self._jobs.get(envelope.type)
            if job is None:
                check_id(envelope.type, "type")
        except Rejected as error:
            return self._reject(held, error)
        if held.document:
            return self._close(held)
        if envelope.expires_at is not None and self._clock.now_ms() >= envelope.expires_at:
            error_info = ErrorInfo(code=Code.EXPIRED, message=f"not started before expires_at {envelope.expires_at}")
            return Ending(Verb.EXPIRE, self._write(held, OutcomeState.EXPIRED, error_info), ttl_ms(held))
        if job is None:
            return self._unknown_type(held)
        held.job = job
        return None

    def _reject(self, held: Held, error: Rejected) -> Ending:
        if isinstance(error, Malformed):
            held.encoding = Encoding.JSON
        if held.document:
            return self._close_unread(held)
        details = {"field": error.field} if isinstance(error, Invalid) else None
        return self.fail(held, ErrorInfo(code=error.code, message=str(error), details=details))

    def _close_unread(self, held: Held) -> Ending:
        """Return the ending of a job with a stored outcome whose envelope is rejected. [RUN-4]"""
        try:
            verb = _VERBS[decode_outcome(held.document).state]
        except (Rejected, KeyError) as error:
            return self._no_outcome(held, error)
        return Ending(verb, held.document, 0 if verb is Verb.FAIL else UNDECODABLE_TTL_MS)

    def _no_outcome(self, held: Held, error: Exception) -> Ending:
        message = f"the stored outcome is not readable: {error} [RUN-4]"
        return self.fail(held, ErrorInfo(code=Code.MALFORMED, message=message))

    def _close(self, held: Held) -> Ending:
        try:
            outcome = decode_outcome(held.document)
            verb = _VERBS[outcome.state]
        except (Rejected, KeyError) as error:
            return self._no_outcome(held, error)
        if verb is Verb.SUCCEED and hands_over(held):
            # Deciding again changes nothing, and leads to the hand-over as the first time. [RUN-2]
            return self._prepare(held, outcome) or Ending(Verb.DECIDE, held.document, 0)
        return closing(held, verb, held.document)

    def _prepare(self, held: Held, outcome: Outcome) -> Ending | None:
        if not held.envelope.then:
            return None
        try:
            held.next = workflow.next_of_chain(held.envelope, outcome.result, held.encoding)
        except (TooLarge, ValueRefused, Rejected) as error:
            return self.not_handed_over(held, error)
        return None

    def _unknown_type(self, held: Held) -> Ending:
        policy = held.envelope.policy
        error = ErrorInfo(code=Code.UNKNOWN_TYPE, message=f"no handler for type {held.envelope.type!r} [RUN-8]")
        if held.attempt >= policy.max_attempts:
            return self.fail(held, error)
        return Ending(Verb.RETRY, self._write(held, OutcomeState.RETRYING, error), policy.max_delay_ms)

    def succeeded(self, held: Held, result: Any) -> Ending:
        """Return the ending of a handler that returned; a decide where there is something to hand over. [RUN-11]"""
        envelope = held.envelope
        depth = workflow.THEN_DEPTH if envelope.then else workflow.JOIN_DEPTH if envelope.join is not None else 31
        try:
            document = write_success(
                held.id, held.attempt, result, self._name, self._clock.now_ms(), held.encoding, depth
            )
            if envelope.then:
                held.next = workflow.next_of_chain(envelope, result, held.encoding)
        except ValueRefused as error:
            return self._final(held, ErrorInfo(code=Code.RESULT_UNSERIALIZABLE, message=str(error)))
        except TooLarge as error:
            return self._final(held, ErrorInfo(code=Code.RESULT_TOO_LARGE, message=str(error)))
        if hands_over(held):
            return Ending(Verb.DECIDE, document, 0)
        return Ending(Verb.SUCCEED, document, ttl_ms(held))

    def errored(self, held: Held, error: BaseException) -> Ending:
        """Return the ending of a handler that raised. [RETRY-1] to [RETRY-5]"""
        kind: str | None = type(error).__name__
        details, final = None, False
        if isinstance(error, Failure):
            kind, details, final = error.type, error.details, not error.retry
        stack = "".join(traceback.format_exception(error)) if self._stacks else None
        info = ErrorInfo(code=Code.HANDLER_ERROR, message=_text(error), type=kind, details=details, stack=stack)
        return self._final(held, info) if final else self._retry_or_fail(held, info, 0)

    def timed_out(self, held: Held) -> Ending:
        """Return the ending of a run that is over its timeout_ms. [RETRY-7] [RETRY-8]"""
        message = f"the handler was not done within {held.envelope.timeout_ms} ms"
        return self._retry_or_fail(held, ErrorInfo(code=Code.TIMEOUT, message=message), LEAST_DELAY_AFTER_TIMEOUT_MS)

    def cancelled(self, held: Held) -> Ending:
        """Return the ending of a job whose cancel is requested and that did not succeed. [CANCEL-3]"""
        error = ErrorInfo(code=Code.CANCELLED, message="cancelled on request")
        return Ending(Verb.CANCEL, self._write(held, OutcomeState.CANCELLED, error), ttl_ms(held))

    def fail(self, held: Held, error: ErrorInfo) -> Ending:
        """Return a final failure."""
        return Ending(Verb.FAIL, self._write(held, OutcomeState.FAILED, error), 0)

    def not_handed_over(self, held: Held, error: Exception) -> Ending:
        """Return the failure of a job whose next envelope cannot be written. [FLOW-4] [FLOW-13]"""
        code = Code.RESULT_TOO_LARGE if isinstance(error, TooLarge) else Code.RESULT_UNSERIALIZABLE
        return self.fail(held, ErrorInfo(code=code, message=str(error)))

    def _final(self, held: Held, error: ErrorInfo) -> Ending:
        return self.cancelled(held) if held.cancel_requested else self.fail(held, error)

    def _retry_or_fail(self, held: Held, error: ErrorInfo, least_ms: int) -> Ending:
        if held.cancel_requested:
            return self.cancelled(held)
        policy = held.envelope.policy
        name = error.code if error.type is None else error.type
        if name in policy.no_retry_on or held.attempt >= policy.max_attempts:
            return self.fail(held, error)
        wait_ms = max(delay_ms(policy, held.attempt, self._chance()), least_ms)
        return Ending(Verb.RETRY, self._write(held, OutcomeState.RETRYING, error), wait_ms)

    def _write(self, held: Held, state: OutcomeState, error: ErrorInfo) -> bytes:
        return write_error(held.id, held.attempt, state, error, self._name, self._clock.now_ms(), held.encoding)


def check_place(held: Held) -> None:
    """Raise Invalid unless the envelope names the id and queue that it was claimed under. [RUN-6]"""
    if held.envelope.id != held.id:
        raise Invalid("id", f"expected {held.id!r}, under which it was claimed, got {held.envelope.id!r:.140}", "RUN-6")
    if held.envelope.queue != held.keys.queue:
        raise Invalid(
            "queue", f"expected {held.keys.queue!r}, where it was claimed, got {held.envelope.queue!r:.140}", "RUN-6"
        )


def hands_over(held: Held) -> bool:
    """Whether the job's success is followed by another job or a join."""
    return bool(held.envelope.then) or held.envelope.join is not None


def ttl_ms(held: Held) -> int:
    """Return how long the outcome is kept. [RUN-11] [RUN-12]"""
    kept_ms = held.envelope.result_ttl_ms
    return max(kept_ms, LEAST_TTL_OF_CHILD_MS) if held.envelope.parent_id is not None else kept_ms


def closing(held: Held, verb: Verb, document: bytes) -> Ending:
    """Return the ending that closes a job with a stored outcome. [RUN-2] [FLOW-12]"""
    return Ending(verb, document, 0 if verb is Verb.FAIL else ttl_ms(held))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # an error whose own text raises, be it an order to end the process [RUN-15]
        return f"<{type(error).__name__} without a readable message>"
