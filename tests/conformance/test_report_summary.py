"""What follows from the cases of a run: verdict, counts, where each requirement stands, who goes with whom."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobwire_conformance.model import CaseResult, Check, Status, requirements
from jobwire_conformance.report.merge import Different, merge
from jobwire_conformance.report.stream import Entry, entry
from jobwire_conformance.report.summary import as_json, cell, claims, held, label, rerun, standings, verdict
from jobwire_conformance.report.together import matrices
from jobwire_conformance.report.verdict import Exit, counts, exit_code, is_filtered

from .report_samples import cases, header, interop, passed, written


def of(status: Status) -> CaseResult:
    case = next(case for case in cases() if case.status is status)
    return replace(case, id=f"{case.id}/{status}")


GOOD = passed("a", "ENC-1")


@pytest.mark.parametrize(
    ("expected", "statuses"),
    [
        (Exit.CONFORMS, [Status.PASS]),
        (Exit.CONFORMS, [Status.PASS, Status.WARN, Status.SLOW, Status.KNOWN, Status.NOT_APPLICABLE]),
        (Exit.FAILS, [Status.PASS, Status.FAIL]),
        (Exit.FAILS, [Status.PASS, Status.STALE]),
        (Exit.FAILS, [Status.FAIL, Status.ERROR, Status.NOT_RUN]),
        (Exit.SUITE, [Status.PASS, Status.ERROR, Status.NOT_RUN]),
        (Exit.SUITE, []),
        (Exit.SUITE, [Status.NOT_APPLICABLE, Status.NOT_RUN]),
        (Exit.INCOMPLETE, [Status.PASS, Status.NOT_RUN]),
    ],
)
def test_the_verdict_follows_from_the_worst(expected: Exit, statuses: list[Status]) -> None:
    assert expected is exit_code([of(status) for status in statuses], filtered=False)


@pytest.mark.parametrize("statuses", [[Status.PASS], [Status.PASS, Status.KNOWN]])
def test_a_part_never_conforms(statuses: list[Status]) -> None:
    assert Exit.INCOMPLETE is exit_code([of(status) for status in statuses], filtered=True)


def test_a_part_that_fails_has_failed() -> None:
    assert Exit.FAILS is exit_code([of(Status.FAIL)], filtered=True)


def test_a_pass_that_checked_nothing_proves_nothing() -> None:
    assert Exit.SUITE is exit_code([replace(GOOD, checks=())], filtered=False)


@pytest.mark.parametrize(
    ("expected", "filters"),
    [(False, {}), (False, {"cases": [], "smoke": False, "failed_from": None}), (True, {"cases": ["worker/*"]})],
)
def test_a_filter_that_narrows_nothing_is_none(expected: bool, filters: dict[str, Any]) -> None:
    assert expected is is_filtered(header(filters=filters))


def test_all_statuses_are_counted() -> None:
    assert {**{status.value: 1 for status in Status}, "pass": 2} == counts(cases())


def entries(*results: CaseResult) -> list[Entry]:
    return [entry(result.record()) for result in results]


@pytest.mark.parametrize(
    ("expected", "requirement"),
    [
        (Status.PASS, "LEASE-1"),  # it held in the case that failed by another
        (Status.FAIL, "RUN-8"),
        (Status.WARN, "CLAIM-2"),
        (Status.SLOW, "STOP-3"),
        (Status.KNOWN, "RETRY-6"),
        (Status.STALE, "RETRY-4"),
        (Status.NOT_APPLICABLE, "FLOW-3"),
        (Status.NOT_RUN, "CLAIM-5"),
        (Status.ERROR, "LEASE-3"),
        (None, "SEC-2"),
    ],
)
def test_where_a_requirement_stands(expected: Status | None, requirement: str) -> None:
    found = standings(entries(*cases()))
    assert expected is found[requirement].status
    assert list(requirements()) == list(found)


def test_a_requirement_that_was_not_reached_was_not_run() -> None:
    check = Check("RUN-8", "order", Status.FAIL)
    found = standings(entries(replace(GOOD, status=Status.FAIL, requirements=("RUN-8", "RUN-9"), checks=(check,))))
    assert Status.NOT_RUN is found["RUN-9"].status


def test_only_what_broke_counts_against_a_case() -> None:
    check = Check("KEY-1", "always: commands", Status.FAIL)
    found = standings(entries(replace(GOOD, status=Status.FAIL, checks=(*GOOD.checks, check))))
    assert (Status.PASS, Status.FAIL) == (found["ENC-1"].status, found["KEY-1"].status)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ((3, 6), {Status.PASS: 1, Status.SLOW: 1, Status.WARN: 1, Status.FAIL: 1, Status.NOT_RUN: 1, Status.KNOWN: 1}),
        ((0, 0), {Status.NOT_APPLICABLE: 3}),
    ],
)
def test_what_held_of_what_applies(expected: tuple[int, int], found: dict[Status, int]) -> None:
    assert expected == held(Counter(found))


def test_what_a_filter_left_out_does_not_count() -> None:
    left_out = passed("b", "ENC-1", status=Status.NOT_RUN, reason="left out by a filter", checks=())
    assert Counter({Status.PASS: 1}) == cell([GOOD, left_out], "worker", "core")


def test_claims_are_roles_and_profiles_in_their_order() -> None:
    assert (["codec", "producer", "worker"], ["core", "cancel"]) == claims(header())
    assert ([], []) == claims({})


def test_the_short_form_has_all_that_a_program_needs(tmp_path: Path) -> None:
    found = as_json(written(tmp_path / "run.ndjson", header(), cases()))
    assert ("does not conform", 1) == (found["verdict"], found["exit_code"])
    assert "fail" == found["requirements"]["RUN-8"]["status"]
    assert {"role": "worker", "profile": "core", "held": 2, "of": 7} in found["claims"]
    assert 3 == len(found["failures"])


def test_a_run_that_was_broken_off_has_no_verdict(tmp_path: Path) -> None:
    assert "broken off" == verdict(written(tmp_path / "run.ndjson", header(), [GOOD], end=False))


def test_reports_of_other_cases_are_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "one.ndjson", header("one"), [GOOD])
    two = written(tmp_path / "two.ndjson", header("two", corpus="d1" * 32), [GOOD])
    with pytest.raises(Different, match=r"one corpus, got 2.*\n.*c0c0.*one\.ndjson\n.*d1d1.*two\.ndjson"):
        merge([one, two])


def test_reports_of_another_specification_are_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "one.ndjson", header("one"), [GOOD])
    two = written(tmp_path / "two.ndjson", header("two", spec={"version": "1.0", "sha256": "00" * 32}), [GOOD])
    with pytest.raises(Different, match=r"one SPEC\.md"):
        merge([one, two])


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    reports = [written(tmp_path / f"{name}.ndjson", header(), [GOOD]) for name in ("one", "two")]
    runs = merge(reports)
    assert [f"{label(header())} ({report.path})" for report in reports] == [run.label for run in runs]
    assert ["i0", "i1"] == [run.key for run in runs]


def test_who_was_run_with_whom(tmp_path: Path) -> None:
    one = written(tmp_path / "one.ndjson", header("one"), [interop("go", "rust", "json"), interop("go", "go", "json")])
    two = written(tmp_path / "two.ndjson", header("two"), [interop("go", "rust", "msgpack", Status.FAIL)])
    [found] = matrices(merge([one, two]))
    assert (("go",), ("go", "rust"), ("json", "msgpack")) == (found.rows, found.columns, found.parts)
    cells = [found.cell("go", "rust", part) for part in found.parts]
    assert [(Status.PASS, "1/1"), (Status.FAIL, "0/1")] == [(cell.status, cell.share) for cell in cells]
    assert Status.NOT_RUN is found.cell("go", "go", "msgpack").status


@pytest.mark.parametrize(
    ("title", "place", "axes"),
    [
        ("Who dies, who goes on", ("go", "rust", "killed"), {"killed": "go", "finished": "rust"}),
        ("Chains and groups through the workers of all", ("go", "json", "killed"), {"from": "go", "encoding": "json"}),
    ],
)
def test_other_ways_to_work_together(
    title: str, place: tuple[str, str, str], axes: dict[str, str], tmp_path: Path
) -> None:
    record = {**interop("go", "rust", "json"), "id": "interop/killed/go/rust", "axes": axes}
    [found] = matrices(merge([written(tmp_path / "one.ndjson", header(), [record])]))
    assert (title, [place]) == (found.shape.title, list(found.cells))


def test_nobody_goes_on_in_the_place_of_itself(tmp_path: Path) -> None:
    record = {**interop("go", "go", "json"), "axes": {"killed": "go", "finished": "rust"}}
    [found] = matrices(merge([written(tmp_path / "one.ndjson", header(), [record])]))
    assert not found.applies("go", "go")
    assert found.applies("go", "rust")


def test_without_pairs_there_is_no_matrix(tmp_path: Path) -> None:
    assert [] == matrices(merge([written(tmp_path / "one.ndjson", header(), [GOOD])]))


def test_what_works_together_is_not_said_to_conform(tmp_path: Path) -> None:
    head = header(implementation={"name": "interop", "parties": [{}]})
    assert "work together" == verdict(written(tmp_path / "run.ndjson", head, [interop("go", "rust", "json")]))
    broken = [interop("go", "rust", "json", Status.FAIL)]
    assert "do not work together" == verdict(written(tmp_path / "run.ndjson", head, broken))


def test_the_command_that_runs_a_case_again() -> None:
    assert "jobwire-conformance run jobwire.toml --case a/b --verbose" == rerun(header(), "a/b")
    assert "jobwire-conformance interop MANIFEST..." == rerun(header(implementation={"parties": [{}]}), "a/b")
