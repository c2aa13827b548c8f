"""Settle what ended, and hand over what follows: decide, hand over, close. [FLOW-3]"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .. import scripts, workflow
from ..client import LONGEST_PAUSE_S, pauses
from ..errors import Invalid, Rejected, TooLarge, ValueRefused
from ..keys import QueueKeys
from ..lifecycle import Verb
from ..outcome import Code, ErrorInfo
from ..scripts import Call
from ..values import MAX_BYTES
from .held import Ending, Held
from .judge import Judge, closing

# How many jobs and bytes go into one call. [CALL-3] [CALL-4]
CALL_JOBS = 500
CALL_BYTES = 8 * MAX_BYTES

log = logging.getLogger("jobwire.worker")


class Step(NamedTuple):
    """One call and what to do with its reply; a hand-over that fails holds up nothing else."""

    call: Call
    take: Callable[[Any], None]
    hands_over: bool = False


class Settling:
    """All jobs whose end is decided on and not yet confirmed by the server; the dispatcher is the only caller."""

    def __init__(self, judge: Judge, keys: Callable[[str], QueueKeys], forget: Callable[[Held], None]) -> None:
        self._judge = judge
        self._keys = keys
        self._forget = forget
        self._endings: dict[str, deque[tuple[Held, Ending]]] = {}
        self._joins: deque[tuple[Held, bytes]] = deque()
        self._passes: deque[tuple[Held, bytes]] = deque()
        # Hand-overs that failed, and when they are sent again. [FLOW-14]
        self._put_off: list[tuple[Held, bytes]] = []
        self._again_at = 0.0
        self._pauses = pauses()

    @property
    def due_s(self) -> float | None:
        """In how many seconds something is to be sent, 0 if now; None if nothing waits for the server."""
        if self._joins or self._passes or any(self._endings.values()):
            return 0.0
        return max(self._again_at - time.monotonic(), 0.0) if self._put_off else None

    @property
    def pending(self) -> bool:
        """Whether anything waits for the server."""
        return self.due_s is not None

    def add(self, held: Held, ending: Ending) -> None:
        """Settle a job so, unless its lease is known to be lost; what its handler may return later does not count."""
        held.settled = True
        if held.lost:  # what it returned is dropped [RUN-16]
            self._forget(held)
            return
        waiting = self._endings.get(held.keys.queue)
        if waiting is None:
            waiting = self._endings[held.keys.queue] = deque()
        waiting.append((held, ending))

    def release(self, held: Held) -> None:
        """Give a job back."""
        self.add(held, Ending(Verb.RELEASE, b"", 0))

    def give_up_hand_overs(self) -> None:
        """Release the decided jobs that could not be handed over. [FLOW-14]"""
        for waiting in (self._joins, self._passes, self._put_off):
            while waiting:
                self.release(waiting.pop()[0])

    def steps(self) -> list[Step]:
        """Return the next call of every job that is not put off; a reply may bring further steps."""
        if self._put_off and time.monotonic() >= self._again_at:
            self._resume()
        steps = list(self._settles())
        if self._joins:
            steps += self._join_calls()
        if self._passes:
            steps += self._pass_calls()
        return steps

    def _settles(self) -> Iterator[Step]:
        for queue, waiting in self._endings.items():
            entries = list(waiting)
            waiting.clear()
            while entries:
                size = count = 0
                for _, ending in entries[:CALL_JOBS]:
                    if count and size + len(ending.document) > CALL_BYTES:
                        break
                    size += len(ending.document)
                    count += 1
                part, entries = entries[:count], entries[count:]
                jobs = [(held.id, held.token, *ending) for held, ending in part]

                def take(reply: Any, part: list[tuple[Held, Ending]] = part) -> None:
                    self._take_settled(part, reply)

                yield Step(scripts.settle(self._keys(queue), jobs), take)

    def _take_settled(self, part: list[tuple[Held, Ending]], reply: Any) -> None:
        if _unanswered(reply):
            waiting = self._endings[part[0][0].keys.queue]
            for held, ending in reversed(part):
                held.resent = True
                waiting.appendleft((held, ending))
            return
        words = reply[1:]
        if words.count(b"done") == len(part) and not any(ending.verb is Verb.DECIDE for _, ending in part):
            for held, _ in part:
                self._forget(held)
            return
        for (held, ending), word in zip(part, words, strict=True):
            if word == b"done":
                if ending.verb == Verb.DECIDE:
                    self._hand_over(held, ending.document)
                else:
                    self._forget(held)
            elif word == b"cancel":
                held.cancel_requested = True
                self.add(held, self._judge.cancelled(held))
            elif word == b"refused":
                error = ErrorInfo(code=Code.RESULT_TOO_LARGE, message=f"the server refused to {ending.verb} the job")
                log.error("settle refused", extra={"job": held.id, "verb": ending.verb})
                self.add(held, self._judge.fail(held, error))
            else:
                level = logging.DEBUG if held.resent else logging.WARNING
                log.log(level, "lease lost", extra={"job": held.id, "queue": held.keys.queue, "attempt": held.attempt})
                self._forget(held)

    def _hand_over(self, held: Held, document: bytes) -> None:
        held.handing_over = True
        if held.next is not None:
            self._passes.append((held, document))
        else:
            self._joins.append((held, document))

    def _join_calls(self) -> Iterator[Step]:
        for _ in range(len(self._joins)):
            held, document = self._joins.popleft()
            join = held.envelope.join
            assert join is not None
            keys = self._keys(join.then[0]["queue"])

            def take(reply: Any, held: Held = held, document: bytes = document) -> None:
                self._take_joined(held, document, reply)

            yield Step(scripts.join(keys, join.group, join.index, join.size, document, join.ttl_ms), take, True)

    def _take_joined(self, held: Held, document: bytes, reply: Any) -> None:
        if isinstance(reply, Exception) and "JOBWIRE_ARGUMENT" in str(reply):
            wrong = Invalid("join.size", "expected the size that the group's first member gave", "FLOW-19")
            error = ErrorInfo(code=Code.INVALID, message=str(wrong), details={"field": "join.size"})
            self.add(held, self._judge.fail(held, error))
            return
        if _unanswered(reply):
            self._put_off_all([(held, document)])
            return
        joined = scripts.joined(reply)
        if joined.have < 0:
            error_info = ErrorInfo(code=Code.RESULT_TOO_LARGE, message="the outcomes of the group are over its limit")
            self.add(held, self._judge.fail(held, error_info))
        elif not joined.values:
            self._close(held, document)
        else:
            try:
                held.next = workflow.next_of_group(held.envelope, joined.values, held.encoding)
            except (TooLarge, ValueRefused) as error:
                self.add(held, self._judge.not_handed_over(held, error))
                return
            except Rejected as error:
                error_info = ErrorInfo(code=Code.MALFORMED, message=f"a member's outcome is not readable: {error}")
                self.add(held, self._judge.fail(held, error_info))
                return
            self._passes.append((held, document))

    def _pass_calls(self) -> Iterator[Step]:
        by_queue: dict[str, list[tuple[Held, bytes]]] = {}
        while self._passes:
            held, document = self._passes.popleft()
            assert held.next is not None
            by_queue.setdefault(held.next.queue, []).append((held, document))
        for queue, entries in by_queue.items():
            # Next envelopes can be 1 MiB each, so few go into one call. [CALL-4]
            size = 8
            for first in range(0, len(entries), size):
                part = entries[first : first + size]
                jobs = [held.next.job for held, _ in part if held.next is not None]

                def take(reply: Any, part: list[tuple[Held, bytes]] = part) -> None:
                    self._take_passed(part, reply)

                yield Step(scripts.enqueue(self._keys(queue), jobs, "pass"), take, True)

    def _take_passed(self, part: list[tuple[Held, bytes]], reply: Any) -> None:
        if _unanswered(reply):
            self._put_off_all(part)
            return
        for (held, document), word in zip(part, scripts.words(reply), strict=True):
            if word == "refused":
                error = ErrorInfo(code=Code.RESULT_TOO_LARGE, message="the next queue refused the job [FLOW-13]")
                self.add(held, self._judge.fail(held, error))
            else:
                self._close(held, document)

    def _close(self, held: Held, document: bytes) -> None:
        self.add(held, closing(held, Verb.SUCCEED, document))

    def _put_off_all(self, part: Iterable[tuple[Held, bytes]]) -> None:
        """Try hand-overs again after a pause, while all else goes on. [CALL-9] [FLOW-14]"""
        if not self._put_off:
            now = time.monotonic()
            if now - self._again_at > LONGEST_PAUSE_S:  # the last trouble is over
                self._pauses = pauses()
            self._again_at = now + next(self._pauses)
        self._put_off += part

    def _resume(self) -> None:
        put_off, self._put_off = self._put_off, []
        for held, document in put_off:
            if held.lost:  # whoever took it over hands it over
                self._forget(held)
            else:
                self._hand_over(held, document)


def _unanswered(reply: Any) -> bool:
    return reply is None or isinstance(reply, Exception)
