"""Files of cases: what is read, and what is refused with which words."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from jobwire_conformance import corpus
from jobwire_conformance.cases.loader import (
    Case,
    CaseFileError,
    WorkerSettings,
    case_files,
    load_cases,
    main,
    read_files,
)

GOOD: dict[str, Any] = {
    "case": "worker/retry/last-attempt",
    "says": "A job that keeps failing ends failed.",
    "requirements": ["RETRY-4"],
    "role": "worker",
    "profile": "core",
    "steps": [
        {"enqueue": {"id": "j", "type": "conformance.fail"}},
        {"start": "A"},
        {"until": {"job": "j", "state": "failed"}},
    ],
}
CHECK = {"check": {"events": {"log": "start"}, "count": 1}}


def read(folder: Path, *cases: Any) -> list[Case]:
    path = folder / "cases.yaml"
    path.write_text(yaml.safe_dump(list(cases)))
    return read_files([path])


def refused(folder: Path, *cases: Any) -> str:
    with pytest.raises(CaseFileError) as caught:
        read(folder, *cases)
    return str(caught.value)


def with_steps(*steps: Any, **members: Any) -> dict[str, Any]:
    return GOOD | {"steps": [*steps, CHECK]} | members


def test_a_case_is_read_with_its_defaults(tmp_path: Path) -> None:
    (case,) = read(tmp_path, GOOD)
    assert ("worker/retry/last-attempt", ("RETRY-4",), "worker", "core", None, False) == (
        case.id, case.requirements, case.role, case.profile, case.without, case.smoke,
    )  # fmt: skip
    assert ("shared", {}, False, {"A": WorkerSettings()}) == (case.server, case.config, case.acl, case.workers)
    assert 1 == case.source_line
    assert WorkerSettings(("default",), 1, 15_000, 5_000) == case.workers["A"]


def test_workers_get_what_they_are_given(tmp_path: Path) -> None:
    given = {"A": {}, "B": {"queues": ["x", "y"], "concurrency": 3}}
    (case,) = read(tmp_path, GOOD | {"workers": given})
    assert {"A": WorkerSettings(), "B": WorkerSettings(("x", "y"), 3)} == case.workers


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(
        "- case: worker/a/b\n  says: Something is so.\n  requirements: [RUN-9]\n  role: worker\n  profile: core\n"
        "  steps:\n    - enqueue: {id: j, args: [yes, no, on, 12:30, 1e3, 0x10, 010, ~, true, -1.5]}\n"
        "    - check: {job: j, state: ready}\n"
    )
    (case,) = read_files([path])
    wanted = ["yes", "no", "on", "12:30", 1000.0, "0x10", 10, None, True, -1.5]
    assert wanted == case.steps[0]["enqueue"]["args"]


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("'serverr' was unexpected", {"serverr": "own"}),
        ("'says' is a required property", {"says": ...}),
        ("requirements: RETRY-99 is not in SPEC.md", {"requirements": ["RETRY-4", "RETRY-99"]}),
        ("requirements: no check of the case names RETRY-5", {"requirements": ["RETRY-4", "RETRY-5"]}),
        ("config: needs server: own", {"config": {"maxmemory": "1mb"}}),
        ("a case without workflow is one of profile core", {"without": "workflow", "profile": "cancel"}),
        ("'frontend' is not one of", {"role": "frontend"}),
        ("does not match", {"case": "worker/retry"}),
        ("a case needs at least one of until, check", {"steps": [{"start": "A"}]}),
        ("step 1, its key: Additional properties are not allowed ('stat' was unexpected)", {"steps": [{"stat": "A"}]}),
        ("step 1, its key: wanted one step", {"steps": [{"start": "A", "kill": "A"}]}),
        ("step 1, its key: wanted one step, which is a map of one key, got {}", {"steps": [{}]}),
    ],
)
def test_a_case_is_refused(tmp_path: Path, message: str, change: dict[str, Any]) -> None:
    changed = {name: value for name, value in (GOOD | change).items() if value is not ...}
    assert message in refused(tmp_path, changed)


@pytest.mark.parametrize(
    ("message", "step"),
    [
        ("start: no worker B in workers", {"start": "B"}),
        ("signal: no worker C in workers", {"signal": {"worker": "C", "signal": "TERM"}}),
        ("signal.signal: 'HUP' is not one of", {"signal": {"worker": "A", "signal": "HUP"}}),
        ("enqueue.1: 'id' is a required property", {"enqueue": [{"id": "a"}, {"type": "t"}]}),
        ("raw: wanted one of json, hex, base64", {"raw": {"id": "j"}}),
        ("unknown ${nwo}", {"enqueue": {"id": "j", "run_at": "${nwo}"}}),
        ("unknown ${now} as part of a string", {"enqueue": {"id": "j", "args": ["at ${now}"]}}),
        ("fault: 'ms' is a required property", {"fault": {"worker": "A", "when": {"call": "settle"}, "do": "delay"}}),
        ("fault: wanted either worker, or program", {"fault": {"when": {"call": "settle"}, "do": "cut"}}),
        ("server: flush_scripts needs server: own", {"server": "flush_scripts"}),
        ("answer: no step before this begins w", {"answer": {"of": "w", "is": {}}}),
        ("call: 'jobs' is a required property", {"call": {"op": "wait", "timeout_ms": 1}}),
        ("check: wanted one of job, events", {"check": {"jobb": "j"}}),
        ("check: wanted a job with at least one of", {"check": {"job": "j"}}),
        ("check: within_ms belongs to until", {"check": {"job": "j", "state": "ready", "within_ms": 1}}),
        ("check: idle belongs to until", {"check": {"idle": "A"}}),
        ("state: one_of takes a list", {"check": {"job": "j", "state": {"one_of": "ready"}}}),
        ("log: wanted end, start, got \"strt\"", {"check": {"events": {"log": "strt"}}}),
        ("has no member idd", {"check": {"events": {"log": "start", "idd": "j"}}}),
        ("has no member verb", {"check": {"events": {"call": "extend", "verb": "retry"}}}),
        ("call: wanted a script or a command", {"check": {"events": {"call": "setle"}}}),
        ("an event has one of log, call", {"check": {"events": {"id": "j"}}}),
        ("true at once", {"until": {"events": {"log": "start"}, "count": 0}}),
        ("count stands for min and max", {"check": {"events": {"log": "start"}, "count": 1, "min": 1}}),
        ("distinct: an event call: \"claim\" has no member nonse",
         {"check": {"events": {"call": "claim"}, "distinct": "nonse"}}),
        ("a gap with min_ms, max_ms or both", {"check": {"gap": {"from": {"log": "start"}, "to": {"log": "end"}}}}),
        ("min_ms 5 is over max_ms 1",
         {"check": {"gap": {"from": {"log": "start"}, "to": {"log": "end"}}, "min_ms": 5, "max_ms": 1}}),
        ("a command with equals or matches", {"check": {"redis": ["DBSIZE"]}}),
    ],
)  # fmt: skip
def test_a_step_is_refused(tmp_path: Path, message: str, step: dict[str, Any]) -> None:
    text = refused(tmp_path, with_steps(step))
    assert message in text
    assert "cases.yaml:" in text
    assert "case worker/retry/last-attempt: step 1, " in text


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = refused(tmp_path, with_steps({"start": "B"}, {"kill": "C"}), GOOD | {"case": "worker/a/b", "x": 1})
    assert 3 == len(text.splitlines())


def test_an_id_stands_once(tmp_path: Path) -> None:
    assert "case worker/retry/last-attempt is also at" in refused(tmp_path, GOOD, GOOD)


def test_a_key_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text("- case: a\n  case: b\n")
    with pytest.raises(CaseFileError, match="2: the key case stands twice"):
        read_files([path])


def test_the_command_says_what_is_wrong_or_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text(yaml.safe_dump([GOOD]))
    assert 0 == main([str(path)])
    assert "1 cases in 1 files\n" == capsys.readouterr().out
    path.write_text("- {}\n")
    assert 1 == main([str(path)])
    assert "'case' is a required property" in capsys.readouterr().err


def test_the_cases_of_the_suite_are_read_and_right() -> None:
    cases = load_cases()
    assert len(cases) > 200
    assert list(cases) == read_files(case_files())


def test_data_that_were_not_checked_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert corpus.is_checked()
    for text in (None, "", "0" * 64):
        monkeypatch.setattr(corpus, "CHECKED", tmp_path / "checked")
        if text is not None:
            corpus.CHECKED.write_text(text)
        corpus.is_checked.cache_clear()
        assert not corpus.is_checked()
    corpus.is_checked.cache_clear()
