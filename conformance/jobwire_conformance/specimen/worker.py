"""Claim jobs, run them in threads, and settle them."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import codec
import common
import flow
from common import Gone, ServerError, log
from handlers import HANDLERS

SIGNALS = {signal.SIGTERM, signal.SIGINT}
SCRIPTS = ("claim", "extend", "settle", "pass", "join")
MOST_JOBS = 1000
MOST_PROGRESS = 65536
UNREADABLE_TTL_MS = 600000
PARENT_TTL_MS = 3600000
AFTER_TIMEOUT_MS = 1000
JOIN_TTL_MS = 2592000000
VERBS = {"succeeded": "succeed", "failed": "fail", "cancelled": "cancel", "expired": "expire"}


class Abandoned(Exception):
    """The job is no longer this worker's, or the worker is about to end."""


@dataclass(eq=False)
class Run:
    """One claimed job, from the claim to its settlement."""

    queue: str
    id: str
    token: str
    attempt: int
    document: bytes
    envelope: bytes
    taken_over: bool
    number: int
    job: dict[str, Any] = field(default_factory=dict)
    encoding: str = "json"
    rejected: codec.Rejected | None = None
    progress: bytes = b""
    told: str | None = None
    cancel_requested: bool = False
    lost: bool = False
    over: bool = False
    settling: bool = False
    handing_over: bool = False
    interrupted: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def tell(self, what: str) -> None:
        """Make known to the handler what became of its run."""
        if self.told is None:
            self.told = what
        if what == "cancel":
            self.cancelled.set()
        if what in ("cancel", "timeout"):
            self.interrupted.set()


class Context:
    """What a handler is given. [RUN-10]"""

    def __init__(self, run: Run) -> None:
        self.id = run.id
        self.attempt = run.attempt
        self.run = run.number
        self.interrupted = run.interrupted
        self.cancelled = run.cancelled
        self._run = run

    @property
    def told(self) -> str | None:
        """Return what the handler was told."""
        return self._run.told

    def report(self, value: Any) -> bool:
        """Report progress with the next extension of the lease; tell whether it can be. [OUT-7]"""
        if not isinstance(value, dict):
            return False
        try:
            data = codec.write(value, self._run.encoding)
        except codec.Unwritable:
            return False
        if len(data) > MOST_PROGRESS:
            return False
        self._run.progress = data
        return True


