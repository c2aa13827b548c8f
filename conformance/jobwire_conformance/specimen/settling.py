"""Say how a run ended: build its outcome, and send it until it is answered."""

from __future__ import annotations

import random
import time
from typing import Any

import codec
import common
import fields
from common import Gone, ServerError, log
from state import Run, Worker

PARENT_TTL_MS = 3600000


def handler_failed(worker: Worker, run: Run, error: BaseException) -> None:
    """Settle a run whose handler raised. [RETRY-1]"""
    try:
        message = str(error)
    except Exception:
        message = "an error that cannot be printed"
    told = {"code": "handler_error", "message": codec.fit(message, fields.TEXTS["message"])}
    told["type"] = codec.fit(getattr(error, "kind", type(error).__name__), fields.TEXTS["type"])
    details = getattr(error, "details", None)
    if details is not None:
        told["details"] = details
    told["stack"] = codec.fit(stack(error), fields.TEXTS["stack"])
    settle_error(worker, run, told, final=getattr(error, "final", False))


def settle_error(worker: Worker, run: Run, error: dict[str, Any], final: bool = False, shortest_ms: int = 0) -> None:
    """Settle a run that ended in an error: cancel, fail or retry."""
    if run.cancel_requested and "cancel" in worker.profiles:
        end(worker, run, "cancel", "cancelled")
        return
    policy = run.job["retry"]
    name = error.get("type", error["code"])
    if name in policy["no_retry_on"]:
        final = True
    if run.attempt >= policy["max_attempts"]:
        final = True
    if final:
        fail(worker, run, error)
        return
    lowest, highest = fields.delay_bounds(policy, run.attempt)
    delay_ms = max(random.randint(lowest, highest), shortest_ms)
    retry(worker, run, error, delay_ms)


def unknown_type(worker: Worker, run: Run) -> None:
    """Leave a job that this worker does not serve to others. [RUN-8]"""
    error = {"code": "unknown_type", "message": f"no handler for {run.job['type']}"}
    policy = run.job["retry"]
    if run.attempt >= policy["max_attempts"]:
        fail(worker, run, error)
    else:
        retry(worker, run, error, policy["max_delay_ms"])


def retry(worker: Worker, run: Run, error: dict[str, Any], delay_ms: int) -> None:
    """Settle retry, or cancel if that is the answer. [CANCEL-4]"""
    document = error_document(worker, run, "retrying", error)
    if settle(worker, run, "retry", document, delay_ms) == "cancel":
        end(worker, run, "cancel", "cancelled")


def fail_or_cancel(worker: Worker, run: Run, error: dict[str, Any]) -> None:
    """Settle fail, or cancel if one is requested. [CANCEL-3]"""
    if run.cancel_requested and "cancel" in worker.profiles:
        end(worker, run, "cancel", "cancelled")
    else:
        fail(worker, run, error)


def fail(worker: Worker, run: Run, error: dict[str, Any]) -> None:
    """Settle fail."""
    settle(worker, run, "fail", error_document(worker, run, "failed", error), 0)


def end(worker: Worker, run: Run, verb: str, state: str) -> None:
    """Settle a run that was cancelled, or came too late; its code is its state."""
    document = error_document(worker, run, state, {"code": state, "message": state})
    settle(worker, run, verb, document, ttl_ms(run))


def ttl_ms(run: Run) -> int:
    """Return how long the outcome is kept. [RUN-12]"""
    asked_ms = int(run.job["result_ttl_ms"])
    if "parent_id" in run.job:
        return max(asked_ms, PARENT_TTL_MS)
    return asked_ms


def new_outcome(worker: Worker, run: Run, state: str) -> dict[str, Any]:
    """Return an outcome with all that does not depend on its state."""
    outcome = {"jobwire": "1.0", "id": run.id, "state": state, "attempt": run.attempt}
    outcome["worker"] = worker.name
    outcome["finished_at"] = int(time.time() * 1000)
    return outcome


def error_document(worker: Worker, run: Run, state: str, error: dict[str, Any]) -> bytes:
    """Encode an outcome with an error, and drop of that what does not fit. [OUT-5]"""
    for dropped in ((), ("details",), ("details", "stack")):
        outcome = new_outcome(worker, run, state)
        outcome["error"] = {name: value for name, value in error.items() if name not in dropped}
        try:
            return codec.write(outcome, run.encoding)
        except codec.Unwritable as refused:
            log("info", "outcome does not fit", id=run.id, why=refused)
    raise AssertionError("code, message and type always fit")


def rejection(rejected: codec.Rejected) -> dict[str, Any]:
    """Return the error of an envelope that is rejected. [FIELD-7]"""
    error: dict[str, Any] = {"code": rejected.code, "message": str(rejected)}
    if rejected.field is not None:
        error["details"] = {"field": rejected.field}
    return error


def settle(worker: Worker, run: Run, verb: str, document: bytes, number: int) -> str:
    """Settle a run, with a shorter error if the server refuses that; return the answer."""
    answer = send(worker, run, verb, document, number)
    if answer == "refused":
        error = {"code": "result_too_large", "message": "the outcome was refused"}
        send(worker, run, "fail", error_document(worker, run, "failed", error), 0)
    return answer


def send(worker: Worker, run: Run, verb: str, document: bytes, number: int) -> str:
    """Send a settlement until it is answered, and return the answer."""
    run.settling = True
    sent = 0
    arguments = [run.id, run.token, verb, document, number]
    while True:
        worker.check_held(run)
        sent += 1
        try:
            with worker.link.lock:
                reply = worker.link.script("settle", common.keys(run.queue, [run.id]), arguments)
                answer: str = reply[1].decode()
                if answer == "lost" or (answer == "done" and verb != "decide"):
                    worker.forget(run)
            break
        except (Gone, ServerError) as error:
            log("error", "settle", id=run.id, error=error)
            worker.back_off()
    run.settling = False
    if answer == "lost":
        # After a second sending that means perhaps: by me. [LEASE-3]
        log("warning" if sent == 1 else "info", "lease lost", queue=run.queue, id=run.id, verb=verb)
    return answer


def stack(error: BaseException) -> str:
    """Return where the error was raised."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return "\n".join(lines)
