"""Find out what a claimed job calls for, and run its handler."""

from __future__ import annotations

import threading
from typing import Any

import codec
import fields
import flow
import handing_over
import settling
from common import log
from handlers import HANDLERS, Context
from state import Abandoned, Run, Worker

AFTER_TIMEOUT_MS = 1000


def work(worker: Worker, run: Run) -> None:
    """Do with a claimed job what it calls for, and free its slot."""
    try:
        decode(worker, run)
        judge(worker, run)
    except Abandoned as abandoned:
        log("info", "abandoned", id=run.id, why=abandoned)
    finally:
        with worker.changed:
            worker.slots_taken -= 1
            worker.changed.notify_all()


def decode(worker: Worker, run: Run) -> None:
    """Read the envelope of a run, and keep why if it is rejected."""
    try:
        run.encoding = codec.encoding_of(run.envelope)
        run.job = fields.with_defaults(fields.read_job(run.envelope))
        if run.job["queue"] != run.queue:
            raise codec.Rejected("invalid", "queue")
        if run.job["id"] != run.id:
            raise codec.Rejected("invalid", "id")
    except codec.Rejected as rejected:
        run.rejected = rejected
        if rejected.code == "malformed":
            run.encoding = "json"


def judge(worker: Worker, run: Run) -> None:
    """Find out, in the order of section 9.2, what is to be done with a job."""
    if worker.stopping.is_set():
        settling.settle(worker, run, "release", b"", 0)
        return
    if run.document:
        handing_over.finish(worker, run)
        return
    if run.rejected is not None:
        settling.fail(worker, run, settling.rejection(run.rejected))
        return
    expires_at = run.job.get("expires_at")
    if expires_at is not None and expires_at <= worker.now():
        settling.end(worker, run, "expire", "expired")
        return
    if not serves(worker, run):
        settling.unknown_type(worker, run)
        return
    if run.cancel_requested and "cancel" in worker.profiles:
        settling.end(worker, run, "cancel", "cancelled")
        return
    if not run.lost:
        run_handler(worker, run)


def serves(worker: Worker, run: Run) -> bool:
    """Tell whether the worker knows the type, and the profile that the job needs. [ROLE-2]"""
    if flow.is_step(run.job) and "workflow" not in worker.profiles:
        return False
    return run.job["type"] in HANDLERS


def run_handler(worker: Worker, run: Run) -> None:
    """Call the handler and settle what it returns or raises."""
    timer = start_timer(worker, run)
    error: BaseException | None = None
    result = None
    worker.write_journal("start", run)
    try:
        result = HANDLERS[run.job["type"]](Context(worker, run), *run.job["args"], **run.job["kwargs"])
    # Whatever a handler raises, the worker stays alive. [RUN-15]
    except BaseException as raised:
        error = raised
    worker.write_journal("end", run, told=run.told)
    if timer is not None:
        timer.cancel()
    if not first_to_end(worker, run):
        return
    if error is not None:
        settling.handler_failed(worker, run, error)
    else:
        succeed(worker, run, result)


def start_timer(worker: Worker, run: Run) -> threading.Timer | None:
    """Start the clock of a run that has a longest time."""
    timeout_ms = run.job.get("timeout_ms")
    if timeout_ms is None:
        return None
    timer = threading.Timer(min(timeout_ms / 1000, threading.TIMEOUT_MAX), time_out, (worker, run))
    timer.daemon = True
    timer.start()
    return timer


def time_out(worker: Worker, run: Run) -> None:
    """Settle a run that is not over in its time; its slot stays taken until the handler returns. [RETRY-7]"""
    if not first_to_end(worker, run):
        return
    run.tell("timeout")
    error = {"code": "timeout", "message": f"not over after {run.job['timeout_ms']} ms"}
    try:
        settling.settle_error(worker, run, error, shortest_ms=AFTER_TIMEOUT_MS)
    except Abandoned as abandoned:
        log("info", "abandoned", id=run.id, why=abandoned)


def first_to_end(worker: Worker, run: Run) -> bool:
    """Tell whether this is the first of handler, time-out and shutdown to end the run."""
    with worker.changed:
        if run.over:
            return False
        run.over = True
        return True


def succeed(worker: Worker, run: Run, result: Any) -> None:
    """Settle a run whose handler returned. [RUN-11]"""
    outcome = settling.new_outcome(worker, run, "succeeded")
    if result is not None:
        outcome["result"] = result
    try:
        document = codec.write(outcome, run.encoding)
        if flow.is_step(run.job):
            flow.check_result(run.job, result, run.encoding)
    except codec.TooLarge as error:
        settling.fail_or_cancel(worker, run, {"code": "result_too_large", "message": str(error)})
        return
    except codec.Unwritable as error:
        settling.fail_or_cancel(worker, run, {"code": "result_unserializable", "message": str(error)})
        return
    if flow.is_step(run.job):
        if settling.settle(worker, run, "decide", document, 0) != "done":
            return
        if not handing_over.hand_over(worker, run, document):
            return
    settling.settle(worker, run, "succeed", document, settling.ttl_ms(run))
