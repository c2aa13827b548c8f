"""Runs as a suite writes them: every status, hostile text, and two implementations with each other."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobwire_conformance.binding import NAMES, SHA, key, result_key
from jobwire_conformance.model import CaseResult, Check, Status
from jobwire_conformance.report.stream import Report, Writer, read
from jobwire_conformance.report.verdict import VERDICTS, counts, exit_code
from jobwire_conformance.wire.events import Exchange

T0 = 1_795_383_432_000.0
# What a job can hold, and what it can do to a page, a terminal, or a table.
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)> ]]> \x1b[31m\u202e | `a` \ud800"


def header(name: str = "jobwire-go", **members: Any) -> dict[str, Any]:
    return {
        "kind": "header",
        "suite": "1.0.0",
        "corpus": "c0" * 32,
        "spec": {"version": "1.0", "sha256": "5e" * 32},
        "implementation": {
            "name": name,
            "version": "0.3.0",
            "language": "Go",
            "spec": "1.0",
            "profiles": ["core", "cancel"],
            "codec": ["./adapter"],
            "producer": ["./adapter"],
            "worker": ["./worker"],
            "path": "jobwire.toml",
        },
        "server": "valkey 9.1.2",
        "seed": 7,
        "time_scale": 1.0,
        "filters": {},
        "started_at": "2026-11-23T03:40:00Z",
        **members,
    }


def exchange(at: float, script: str, *arguments: str | bytes, reply: bytes = b"", ids: Iterable[str] = ()) -> Exchange:
    keys = [key("c1", "default", name) for name in NAMES] + [result_key("c1", "default", id) for id in ids]
    parts = ["EVALSHA", SHA[script], str(len(keys)), *keys, *arguments]
    command = [part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass") for part in parts]
    return Exchange("A", 1, 1, T0 + at, command, reply, T0 + at + 0.4)


def passed(name: str, requirement: str, role: str = "worker", **members: Any) -> CaseResult:
    return CaseResult(
        **{
            "id": name,
            "says": f"{name} does what {requirement} says.",
            "requirements": (requirement,),
            "role": role,
            "profile": "core",
            "status": Status.PASS,
            "ms": 12.5,
            "checks": (Check(requirement, "the job is finished", Status.PASS, at=T0 + 20),),
            **members,
        }
    )


def failed() -> CaseResult:
    """A worker that settles before it runs, and whose job holds what no page may obey."""
    document = json.dumps({"jobwire": "1.0", "id": "j", "state": "succeeded", "attempt": 1, "result": HOSTILE})
    transcript = (
        exchange(1, "claim", "n" * 16, "15000", "1", "1", reply=b"*4\r\n:1\r\n:0\r\n:0\r\n$1\r\nj\r\n"),
        exchange(
            13.1, "settle", "j", "1.n", "succeed", document, "600000", reply=b"*2\r\n:1\r\n$4\r\ndone\r\n", ids="j"
        ),
        exchange(15, "enqueue", "k", b"\x87\xa7jobwire\xa31.0", "0", "3", "4", reply=b"*2\r\n:1\r\n$2\r\n\x87\xa7\r\n"),
    )
    return CaseResult(
        id="worker/run/settles-after-handler",
        says="A run is settled when its handler has ended.",
        requirements=("RUN-8", "LEASE-1"),
        role="worker",
        profile="core",
        status=Status.FAIL,
        ms=812.0,
        checks=(
            Check("LEASE-1", "extends while it runs", Status.PASS, at=T0 + 8),
            Check("RUN-8", "order of start, end and settle", Status.FAIL, "log end, then settle", HOSTILE, T0 + 13.2),
        ),
        events=(
            {"call": "settle", "by": "A", "queue": "default", "id": "j", "verb": "succeed", "at": T0 + 13.1},
            {"log": "start", "worker": "A", "id": "j", "type": HOSTILE, "attempt": 1, "run": 1, "at": T0 + 14.2},
            {"process": "exited", "worker": "A", "status": -9, "at": T0 + 800.0},
        ),
        transcript=tuple(one.record() for one in transcript),
        stderr=f"Traceback:\n  {HOSTILE}\n",
        steps=("enqueue: {id: j, type: conformance.echo}", "until: {job: j, state: finished}"),
    )


def cases() -> list[CaseResult]:
    """One of each status."""
    warning = Check("CLAIM-2", "releases after 100 ms", Status.WARN, "a release", "none")
    slow = Check("STOP-3", "ends within its grace", Status.SLOW, "at most 5000 ms", "7000 ms")
    missing = Check("RETRY-6", "delay", Status.FAIL, "900 to 1000", "0")
    return [
        passed("codec/json/minimal", "ENC-1", role="codec"),
        passed("producer/enqueue/defaults", "PROD-1", role="producer"),
        failed(),
        passed("worker/claim/release", "CLAIM-2", status=Status.WARN, checks=(warning,)),
        passed("worker/stop/grace", "STOP-3", status=Status.SLOW, checks=(slow,)),
        passed("worker/retry/delays", "RETRY-6", status=Status.KNOWN, checks=(missing,), reason="issue 12"),
        passed("worker/retry/last", "RETRY-4", status=Status.STALE, reason="listed as known to fail, and it passed"),
        passed("worker/flow/chain", "FLOW-3", profile="workflow", status=Status.NOT_APPLICABLE, checks=()),
        passed("worker/claim/order", "CLAIM-5", status=Status.NOT_RUN, checks=(), reason="the worker did not start"),
        passed("worker/lease/lost", "LEASE-3", status=Status.ERROR, checks=(), reason="KeyError: 'suite'"),
    ]


def interop(producer: str, worker: str, encoding: str, status: Status = Status.PASS) -> dict[str, Any]:
    check = Check(
        "ENC-2", "the worker gives back what the producer sent", status, "1", "1" if status is Status.PASS else "2"
    )
    result = passed(f"interop/{producer}/{worker}/{encoding}/echo", "ENC-2", status=status, checks=(check,))
    return {"kind": "case", **result.record(), "axes": {"producer": producer, "worker": worker, "encoding": encoding}}


def footer(results: Iterable[CaseResult], filtered: bool = False) -> dict[str, Any]:
    found = list(results)
    code = exit_code(found, filtered)
    return {"kind": "footer", "counts": counts(found), "verdict": VERDICTS[code], "exit_code": int(code)}


def written(
    path: Path, head: dict[str, Any], results: Iterable[CaseResult | dict[str, Any]], end: bool = True
) -> Report:
    """Write a run to a file as the suite does, and read it."""
    file = io.BytesIO()
    writer = Writer(file)
    writer.write(head)
    records = [one if isinstance(one, dict) else {"kind": "case", **one.record()} for one in results]
    for record in records:
        writer.write(record)
    if end:
        writer.write(footer([_judged(record) for record in records], any(head["filters"].values())))
    path.write_bytes(file.getvalue())
    return read(path)


def _judged(record: dict[str, Any]) -> CaseResult:
    checks = tuple(Check(**check) for check in record["checks"])
    return replace(passed(record["id"], "ENC-1"), status=Status(record["status"]), checks=checks)