class Worker:
    """One worker process: a thread that claims, one that extends, and one for each run."""

    def __init__(self) -> None:
        self.queues = os.environ["JOBWIRE_QUEUES"].split(",")
        self.concurrency = int(os.environ["JOBWIRE_CONCURRENCY"])
        self.lease_ms = int(os.environ.get("JOBWIRE_LEASE_MS", "15000"))
        self.grace_ms = int(os.environ.get("JOBWIRE_GRACE_MS", "25000"))
        self.name = os.environ["JOBWIRE_WORKER"]
        self.journal = os.open(os.environ["JOBWIRE_CONFORMANCE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.profiles = common.profiles()
        self.link = common.Link()
        self.idle_link = common.Link()
        self.breaks_seen = 0
        # Runs that hold a lease. Written under the lock of the link, together with the call that changes it.
        self.held: list[Run] = []
        self.slots_taken = 0
        self.changed = threading.Condition()
        self.waits_ms = dict.fromkeys(self.queues, 0)
        self.owed: set[str] = set()
        self.claiming = False
        self.stopping = threading.Event()
        self.quitting = threading.Event()
        self.clock = (0, 0.0)

    # Decode.

    def decode(self, run: Run) -> None:
        """Read the envelope of a run, and keep why if it is rejected."""
        try:
            run.encoding = codec.encoding_of(run.envelope)
            run.job = codec.with_defaults(codec.read_job(run.envelope))
            if run.job["queue"] != run.queue:
                raise codec.Rejected("invalid", "queue")
            if run.job["id"] != run.id:
                raise codec.Rejected("invalid", "id")
        except codec.Rejected as rejected:
            run.rejected = rejected
            if rejected.code == "malformed":
                run.encoding = "json"

    # Claim.

    def claim_forever(self) -> None:
        """Claim while there are free slots, and block while there are no jobs."""
        while not self.stopping.is_set():
            self.claim_all()
            if self.free() == 0:
                if not self.owed:
                    self.wait_for_slot()
                continue
            wait_ms = min(self.waits_ms.values(), default=2000)
            if wait_ms > 0:
                self.block(wait_ms)

    def claim_all(self) -> None:
        """Claim from each queue, in order. [CLAIM-5]"""
        for queue in list(self.queues):
            free = self.free()
            if free == 0 and queue not in self.owed:
                self.waits_ms[queue] = 0
                continue
            self.claim(queue, min(free, MOST_JOBS))

    def claim(self, queue: str, max_jobs: int) -> None:
        """Claim from one queue, and start what it gives."""
        self.waits_ms[queue] = 0
        if self.link.breaks != self.breaks_seen and not self.extend_after_break():
            return
        if not self.begin_claim():
            return
        try:
            runs = self.take(queue, max_jobs)
        except Gone:
            self.back_off()
            return
        except ServerError as error:
            self.claim_failed(queue, error)
            return
        finally:
            self.claiming = False
        self.owed.discard(queue)
        for run in runs:
            if self.stopping.is_set():
                self.settle(run, "release", b"", 0)
            else:
                threading.Thread(target=self.work, args=(run,), daemon=True).start()

    def begin_claim(self) -> bool:
        """Tell whether to claim; from then on the worker does not end before the reply is here. [STOP-1]"""
        with self.changed:
            self.claiming = not self.stopping.is_set()
            return self.claiming

    def take(self, queue: str, max_jobs: int) -> list[Run]:
        """Call the script claim and hold what it gives."""
        # From os.urandom: two workers with one random seed would share their tokens. [CLAIM-1]
        nonce = os.urandom(16).hex()
        with self.link.lock:
            rescue = 1 if self.can_rescue() else 0
            reply = self.link.evalsha("claim", common.keys(queue, []), [nonce, self.lease_ms, max_jobs, rescue])
            self.clock = (reply[0], time.monotonic())
            self.waits_ms[queue] = reply[1]
            runs = [self.given(queue, reply[at : at + 5], reply[2]) for at in range(3, len(reply), 5)]
            self.held.extend(runs)
        with self.changed:
            self.slots_taken += len(runs)
        return runs

    def given(self, queue: str, parts: list[Any], taken: int) -> Run:
        """Return one job of a claim's reply."""
        id_, token, attempt, document, envelope = parts
        number = int(token.partition(b".")[0])
        return Run(queue, id_.decode(), token.decode(), attempt, document, envelope, taken == 1, number)

    def can_rescue(self) -> bool:
        """Tell whether no job that was taken over is held, but to be handed over. [CLAIM-3]"""
        return not any(run.taken_over and not run.handing_over for run in self.held)

    def claim_failed(self, queue: str, error: ServerError) -> None:
        """Do what an error of a claim calls for."""
        if error.code == "NOSCRIPT":
            self.load()
            return
        if error.code == "JOBWIRE_LAYOUT":
            log("error", "queue has another layout", queue=queue, error=error)
            self.queues.remove(queue)
            self.owed.discard(queue)
            del self.waits_ms[queue]
            return
        log("error", "claim", queue=queue, error=error)
        self.back_off()

    def free(self) -> int:
        """Return how many slots are free."""
        return self.concurrency - self.slots_taken

    def wait_for_slot(self) -> None:
        """Wait until a slot is free, or until the worker stops."""
        with self.changed:
            self.changed.wait_for(lambda: self.free() > 0 or self.stopping.is_set())

    def block(self, wait_ms: int) -> None:
        """Wait for a token on the wake lists, at most for so long. [CLAIM-7]"""
        names = [common.key(queue, "wake") for queue in self.queues]
        if not names:
            self.stopping.wait()
            return
        try:
            reply = self.idle_link.call(
                "BLPOP", *names, f"{wait_ms / 1000:.3f}", reply_s=wait_ms / 1000 + common.REPLY_S
            )
        except Gone:
            self.link.breaks += 1
            self.back_off()
            return
        except ServerError as error:
            log("error", "blpop", error=error)
            self.back_off()
            return
        if reply is not None:
            self.owed.add(self.queues[names.index(reply[0].decode())])

    def back_off(self) -> None:
        """Wait a little before a call is sent again. [CALL-7]"""
        self.quitting.wait(random.uniform(0.05, 0.15))

    def load(self) -> None:
        """Load the scripts, however long the server takes to answer."""
        while not self.quitting.is_set():
            try:
                self.link.load(SCRIPTS)
                return
            except (Gone, ServerError) as error:
                log("error", "load", error=error)
                self.back_off()

    # Run.

    def work(self, run: Run) -> None:
        """Do with a claimed job what it calls for, and free its slot."""
        try:
            self.decode(run)
            self.judge(run)
        except Abandoned as abandoned:
            log("info", "abandoned", id=run.id, why=abandoned)
        finally:
            with self.changed:
                self.slots_taken -= 1
                self.changed.notify_all()

    def judge(self, run: Run) -> None:
        """Find out, in the order of section 9.2, what is to be done with a job."""
        if run.document:
            self.finish(run)
            return
        if run.rejected is not None:
            self.fail(run, self.rejection(run.rejected))
            return
        expires_at = run.job.get("expires_at")
        if expires_at is not None and expires_at <= self.now():
            self.end(run, "expire", "expired")
            return
        if not self.serves(run):
            self.unknown_type(run)
            return
        if run.cancel_requested and "cancel" in self.profiles:
            self.end(run, "cancel", "cancelled")
            return
        if not run.lost:
            self.run_handler(run)

    def now(self) -> float:
        """Return this worker's time: that of the last claim, and what has passed since."""
        server_ms, at = self.clock
        return server_ms + (time.monotonic() - at) * 1000

    def serves(self, run: Run) -> bool:
        """Tell whether the worker knows the type, and the profile that the job needs. [ROLE-2]"""
        if flow.is_step(run.job) and "workflow" not in self.profiles:
            return False
        return run.job["type"] in HANDLERS

    def run_handler(self, run: Run) -> None:
        """Call the handler and settle what it returns or raises."""
        timer = self.start_timer(run)
        error: BaseException | None = None
        result = None
        self.write_journal("start", run)
        try:
            result = HANDLERS[run.job["type"]](Context(run), *run.job["args"], **run.job["kwargs"])
        # Whatever a handler raises, the worker stays alive. [RUN-15]
        except BaseException as raised:
            error = raised
        self.write_journal("end", run, told=run.told)
        if timer is not None:
            timer.cancel()
        if not self.first_to_end(run):
            return
        if error is not None:
            self.handler_failed(run, error)
        else:
            self.succeed(run, result)

    def start_timer(self, run: Run) -> threading.Timer | None:
        """Start the clock of a run that has a longest time."""
        timeout_ms = run.job.get("timeout_ms")
        if timeout_ms is None:
            return None
        timer = threading.Timer(min(timeout_ms / 1000, threading.TIMEOUT_MAX), self.time_out, (run,))
        timer.daemon = True
        timer.start()
        return timer

    def time_out(self, run: Run) -> None:
        """Settle a run that is not over in its time; its slot stays taken until the handler returns. [RETRY-7]"""
        if not self.first_to_end(run):
            return
        run.tell("timeout")
        error = {"code": "timeout", "message": f"not over after {run.job['timeout_ms']} ms"}
        try:
            self.settle_error(run, error, shortest_ms=AFTER_TIMEOUT_MS)
        except Abandoned as abandoned:
            log("info", "abandoned", id=run.id, why=abandoned)

    def first_to_end(self, run: Run) -> bool:
        """Tell whether this is the first of handler, time-out, lost lease and shutdown to end the run."""
        with self.changed:
            if run.over:
                return False
            run.over = True
            return True

    def write_journal(self, event: str, run: Run, **more: Any) -> None:
        """Append one line to the log of the handlers."""
        line = {"event": event, "id": run.id, "type": run.job["type"], "attempt": run.attempt, "run": run.number}
        line |= {"worker": self.name, "at": time.time() * 1000, **more}
        os.write(self.journal, json.dumps(line).encode() + b"\n")

    # Settle.

    def succeed(self, run: Run, result: Any) -> None:
        """Settle a run whose handler returned. [RUN-11]"""
        outcome = self.outcome(run, "succeeded")
        if result is not None:
            outcome["result"] = result
        try:
            document = codec.write(outcome, run.encoding)
            if flow.is_step(run.job):
                flow.check_result(run.job, result, run.encoding)
        except codec.TooLarge as error:
            self.fail_or_cancel(run, {"code": "result_too_large", "message": str(error)})
            return
        except codec.Unwritable as error:
            self.fail_or_cancel(run, {"code": "result_unserializable", "message": str(error)})
            return
        if flow.is_step(run.job):
            if self.settle(run, "decide", document, 0) != "done":
                return
            if not self.hand_over(run, document):
                return
        self.settle(run, "succeed", document, self.ttl_ms(run))

    def handler_failed(self, run: Run, error: BaseException) -> None:
        """Settle a run whose handler raised. [RETRY-1]"""
        try:
            message = str(error)
        except Exception:
            message = "an error that cannot be printed"
        told = {"code": "handler_error", "message": codec.fit(message, codec.TEXTS["message"])}
        told["type"] = codec.fit(getattr(error, "kind", type(error).__name__), codec.TEXTS["type"])
        details = getattr(error, "details", None)
        if details is not None:
            told["details"] = details
        told["stack"] = codec.fit(stack(error), codec.TEXTS["stack"])
        self.settle_error(run, told, final=getattr(error, "final", False))

    def settle_error(self, run: Run, error: dict[str, Any], final: bool = False, shortest_ms: int = 0) -> None:
        """Settle a run that ended in an error: cancel, fail or retry."""
        if run.cancel_requested and "cancel" in self.profiles:
            self.end(run, "cancel", "cancelled")
            return
        retry = run.job["retry"]
        name = error.get("type", error["code"])
        if name in retry["no_retry_on"]:
            final = True
        if run.attempt >= retry["max_attempts"]:
            final = True
        if final:
            self.fail(run, error)
            return
        lowest, highest = codec.delay_bounds(retry, run.attempt)
        delay_ms = max(random.randint(lowest, highest), shortest_ms)
        self.retry(run, error, delay_ms)

    def unknown_type(self, run: Run) -> None:
        """Leave a job that this worker does not serve to others. [RUN-8]"""
        error = {"code": "unknown_type", "message": f"no handler for {run.job['type']}"}
        retry = run.job["retry"]
        if run.attempt >= retry["max_attempts"]:
            self.fail(run, error)
        else:
            self.retry(run, error, retry["max_delay_ms"])

    def retry(self, run: Run, error: dict[str, Any], delay_ms: int) -> None:
        """Settle retry, or cancel if that is the answer. [CANCEL-4]"""
        document = self.error_document(run, "retrying", error)
        if self.settle(run, "retry", document, delay_ms) == "cancel":
            self.end(run, "cancel", "cancelled")

    def fail_or_cancel(self, run: Run, error: dict[str, Any]) -> None:
        """Settle fail, or cancel if one is requested. [CANCEL-3]"""
        if run.cancel_requested and "cancel" in self.profiles:
            self.end(run, "cancel", "cancelled")
        else:
            self.fail(run, error)

    def fail(self, run: Run, error: dict[str, Any]) -> None:
        """Settle fail."""
        self.settle(run, "fail", self.error_document(run, "failed", error), 0)

    def end(self, run: Run, verb: str, state: str) -> None:
        """Settle a run that was cancelled, or came too late; its code is its state."""
        document = self.error_document(run, state, {"code": state, "message": state})
        self.settle(run, verb, document, self.ttl_ms(run))

    def ttl_ms(self, run: Run) -> int:
        """Return how long the outcome is kept. [RUN-12]"""
        ttl_ms = int(run.job["result_ttl_ms"])
        if "parent_id" in run.job:
            return max(ttl_ms, PARENT_TTL_MS)
        return ttl_ms

    def outcome(self, run: Run, state: str) -> dict[str, Any]:
        """Return an outcome with all that does not depend on its state."""
        outcome = {"jobwire": "1.0", "id": run.id, "state": state, "attempt": run.attempt}
        outcome["worker"] = self.name
        outcome["finished_at"] = int(time.time() * 1000)
        return outcome

    def error_document(self, run: Run, state: str, error: dict[str, Any]) -> bytes:
        """Encode an outcome with an error, and drop of that what does not fit. [OUT-5]"""
        for dropped in ((), ("details",), ("details", "stack")):
            outcome = self.outcome(run, state)
            outcome["error"] = {name: value for name, value in error.items() if name not in dropped}
            try:
                return codec.write(outcome, run.encoding)
            except codec.Unwritable as refused:
                log("info", "outcome does not fit", id=run.id, why=refused)
        raise AssertionError("code, message and type always fit")

    def rejection(self, rejected: codec.Rejected) -> dict[str, Any]:
        """Return the error of an envelope that is rejected. [FIELD-7]"""
        error: dict[str, Any] = {"code": rejected.code, "message": str(rejected)}
        if rejected.field is not None:
            error["details"] = {"field": rejected.field}
        return error

    def settle(self, run: Run, verb: str, document: bytes, number: int) -> str:
        """Send a settlement until it is answered, and return the answer."""
        run.settling = True
        sent = 0
        arguments = [run.id, run.token, verb, document, number]
        while True:
            self.check_held(run)
            sent += 1
            try:
                with self.link.lock:
                    reply = self.link.script("settle", common.keys(run.queue, [run.id]), arguments)
                    answer: str = reply[1].decode()
                    if answer == "lost" or (answer == "done" and verb != "decide"):
                        self.forget(run)
                break
            except (Gone, ServerError) as error:
                log("error", "settle", id=run.id, error=error)
                self.back_off()
        run.settling = False
        if answer == "lost":
            # After a second sending that means perhaps: by me. [LEASE-3]
            log("warning" if sent == 1 else "info", "lease lost", queue=run.queue, id=run.id, verb=verb)
        if answer == "refused" and document != self.shortest(run):
            self.settle(run, "fail", self.shortest(run), 0)
        return answer

    def shortest(self, run: Run) -> bytes:
        """Return the shortest outcome that says what happened, for a server that refused a longer one."""
        error = {"code": "result_too_large", "message": "the outcome was refused"}
        return self.error_document(run, "failed", error)

    def forget(self, run: Run) -> None:
        """Hold a run no longer."""
        if run in self.held:
            self.held.remove(run)

    def check_held(self, run: Run) -> None:
        """Stop here if the run is no longer this worker's."""
        if run.lost:
            raise Abandoned("the lease is lost")
        if self.quitting.is_set():
            raise Abandoned("the worker ends")

    # Decided jobs and workflows.

    def finish(self, run: Run) -> None:
        """Settle a job that came with a document, without running it. [RUN-2]"""
        try:
            outcome = codec.read_outcome(run.document)
            codec.check_outcome(outcome)
            verb = VERBS.get(outcome["state"])
            if verb is None:
                raise codec.Rejected("invalid", "state")
        except codec.Rejected as rejected:
            self.fail(run, {"code": "malformed", "message": f"the stored outcome: {rejected}"})
            return
        if run.rejected is not None:
            self.settle(run, verb, run.document, 0 if verb == "fail" else UNREADABLE_TTL_MS)
            return
        if verb == "succeed" and flow.is_step(run.job):
            if "workflow" not in self.profiles:
                error = {"code": "unknown_type", "message": "this worker does not serve workflows"}
                self.retry(run, error, run.job["retry"]["max_delay_ms"])
                return
            if not self.hand_over(run, run.document):
                return
        self.settle(run, verb, run.document, 0 if verb == "fail" else self.ttl_ms(run))

    def hand_over(self, run: Run, document: bytes) -> bool:
        """Enqueue the next job of the workflow; tell whether the job can be closed. [FLOW-3]"""
        run.handing_over = True
        outcome = codec.read(document)
        try:
            if run.job.get("join") is not None:
                steps = run.job["join"]["then"]
                members = self.join(run, document)
                if members is None:
                    return True
                first: Any = [codec.read(member) for member in members]
            else:
                steps = run.job["then"]
                first = outcome.get("result")
                flow.check_result(run.job, first, run.encoding)
            envelope = flow.next_envelope(run.job, steps, first)
            answer = self.pass_on(run, envelope)
        except codec.TooLarge as error:
            self.fail(run, {"code": "result_too_large", "message": str(error)})
            return False
        except codec.Unwritable as error:
            self.fail(run, {"code": "result_unserializable", "message": str(error)})
            return False
        except codec.Rejected as rejected:
            self.fail(run, self.rejection(rejected))
            return False
        if answer == "refused":
            self.fail(run, {"code": "result_too_large", "message": "the next envelope was refused"})
            return False
        return True

    def join(self, run: Run, document: bytes) -> list[bytes] | None:
        """Store the outcome of a member of a group, and return all of them once they are complete."""
        group = run.job["join"]
        keys = [common.key(group["then"][0]["queue"], f"join:{group['group']}")]
        ttl_ms = group.get("ttl_ms", JOIN_TTL_MS)
        try:
            reply = self.ask(run, "join", keys, [group["index"], group["size"], document, ttl_ms])
        except ServerError as error:
            raise codec.Rejected("invalid", "join.size") from error
        if reply[1] == -1:
            raise codec.TooLarge("join", "the outcomes of the group")
        if reply[1] < reply[2]:
            return None
        members: list[bytes] = reply[3:]
        return members

    def pass_on(self, run: Run, envelope: dict[str, Any]) -> str:
        """Enqueue the next job by pass. [FLOW-11]"""
        data = codec.write(envelope, run.encoding)
        keys = common.keys(envelope["queue"], [envelope["id"]])
        reply = self.ask(run, "pass", keys, [envelope["id"], data, *codec.numbers(envelope)])
        answer: str = reply[1].decode()
        return answer

    def ask(self, run: Run, name: str, keys: list[str], arguments: list[Any]) -> Any:
        """Call a script of the hand-over until it is answered. [FLOW-14]"""
        while True:
            self.check_held(run)
            try:
                return self.link.script(name, keys, arguments)
            except Gone as error:
                log("error", name, id=run.id, error=error)
            except ServerError as error:
                if error.code == "JOBWIRE_ARGUMENT" and name == "join":
                    raise
                log("error", name, id=run.id, error=error)
            self.back_off()

    # Heartbeat.

    def extend_forever(self) -> None:
        """Extend the leases, well before a third of their time is over. [LEASE-1]"""
        wait_s = self.lease_ms / 4000
        while not self.quitting.wait(wait_s):
            wait_s = self.lease_ms / 4000
            if not self.extend_all():
                wait_s = 0.1

    def extend_after_break(self) -> bool:
        """Extend before the first claim of a new connection. [CLAIM-12]"""
        breaks = self.link.breaks
        if not self.extend_all():
            self.back_off()
            return False
        self.breaks_seen = breaks
        return True

    def extend_all(self) -> bool:
        """Extend every lease; tell whether the server answered."""
        try:
            with self.link.lock:
                for queue in {run.queue for run in self.held}:
                    runs = [run for run in self.held if run.queue == queue]
                    for at in range(0, len(runs), MOST_JOBS):
                        self.extend(queue, runs[at : at + MOST_JOBS])
        except (Gone, ServerError) as error:
            log("error", "extend", error=error)
            return False
        return True

    def extend(self, queue: str, runs: list[Run]) -> None:
        """Extend the leases of jobs of one queue, and hear what became of them."""
        arguments: list[Any] = [self.lease_ms]
        sent = [run.progress for run in runs]
        for run, progress in zip(runs, sent, strict=True):
            arguments += [run.id, run.token, progress]
        reply = self.link.script("extend", common.keys(queue, []), arguments)
        for run, progress, answer in zip(runs, sent, reply[1:], strict=True):
            if run.progress is progress:
                run.progress = b""
            self.hear(run, answer)

    def hear(self, run: Run, answer: bytes) -> None:
        """Take in what an extension was answered for one job."""
        if answer == b"cancel":
            run.cancel_requested = True
            if "cancel" in self.profiles:
                run.tell("cancel")
        # While a settlement is under way its own answer counts: this can be the work of its first sending.
        if answer == b"lost" and not run.settling:
            run.lost = True
            run.over = True
            self.forget(run)
            run.tell("lost")
            log("warning", "lease lost", queue=run.queue, id=run.id)

    # Shut down.

    def shut_down(self) -> None:
        """Settle what ends within the grace, release the rest, and end. [STOP-3]"""
        with self.changed:
            self.stopping.set()
            self.changed.notify_all()
        for run in list(self.held):
            run.tell("stop")
        deadline = time.monotonic() + self.grace_ms / 1000
        while self.held or self.claiming:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            if signal.sigtimedwait(SIGNALS, min(left_s, 0.02)) is not None:
                break
        self.quitting.set()
        # A server that does not answer must not keep the process alive.
        releasing = threading.Thread(target=self.release_all, daemon=True)
        releasing.start()
        releasing.join(1.0)
        os._exit(0)

    def release_all(self) -> None:
        """Release every job that is still held."""
        for run in list(self.held):
            run.over = True
            arguments = [run.id, run.token, "release", b"", 0]
            self.link.script("settle", common.keys(run.queue, [run.id]), arguments)


def stack(error: BaseException) -> str:
    """Return where the error was raised."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return "\n".join(lines)


def guarded(target: Any) -> Any:
    """Return the target such that its end by an error ends the process, not one thread of it."""

    def run() -> None:
        try:
            target()
        except BaseException as error:
            log("fatal", "thread", error=repr(error), stack=stack(error))
            os._exit(70)

    return run


def main() -> None:
    """Start the threads and wait for a signal."""
    # Blocked in all threads: the main thread fetches them where it is ready to.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    worker = Worker()
    worker.load()
    threading.Thread(target=guarded(worker.extend_forever), daemon=True).start()
    print("ready", flush=True)
    threading.Thread(target=guarded(worker.claim_forever), daemon=True).start()
    signal.sigwait(SIGNALS)
    worker.shut_down()


if __name__ == "__main__":
    sys.exit(main())
