"""Answer the conformance suite's requests to codec and producer, one JSON object a line."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from jobwire import (
    Encoding,
    Envelope,
    Handle,
    Invalid,
    Jobwire,
    OutcomeGone,
    Refused,
    Rejected,
    Retry,
    WaitTimeout,
    operations,
    retry,
    scripts,
    workflow,
)
from jobwire import envelope as envelopes
from jobwire.clock import ServerClock
from jobwire.keys import QueueKeys, queue_keys
from jobwire.steps import Known

Answer = dict[str, Any]

HERE = Path(__file__).parent
BLANK = {"jobwire": envelopes.VERSION, "id": "-", "type": "-", "queue": "-"}
# What an application can say of a job; the rest of an envelope, the client writes itself.
TAKEN = frozenset(("id", "type", "args", "kwargs"))
OPTIONS = frozenset(
    ("id", "queue", "run_at", "expires_at", "timeout_ms", "priority", "retry", "result_ttl_ms", "headers")
)

handles: dict[tuple[str, str], Handle] = {}
speaking = threading.Lock()


def hello() -> Answer:
    """Say who this is."""
    manifest = tomllib.loads((HERE / "jobwire.toml").read_text())
    roles = [role for role in ("codec", "producer", "worker") if role in manifest]
    return {name: manifest[name] for name in ("name", "version", "spec", "profiles")} | {"roles": roles}


def decode(bytes: str) -> Answer:
    """Read an envelope."""
    return {"job": shown(envelopes.check(envelopes.decode(base64.b64decode(bytes))))}


def shown(envelope: Envelope) -> dict[str, Any]:
    """Return an envelope as plain values, its defaults filled in."""
    members = {name: getattr(envelope, name) for name in envelope.__struct_fields__}
    members["retry"] = msgspec.structs.asdict(envelope.policy)
    result: dict[str, Any] = msgspec.to_builtins({name: value for name, value in members.items() if value is not None})
    return result


def encode(job: dict[str, Any], format: str) -> Answer:
    """Write an envelope."""
    return {"bytes": base64.b64encode(envelopes.write(made(job), Encoding(format))).decode()}


def made(job: Any) -> Envelope:
    """Make an envelope of plain values, with steps as the client writes them: no nulls, 5 for 5.0."""
    return envelopes.convert(with_tidy_steps(job))


def with_tidy_steps(value: Any) -> Any:
    """Return an envelope, step or join whose steps are tidy."""
    if not isinstance(value, dict):
        return value
    changed = {}
    if isinstance(value.get("then"), list):
        changed["then"] = [
            with_tidy_steps(envelopes.tidy(step)) if isinstance(step, dict) else step for step in value["then"]
        ]
    if isinstance(value.get("join"), dict):
        changed["join"] = with_tidy_steps(value["join"])
    return value | changed


def delay(attempt: int, retry: dict[str, Any] | None = None) -> Answer:
    """Return the bounds of the delay after an attempt."""
    return {"ms": bounds(envelopes.convert({**BLANK, "retry": retry}).policy, attempt)}


def bounds(policy: Retry, attempt: int) -> tuple[int, int]:
    """Return the least and the greatest delay."""
    return retry.delay_bounds(policy, attempt)


@cache
def client(format: str = "json") -> Jobwire:
    """Return the client that writes this encoding."""
    return Jobwire(os.environ["JOBWIRE_REDIS_URL"], namespace=os.environ["JOBWIRE_NAMESPACE"], encoding=format)


def enqueue(job: dict[str, Any], format: str) -> Answer:
    """Enqueue as an application does, or as an envelope what an application does not say."""
    app = client(format)
    if is_said(job):
        options = {name: value for name, value in job.items() if name in OPTIONS}
        try:
            handle = app.enqueue(job["type"], *job.get("args", ()), kwargs=job.get("kwargs"), **options)
        except Refused as error:
            if type(error) is not Refused:
                raise
            return {"status": "refused"}
    else:
        handle = enqueue_envelope(app, {"jobwire": envelopes.VERSION, "queue": envelopes.DEFAULT_QUEUE, **job})
    handles[handle.queue, handle.id] = handle
    return {"status": handle.answers[0]}


def is_said(job: dict[str, Any]) -> bool:
    """Tell whether an application can say all of it."""
    args, kwargs = job.get("args", []), job.get("kwargs", {})
    whole = {"id", "type"} <= set(job) <= TAKEN | OPTIONS and None not in job.values()
    return whole and isinstance(args, list) and isinstance(kwargs, dict)


def enqueue_envelope(app: Jobwire, job: dict[str, Any]) -> Handle:
    """Enqueue an envelope of any fields."""
    envelope = made(job)
    accept = workflow.accept(envelope, envelopes.write(envelope, app.encoding))
    answer = app.run(put(queue_keys(app.namespace, envelope.queue), accept))
    return Handle(app, Known(envelope.queue, envelope.id), (answer,))


def put(keys: QueueKeys, job: scripts.Accept) -> operations.Operation[str]:
    """Send one job and return the answer."""
    reply = (yield operations.Send([scripts.enqueue(keys, [job])]))[0]
    return scripts.words(reply)[0]


def wait(jobs: list[dict[str, str]], timeout_ms: int) -> Answer:
    """Wait for a job, or for the last of a workflow."""
    app = client()
    targets = [(job["queue"], job["id"]) for job in jobs]
    try:
        if len(targets) == 1:
            [(queue, job_id)] = targets
            handle = handles.get((queue, job_id)) or app.handle(job_id, queue)
            outcome = handle.outcome(timeout_ms / 1000)
        else:
            session = operations.Session(app.namespace, app.encoding, ServerClock())
            confirmed = any(target in handles for target in targets)
            outcome = app.run(operations.wait(session, targets, timeout_ms / 1000, confirmed))
    except WaitTimeout:
        return {"timeout": True}
    except OutcomeGone:
        return {"gone": True}
    return {"outcome": msgspec.to_builtins(outcome)}


def cancel(queue: str, id: str) -> Answer:
    """Cancel a job."""
    return {"status": client().handle(id, queue).cancel()}


AT_ONCE: dict[str, Callable[..., Answer]] = {"hello": hello, "decode": decode, "encode": encode, "delay": delay}
IN_THREADS: dict[str, Callable[..., Answer]] = {"enqueue": enqueue, "wait": wait, "cancel": cancel}


def answer(ref: Any, operation: Callable[..., Answer], request: dict[str, Any]) -> None:
    """Do as requested and say what came of it."""
    try:
        result = operation(**request)
    except Invalid as error:
        result = {"error": {"code": error.code, "field": error.field}}
    except Rejected as error:
        result = {"error": {"code": error.code}}
    except Refused as error:
        result = {"error": {"code": "refused", "message": str(error)}}
    except Exception as error:
        result = {"failed": f"{type(error).__name__}: {error}"}
    with speaking:
        print(json.dumps({"ref": ref, **result}), flush=True)


def main() -> None:
    """Answer until the input ends; who waits by then, waits for nobody."""
    if "JOBWIRE_REDIS_URL" in os.environ:
        # Imports what speaks to the server before the time of a wait counts.
        _ = client().store
    for line in sys.stdin.buffer:
        request = json.loads(line)
        ref, name = request.pop("ref"), request.pop("op")
        if name in IN_THREADS:
            threading.Thread(target=answer, args=(ref, IN_THREADS[name], request), daemon=True).start()
        else:
            answer(ref, AT_ONCE.get(name, unsupported), request)


def unsupported(**_: Any) -> Answer:
    """Say that there is no such request."""
    return {"unsupported": True}


if __name__ == "__main__":
    main()
