"""Put the vectors to an implementation's codec."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from ..manifest import Manifest
from ..model import CaseResult, Check, Status, overall
from .asking import Asking, Reply
from .files import load_vectors
from .judge import judge, shown
from .vectors import Vector

__all__ = ["load_vectors", "run_vectors"]

GOOD = "codec/structure/json"


async def run_vectors(manifest: Manifest, vectors: Sequence[Vector], *, time_scale: float = 1.0) -> list[CaseResult]:
    """Ask for all of these and their twins, and return a verdict on each of these, in their order."""
    known = {vector.id: vector for vector in load_vectors()} | {vector.id: vector for vector in vectors}
    wanted = _with_twins(vectors, known)
    replies = await Asking(manifest, known[GOOD], time_scale).ask(wanted)
    # In a thread, as thousands of answers must not hold up the proxies of other cases.
    checks = await asyncio.to_thread(_all_checks, wanted, replies, known[GOOD])
    return [_result(vector, replies[vector.id], checks, known) for vector in vectors]


def _all_checks(vectors: Iterable[Vector], replies: Mapping[str, Reply], good: Vector) -> dict[str, list[Check]]:
    return {vector.id: _checks(vector, replies[vector.id], good) for vector in vectors}


def _with_twins(vectors: Iterable[Vector], known: Mapping[str, Vector]) -> list[Vector]:
    found: dict[str, Vector] = {}
    for vector in vectors:
        one: Vector | None = vector
        while one is not None and one.id not in found:
            found[one.id] = one
            one = known[one.twin] if one.twin is not None else None
    return list(found.values())


def _checks(vector: Vector, reply: Reply, good: Vector) -> list[Check]:
    requirement = vector.requirements[0]
    if reply.answer is None:
        return [Check(requirement, "an answer", Status.FAIL, "an answer", reply.trouble)] if reply.asked else []
    checks = judge(vector, reply.answer)
    if vector.verdict == "survive":
        behind = judge(good, reply.behind or {})
        holds = overall(behind) is Status.PASS
        wanted, got = ("", "") if holds else (shown({"job": good.expected}), shown(reply.behind))
        what = "the good request behind it"
        checks.append(Check("VAL-13", what, Status.PASS if holds else Status.FAIL, wanted, got))
    return checks


def _result(vector: Vector, reply: Reply, checks: Mapping[str, list[Check]], known: Mapping[str, Vector]) -> CaseResult:
    own = tuple(checks[vector.id])
    status, reason = _verdict(vector, reply, checks, known)
    return CaseResult(
        vector.id, vector.says, vector.requirements, vector.role, vector.profile, status, reason,
        ms=reply.ms, checks=own, stderr=reply.stderr,
    )  # fmt: skip


def _verdict(
    vector: Vector, reply: Reply, checks: Mapping[str, list[Check]], known: Mapping[str, Vector]
) -> tuple[Status, str]:
    if not reply.asked:
        return Status.NOT_RUN, reply.trouble
    status = overall(checks[vector.id])
    if status is not Status.PASS:
        failed = next((check for check in checks[vector.id] if check.status is status), None)
        return status, f"{vector.id}: {failed.what}: wanted {failed.expected}, got {failed.got}" if failed else ""
    broken = _broken_twin(vector, checks, known)
    if broken is not None:
        # To reject everything is no proof of anything.
        return Status.NOT_RUN, f"it proves nothing as long as {broken} does not pass"
    return Status.PASS, ""


def _broken_twin(vector: Vector, checks: Mapping[str, list[Check]], known: Mapping[str, Vector]) -> str | None:
    """Return the id of the first twin, or twin of a twin, that did not pass."""
    twin = vector.twin
    while twin is not None:
        if overall(checks[twin]) is not Status.PASS:
            return twin
        twin = known[twin].twin
    return None
