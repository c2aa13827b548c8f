"""A report is sound only as a whole run of this suite wrote it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobwire_conformance.corpus import corpus
from jobwire_conformance.model import SPEC, CaseResult, Check, Status
from jobwire_conformance.plan import everything, inapplicable, skipped
from jobwire_conformance.report.stream import read
from jobwire_conformance.report.verify import claims_of, verify

from .report_samples import header, interop, written

HEADER = header(
    corpus=corpus(),
    spec={"version": "1.0", "sha256": hashlib.sha256(SPEC.read_bytes()).hexdigest()},
    implementation={**header()["implementation"], "producer": None, "profiles": ["core"], "known_failing": []},
)


def whole() -> list[CaseResult]:
    """Return a verdict on each case of the suite."""
    claimed = claims_of(HEADER)
    results = []
    for case in everything():
        why_not = inapplicable(claimed, case)
        if why_not:
            results.append(skipped(case, Status.NOT_APPLICABLE, why_not))
        else:
            checks = tuple(Check(name, "it holds", Status.PASS) for name in case.requirements)
            results.append(
                CaseResult(case.id, case.says, case.requirements, case.role, case.profile, Status.PASS, checks=checks)
            )
    return results


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "run.ndjson"
    written(path, HEADER, whole())
    return path.read_bytes()


def judged(tmp_path: Path, data: bytes) -> list[str]:
    (tmp_path / "run.ndjson").write_bytes(data)
    return verify(read(tmp_path / "run.ndjson"))


def test_a_whole_run_is_sound(sound: bytes, tmp_path: Path) -> None:
    assert [] == judged(tmp_path, sound)


def test_one_byte_is_noticed(sound: bytes, tmp_path: Path) -> None:
    [problem] = judged(tmp_path, sound.replace(b'"seed":7', b'"seed":8', 1))
    assert problem.startswith("footer: digest: expected")


def test_a_line_that_is_gone_is_noticed(sound: bytes, tmp_path: Path) -> None:
    lines = sound.splitlines(keepends=True)
    problems = judged(tmp_path, b"".join(lines[:5] + lines[6:]))
    missing = json.loads(lines[5])["id"]
    assert f"cases: expected a record of each case, got none of {missing}" in problems
    assert [one for one in problems if one.startswith("footer: lines: expected")]


def test_a_run_that_was_broken_off_proves_nothing(sound: bytes, tmp_path: Path) -> None:
    assert "no footer: the run was broken off" in judged(tmp_path, b"".join(sound.splitlines(keepends=True)[:-1]))


Records = list[dict[str, Any]]


def first(records: Records, status: str = "pass") -> dict[str, Any]:
    return next(record for record in records if record.get("status") == status)


def no_longer_claimed(records: Records) -> None:
    del records[0]["implementation"]["codec"]


def claimed_after_all(records: Records) -> None:
    records[0]["implementation"]["producer"] = ["./adapter"]
    records[0]["implementation"]["profiles"] = ["core", "cancel", "progress", "workflow"]


def left_out(records: Records) -> None:
    first(records).update(status="not run", checks=[], reason="left out by a filter")


def excused_by_nobody(records: Records) -> None:
    case = first(records)
    case["status"] = "known"
    case["checks"][0]["status"] = "fail"


def other_requirements(records: Records) -> None:
    first(records)["requirements"] = ["SEC-2"]


def twice(records: Records) -> None:
    records.insert(1, first(records))


def passes_with_a_failure(records: Records) -> None:
    first(records)["checks"][0]["status"] = "fail"


def checks_nothing(records: Records) -> None:
    first(records)["checks"] = []


def of_its_own(records: Records) -> None:
    records.insert(1, {**first(records), "id": "worker/own/case"})


def another_corpus(records: Records) -> None:
    records[0]["corpus"] = "0" * 64


def another_spec(records: Records) -> None:
    records[0]["spec"]["sha256"] = "0" * 64


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("expected nothing of what is not claimed, got", no_longer_claimed),
        ("expected all that applies to be run, got skipped", claimed_after_all),
        ("expected all that applies to be run, got skipped", left_out),
        ("expected known failures to be those of the manifest, got also", excused_by_nobody),
        ("expected role, profile and requirements as in this suite, got others in", other_requirements),
        ("expected once, got again", twice),
        ("expected a status that follows from the checks, got another in", passes_with_a_failure),
        ("expected a status that follows from the checks, got another in", checks_nothing),
        ("expected cases of this suite only, got worker/own/case", of_its_own),
        ("corpus: expected that of this suite", another_corpus),
        ("SPEC.md: expected that of this suite", another_spec),
    ],
)
def test_even_with_the_right_digest(
    expected: str, change: Callable[[Records], None], sound: bytes, tmp_path: Path
) -> None:
    """Whoever can compute the digest of a report cannot make one that says more than was checked."""
    records = [json.loads(line) for line in sound.splitlines()][:-1]
    change(records)
    found = verify(written(tmp_path / "run.ndjson", records[0], records[1:]))
    assert [problem for problem in found if expected in problem]


@pytest.mark.parametrize(
    ("expected", "member", "value"),
    [("verdict", "verdict", "does not conform"), ("exit_code", "exit_code", 1), ("counts", "counts", {})],
)
def test_the_footer_follows_from_the_records(
    expected: str, member: str, value: Any, sound: bytes, tmp_path: Path
) -> None:
    lines = sound.splitlines(keepends=True)
    footer = {**json.loads(lines[-1]), member: value}
    problems = judged(tmp_path, b"".join(lines[:-1]) + json.dumps(footer).encode() + b"\n")
    assert [f"footer: {expected}: expected"] == [
        problem[: len(f"footer: {expected}: expected")] for problem in problems
    ]


PARTIES = [{"name": "go"}, {"name": "rust"}]


def together(*left_out: str) -> list[dict[str, Any]]:
    names = [party["name"] for party in PARTIES]
    found = [interop(one, other, encoding) for one in names for other in names for encoding in ("json", "msgpack")]
    records = [{**case, "id": case["id"].removesuffix("/echo").replace("interop/", "interop/pair/")} for case in found]
    return [record for record in records if record["id"] not in left_out]


@pytest.mark.parametrize("left_out", [(), ("interop/pair/go/rust/json",)])
def test_each_is_run_with_each(left_out: tuple[str, ...], tmp_path: Path) -> None:
    head = {**HEADER, "implementation": {"name": "interop", "parties": PARTIES}}
    found = verify(written(tmp_path / "run.ndjson", head, together(*left_out)))
    assert [f"cases: expected a record of each pair, got none of {name}" for name in left_out] == [
        problem for problem in found if not problem.startswith("corpus")
    ]
