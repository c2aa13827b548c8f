"""Each MUST is checked and proven, or a reason says why not."""

import dataclasses

import pytest

from jobwire_conformance import trace
from jobwire_conformance.model import requirements
from jobwire_conformance.trace import Row, document, problems, rows

MUST = Row(requirements()["KEY-1"], ("a/b/c",), ("M1",), None)
SHOULD = Row(requirements()["CALL-4"], (), (), None)


@pytest.mark.parametrize(
    ("wrong", "row"),
    [
        ([], MUST),
        ([], SHOULD),
        ([], dataclasses.replace(MUST, cases=(), mutants=(), reason="It cannot be seen.")),
        ([], dataclasses.replace(MUST, mutants=(), reason="It cannot be broken.")),
        (["no case names it"], dataclasses.replace(MUST, cases=(), mutants=())),
        (["no mutant that breaks it"], dataclasses.replace(MUST, mutants=())),
        (["needs no reason"], dataclasses.replace(MUST, reason="It cannot be seen.")),
    ],
)
def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, wrong: list[str], row: Row) -> None:
    monkeypatch.setattr(trace, "untestable", dict)
    found = list(problems([row]))
    assert len(wrong) == len(found)
    assert all(each in got for each, got in zip(wrong, found, strict=True))


def test_a_reason_for_what_is_no_requirement_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "untestable", lambda: {"KEY-99": "It is none."})
    assert ["KEY-99: has a reason in untestable.yaml, but is not in SPEC.md"] == list(problems([MUST]))


def test_nothing_is_missing() -> None:
    assert [] == list(problems(rows()))


def test_the_document_has_a_line_for_each_requirement() -> None:
    lines = [line.split(" | ")[0].removeprefix("| ") for line in document().splitlines() if line.startswith("| ")]
    assert ["requirement", *requirements()] == lines
