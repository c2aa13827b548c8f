"""What a succeeded job of a workflow hands over."""

from __future__ import annotations

from typing import Any

import codec

# The result goes into an outcome, that into an array, that into args of an envelope.
DEEPEST_FOR_THEN = 30
DEEPEST_FOR_JOIN = 28


def is_step(job: dict[str, Any]) -> bool:
    """Tell whether the job has something to hand over."""
    return bool(job.get("then")) or job.get("join") is not None


def check_result(job: dict[str, Any], result: Any, encoding: str) -> None:
    """Refuse, before anything is decided, a result that cannot be handed over. [FLOW-4]"""
    if job.get("join") is not None:
        if codec.depth(result) > DEEPEST_FOR_JOIN:
            raise codec.Unwritable("result", "too deep for a group")
        return
    if codec.depth(result) > DEEPEST_FOR_THEN:
        raise codec.Unwritable("result", "too deep for a chain")
    codec.write(next_envelope(job, job["then"], result), encoding)


def next_envelope(job: dict[str, Any], steps: list[dict[str, Any]], first: Any) -> dict[str, Any]:
    """Build the envelope of the first step, after the job that hands it over."""
    step = steps[0]
    envelope = {name: value for name, value in step.items() if value is not None}
    envelope.pop("pass_result", None)
    envelope["jobwire"] = job["jobwire"]
    if step.get("pass_result") is not False:
        envelope["args"] = [first, *(step.get("args") or [])]
    if len(steps) > 1:
        envelope["then"] = steps[1:]
    envelope["parent_id"] = job["id"]
    envelope["root_id"] = job.get("root_id") or job["id"]
    return envelope
