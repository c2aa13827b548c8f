"""Hand over the next job of a workflow, and close what is decided."""

from __future__ import annotations

from typing import Any

import codec
import common
import fields
import flow
import settling
from common import Gone, ServerError, log
from state import Run, Worker

UNREADABLE_TTL_MS = 600000
JOIN_TTL_MS = 2592000000
VERBS = {"succeeded": "succeed", "failed": "fail", "cancelled": "cancel", "expired": "expire"}


def finish(worker: Worker, run: Run) -> None:
    """Settle a job that came with a document, without running it. [RUN-2]"""
    try:
        outcome = fields.read_outcome(run.document)
        fields.check_outcome(outcome)
        verb = VERBS.get(outcome["state"])
        if verb is None:
            raise codec.Rejected("invalid", "state")
    except codec.Rejected as rejected:
        settling.fail(worker, run, {"code": "malformed", "message": f"the stored outcome: {rejected}"})
        return
    if run.rejected is not None:
        settling.settle(worker, run, verb, run.document, 0 if verb == "fail" else UNREADABLE_TTL_MS)
        return
    if verb == "succeed" and flow.is_step(run.job):
        if "workflow" not in worker.profiles:
            error = {"code": "unknown_type", "message": "this worker does not serve workflows"}
            settling.retry(worker, run, error, run.job["retry"]["max_delay_ms"])
            return
        if not hand_over(worker, run, run.document):
            return
    settling.settle(worker, run, verb, run.document, 0 if verb == "fail" else settling.ttl_ms(run))


def hand_over(worker: Worker, run: Run, document: bytes) -> bool:
    """Enqueue the next job of the workflow; tell whether the job can be closed. [FLOW-3]"""
    run.handing_over = True
    outcome = codec.read(document)
    try:
        if run.job.get("join") is not None:
            steps = run.job["join"]["then"]
            members = join(worker, run, document)
            if members is None:
                return True
            first: Any = [codec.read(member) for member in members]
        else:
            steps = run.job["then"]
            first = outcome.get("result")
            flow.check_result(run.job, first, run.encoding)
        envelope = flow.next_envelope(run.job, steps, first)
        answer = pass_on(worker, run, envelope)
    except codec.TooLarge as error:
        settling.fail(worker, run, {"code": "result_too_large", "message": str(error)})
        return False
    except codec.Unwritable as error:
        settling.fail(worker, run, {"code": "result_unserializable", "message": str(error)})
        return False
    except codec.Rejected as rejected:
        settling.fail(worker, run, settling.rejection(rejected))
        return False
    if answer == "refused":
        settling.fail(worker, run, {"code": "result_too_large", "message": "the next envelope was refused"})
        return False
    return True


def join(worker: Worker, run: Run, document: bytes) -> list[bytes] | None:
    """Store the outcome of a member of a group, and return all of them once they are complete."""
    group = run.job["join"]
    keys = [common.key(group["then"][0]["queue"], f"join:{group['group']}")]
    ttl_ms = group.get("ttl_ms", JOIN_TTL_MS)
    try:
        reply = ask(worker, run, "join", keys, [group["index"], group["size"], document, ttl_ms])
    except ServerError as error:
        raise codec.Rejected("invalid", "join.size") from error
    if reply[1] == -1:
        raise codec.TooLarge("join", "the outcomes of the group")
    if reply[1] < reply[2]:
        return None
    members: list[bytes] = reply[3:]
    return members


def pass_on(worker: Worker, run: Run, envelope: dict[str, Any]) -> str:
    """Enqueue the next job by pass. [FLOW-11]"""
    data = codec.write(envelope, run.encoding)
    keys = common.keys(envelope["queue"], [envelope["id"]])
    reply = ask(worker, run, "pass", keys, [envelope["id"], data, *fields.numbers(envelope)])
    answer: str = reply[1].decode()
    return answer


def ask(worker: Worker, run: Run, name: str, keys: list[str], arguments: list[Any]) -> Any:
    """Call a script of the hand-over until it is answered. [FLOW-14]"""
    while True:
        worker.check_held(run)
        try:
            return worker.link.script(name, keys, arguments)
        except Gone as error:
            log("error", name, id=run.id, error=error)
        except ServerError as error:
            if error.code == "JOBWIRE_ARGUMENT" and name == "join":
                raise
            log("error", name, id=run.id, error=error)
        worker.back_off()
