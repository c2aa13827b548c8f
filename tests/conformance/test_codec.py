"""The engine of the codec tells right answers from wrong, and outlives an adapter that does not."""

import asyncio
import base64
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from jobwire_conformance.codec.cases import survive_inputs, worker_cases
from jobwire_conformance.codec.engine import run_vectors
from jobwire_conformance.codec.files import load_vectors
from jobwire_conformance.codec.judge import judge
from jobwire_conformance.codec.vectors import Vector
from jobwire_conformance.manifest import Manifest, load
from jobwire_conformance.model import PACKAGE, CaseResult, Status, overall

BY_ID = {vector.id: vector for vector in load_vectors()}
SMOKE = [vector for vector in BY_ID.values() if vector.smoke]
SOME = [
    BY_ID[f"codec/{name}"]
    for name in (
        *("structure/json", "structure/msgpack", "limits/priority-most-json", "limits/priority-above-json"),
        *("version/major-2-json", "version/major-2-cut-off", "survive/nan", "survive/depth-100000"),
        *("encode/minimal-json", "encode/id-space-msgpack", "encode/integer-over-exact-json", "delay/default-1"),
    )
]

# Answers as the first argument says; a decode of an `id` that the second names ends it, or keeps it silent.
ADAPTER = """
import base64, json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    op, answer = request["op"], {"job": {}}
    data = base64.b64decode(request.get("bytes", ""))
    if sys.argv[2].encode() in data:
        if sys.argv[1] == "ends":
            os._exit(3)
        if sys.argv[1] == "silent":
            continue
        if sys.argv[1] == "babbles":
            print("what?", flush=True)
    if sys.argv[1] == "never" and op != "hello":
        os._exit(4)
    if op == "decode":
        try:
            job = {"args": [], "kwargs": {}, "priority": 4, "result_ttl_ms": 600000, "headers": {}, "then": [],
                   **json.loads(data)}
            retry = {"max_attempts": 3, "delay_ms": 1000, "factor": 2, "max_delay_ms": 300000, "jitter": 0.1,
                     "no_retry_on": []}
            answer = {"job": {**job, "retry": {**retry, **job.get("retry", {})}}}
        except ValueError:
            answer = {"error": {"code": "malformed"}}
    print(json.dumps({"ref": request["ref"], **answer}), flush=True)
"""


def manifest(folder: Path, command: Sequence[str]) -> Manifest:
    words = json.dumps([sys.executable, *command])
    (folder / "jobwire.toml").write_text(
        f'manifest = 1\nname = "some"\nversion = "1"\nlanguage = "Python"\nspec = "1.0"\nprofiles = ["core"]\n'
        f"startup_ms = 60000\n"
        f"[codec]\ncommand = {words}\n"
    )
    return load(folder)


def adapter(folder: Path, kind: str, trigger: str = "-") -> Manifest:
    (folder / "adapter.py").write_text(ADAPTER)
    return manifest(folder, ["adapter.py", kind, trigger])


def run(which: Manifest, vectors: Sequence[Vector], time_scale: float = 1.0) -> dict[str, CaseResult]:
    return {result.id: result for result in asyncio.run(run_vectors(which, vectors, time_scale=time_scale))}


def test_smoke_covers_every_kind() -> None:
    assert {vector.op for vector in SMOKE} == {"decode", "encode", "delay"}
    assert {"accept", "reject", "write"} < {vector.verdict for vector in SMOKE}


def test_a_right_codec_passes() -> None:
    results = run(load(PACKAGE / "specimen"), [*SMOKE, *SOME])
    assert {result.status for result in results.values()} == {Status.PASS}, results


@pytest.mark.parametrize("kind", ["accepting", "rejecting", "malforming", "agreeing", "echoing"])
def test_one_answer_to_all_passes_nothing(kind: str, tmp_path: Path) -> None:
    null = str(PACKAGE / "selftest" / "nulls" / "null_adapter.py")
    results = run(manifest(tmp_path, [null, kind]), [*SMOKE, *SOME])
    assert Status.PASS not in {result.status for result in results.values()}
    assert Status.FAIL in {result.status for result in results.values()}


def test_what_is_rejected_counts_only_with_its_twin(tmp_path: Path) -> None:
    null = str(PACKAGE / "selftest" / "nulls" / "null_adapter.py")
    results = run(manifest(tmp_path, [null, "malforming"]), [BY_ID["codec/structure/json-brace-only"]])
    (result,) = results.values()
    assert (result.status, "codec/structure/json does not pass" in result.reason) == (Status.NOT_RUN, True)


def plain(*names: str) -> list[Vector]:
    return [BY_ID[f"codec/{name}"] for name in names]


LENIENT = plain("structure/json", "limits/id-one-json", "limits/id-digit-first-json", "values/falsy-json")


@pytest.mark.parametrize(
    ("kind", "said", "scale"),
    [("ends", "ended with status 3", 1.0), ("silent", "ms, got none", 0.05), ("babbles", "got b'what?'", 1.0)],
)
def test_only_the_one_at_fault_fails(kind: str, said: str, scale: float, tmp_path: Path) -> None:
    results = run(adapter(tmp_path, kind, '"id":"0"'), LENIENT, scale)
    failed = {result.id: result.reason for result in results.values() if result.status is not Status.PASS}
    assert list(failed) == ["codec/limits/id-digit-first-json"]
    assert said in failed["codec/limits/id-digit-first-json"]


def test_a_codec_that_always_dies_is_given_up(tmp_path: Path) -> None:
    results = run(adapter(tmp_path, "never"), list(BY_ID.values())[:100])
    found = Counter(result.status for result in results.values())
    assert found == {Status.FAIL: 10, Status.NOT_RUN: 90}


def test_a_survivor_needs_an_answer_to_what_comes_behind_it(tmp_path: Path) -> None:
    results = run(adapter(tmp_path, "right"), plain("survive/second-object", "survive/bin-as-unknown-member"))
    assert {result.status for result in results.values()} == {Status.PASS}
    results = run(adapter(tmp_path, "ends", '"id":"a"'), plain("survive/second-object"))
    assert {result.status for result in results.values()} == {Status.FAIL}


def passes(name: str, answer: dict[str, Any]) -> bool:
    return overall(judge(BY_ID[f"codec/{name}"], answer)) is Status.PASS


def bytes_of(text: str) -> dict[str, str]:
    return {"bytes": base64.b64encode(text.encode()).decode()}


JOB = '{"jobwire":"1.0","id":"a","type":"t","queue":"q"}'
FULL = {
    **json.loads(JOB),
    "args": [],
    "kwargs": {},
    "priority": 4,
    "result_ttl_ms": 600000.0,
    "headers": {},
    "then": [],
    "run_at": None,
    "retry": {"max_attempts": 3, "delay_ms": 1e3, "factor": 2, "max_delay_ms": 3e5, "jitter": 0.1, "no_retry_on": []},
}


@pytest.mark.parametrize(
    ("expected", "name", "answer"),
    [
        (True, "structure/json", {"job": FULL}),
        (True, "structure/json", {"job": FULL | {"x-unknown": 1}}),
        (False, "structure/json", {"job": FULL | {"priority": "4"}}),
        (False, "structure/json", {"job": FULL | {"args": None}}),
        (False, "structure/json", {"job": FULL | {"run_at": 0}}),
        (False, "structure/json", {"job": FULL | {"retry": {}}}),
        (False, "structure/json", {"job": json.loads(JOB)}),
        (False, "structure/json", {"error": {"code": "malformed"}}),
        (False, "structure/json", {"failed": "some"}),
        (True, "limits/priority-above-json", {"error": {"code": "invalid", "field": "priority"}}),
        (False, "limits/priority-above-json", {"error": {"code": "invalid", "field": "id"}}),
        (False, "limits/priority-above-json", {"error": {"code": "invalid"}}),
        (False, "limits/priority-above-json", {"error": {"code": "malformed", "field": "priority"}}),
        (False, "limits/priority-above-json", {"job": FULL}),
        (True, "retry/two-bad-json", {"error": {"code": "invalid", "field": "retry.jitter"}}),
        (True, "survive/second-line", {"error": {"code": "malformed"}}),
        (False, "survive/second-line", {"error": {"code": "invalid", "field": "id"}}),
        (False, "survive/second-line", {"failed": "some"}),
        (True, "survive/nan", {"failed": "some"}),
        (True, "delay/default-1", {"ms": [900.0, 1000]}),
        (False, "delay/default-1", {"ms": [900, 1001]}),
        (False, "delay/default-1", {"ms": [900]}),
        (True, "encode/minimal-json", bytes_of(JOB)),
        (True, "encode/minimal-json", bytes_of(JOB[:-1] + ',"priority":4}')),
        (False, "encode/minimal-json", bytes_of(JOB[:-1] + ',"priority":5}')),
        (False, "encode/minimal-json", bytes_of(JOB[:-1] + ',"priority":4.0}')),
        (False, "encode/minimal-json", bytes_of(JOB[:-1] + ',"run_at":null}')),
        (False, "encode/minimal-json", bytes_of(JOB[:-1] + ',"id":"a"}')),
        (False, "encode/minimal-json", bytes_of(JOB + "}")),
        (False, "encode/minimal-json", bytes_of(JOB[:-1])),
        (False, "encode/minimal-msgpack", bytes_of(JOB)),
        (False, "encode/minimal-json", {"error": {"code": "invalid", "field": "id"}}),
        (False, "encode/minimal-json", {"bytes": "not base64"}),
        (True, "encode/integer-over-exact-json", {"error": {"code": "refused"}}),
        (True, "encode/integer-over-exact-json", bytes_of(JOB[:-1] + ',"args":[9007199254740992]}')),
        (False, "encode/integer-over-exact-json", bytes_of(JOB[:-1] + ',"args":[9007199254740993]}')),
        (False, "encode/integer-over-exact-json", bytes_of(JOB[:-1] + ',"args":[1]}')),
        (True, "encode/depth-33-json", {"error": {"code": "refused"}}),
        (False, "encode/depth-33-json", bytes_of(JOB)),
        (True, "encode/id-space-json", {"error": {"code": "invalid", "field": "id"}}),
        (False, "encode/id-space-json", {"error": {"code": "invalid", "field": "type"}}),
    ],
)
def test_verdict(expected: bool, name: str, answer: dict[str, Any]) -> None:
    assert passes(name, answer) == expected


def test_what_a_worker_survives() -> None:
    inputs = survive_inputs()
    assert len(inputs) > 200
    assert len({job_id for job_id, _ in inputs}) == len(inputs)
    assert all(b'"id":"a","type":"t"' not in data for _, data in inputs)


def test_cases_of_a_worker() -> None:
    cases = worker_cases()
    assert {case.id.split("/")[1] for case in cases} == {"survive", "rejects", "reads"}
    for case in cases:
        judged = {value["requirement"] for step in case.steps for value in step.values() if "requirement" in value}
        assert judged == set(case.requirements), case.id
