"""The self-test tells a mistake that is found from one that is not, and from one that is found by chance."""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from jobwire_conformance.cases.loader import case_files, load_cases
from jobwire_conformance.codec.engine import load_vectors
from jobwire_conformance.invariants import INVARIANTS
from jobwire_conformance.manifest import load
from jobwire_conformance.model import Status, requirements
from jobwire_conformance.plan import everything, inapplicable
from jobwire_conformance.selftest.flipping import flipped_vector, flips
from jobwire_conformance.selftest.lab import FAILED, laboratory
from jobwire_conformance.selftest.matrix import Entry, Verdict, load_matrix, looks_like
from jobwire_conformance.selftest.misspelling import is_refused, misspellings, raw_cases
from jobwire_conformance.selftest.mutants import NULLS, SPECIMEN, Mutant, MutantError, load_mutants
from jobwire_conformance.selftest.run import self_test
from jobwire_conformance.selftest.suite_mutation import Standing, places
from jobwire_conformance.selftest.trying import Failing, Trial, try_mutant

KNOWN = {case.id: case for case in everything()}
MISTAKE = Mutant(
    id="X1",
    says="Reads an envelope of another major version.",
    file="fields.py",
    find='if match[1] != "1":',
    replace='if match[1] == "0":',
    case="codec/version/major-2-json",
    breaks=("FIELD-3",),
)


@pytest.mark.parametrize("mutant", load_mutants(), ids=lambda mutant: mutant.id)
def test_a_mutant_can_be_made_and_has_a_case_that_judges_what_it_breaks(mutant: Mutant, tmp_path: Path) -> None:
    manifest = load(mutant.make(tmp_path / "copy"))
    case = KNOWN[mutant.case]
    assert "" == inapplicable(manifest, case)
    assert mutant.breaks
    assert set(mutant.breaks) <= set(requirements())


def test_what_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(MutantError, match="wanted 'no such line' once"):
        dataclasses.replace(MISTAKE, find="no such line").make(tmp_path / "none")
    with pytest.raises(MutantError, match=r"got it \d+ times"):
        dataclasses.replace(MISTAKE, find="return").make(tmp_path / "many")


def tried(mutant: Mutant) -> Verdict:
    async def run() -> Trial:
        async with laboratory(2) as lab:
            return await try_mutant(mutant, lab)

    return asyncio.run(run()).entry.verdict


@pytest.mark.parametrize(
    ("verdict", "change"),
    [
        (Verdict.CAUGHT, {}),
        (Verdict.SURVIVED, {"replace": 'if match[1] != "1" and True:'}),
        (Verdict.WRONG_REASON, {"breaks": ("FIELD-4",)}),
        (Verdict.WRONG_REASON, {"case": "codec/version/jobwire-1-9-json"}),
    ],
)
def test_a_verdict_on_a_mutant(verdict: Verdict, change: dict[str, Any]) -> None:
    assert verdict == tried(dataclasses.replace(MISTAKE, **change))


def test_a_self_test_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "found.json"
    assert 0 == self_test(only="C05", report=report)
    assert capsys.readouterr().out.splitlines()[-1] == "1 of 1 mutants caught"
    found = json.loads(report.read_text())
    assert (0, [], [], ["C05"]) == (found["exit_code"], found["broken"], found["faults"], list(found["mutants"]))
    with pytest.raises(MutantError, match="wanted the name of a mutant, got X"):
        self_test(only="X")


def test_the_matrix_is_of_these_mutants_and_each_is_caught() -> None:
    listed = {each.id: (each.case, each.breaks) for each in load_mutants()}
    assert listed == {each.mutant: (each.case, each.breaks) for each in load_matrix().values()}
    assert [] == [each.mutant for each in load_matrix().values() if each.verdict is not Verdict.CAUGHT]


@pytest.mark.parametrize("name", ["accepting", "rejecting", "echoing"])
def test_a_codec_that_does_nothing_passes_nothing(name: str) -> None:
    async def run() -> list[str]:
        manifest = load(NULLS / f"{name}.toml")
        async with laboratory(1) as lab:
            vectors = [each for each in load_vectors() if not inapplicable(manifest, each)]
            return [each.id for each in await lab.results(manifest, vectors) if each.status is Status.PASS]

    assert [] == asyncio.run(run())


def test_a_turned_vector_fails() -> None:
    async def run() -> list[str]:
        vectors = [turned for each in load_vectors() if (turned := flipped_vector(each))]
        async with laboratory(1) as lab:
            results = await lab.results(load(SPECIMEN), vectors)
        return [each.id for each in results if not any(check.status in FAILED for check in each.checks)]

    assert [] == asyncio.run(run())


def test_a_turned_case_fails() -> None:
    [case] = [each for each in load_cases() if each.id == "worker/retry/last-attempt"]

    async def run() -> list[bool]:
        turned = list(flips(case))
        async with laboratory(2) as lab:
            results = await lab.results(load(SPECIMEN), [each.case for each in turned])
        return [any(check.status in FAILED for check in each.checks) for each in results]

    assert {True} == set(asyncio.run(run()))


def test_no_key_can_be_misspelt(tmp_path: Path) -> None:
    wrong = list(misspellings(list(raw_cases(case_files()))))
    assert [] == [each.where for each in wrong if not is_refused(each.case, tmp_path)]
    assert {"says", "step until", "step check events, count"} <= {each.where for each in wrong}


def trial(name: str, *failing: tuple[str, str, str | None]) -> Trial:
    mutant = dataclasses.replace(MISTAKE, id=name, case="a/b/c", breaks=("KEY-1",))
    return Trial(mutant, tuple(Failing(*each) for each in failing), ())


def test_what_a_rule_is_there_for() -> None:
    names = [invariant.name for invariant in INVARIANTS[:4]]
    found = places(
        [
            trial("M1", ("a/b/c", "KEY-1", names[0]), ("a/b/c", "KEY-1", None)),
            trial("M2", ("a/b/c", "KEY-1", None), ("a/b/d", "KEY-1", names[0])),
            trial("M3", ("a/b/c", "KEY-1", names[1]), ("a/b/c", "KEY-1", names[2])),
        ]
    )
    assert set(found) == {invariant.name for invariant in INVARIANTS} | {"keys in the server"}
    assert [Standing.NEEDED, Standing.BACKED, Standing.BACKED, Standing.IDLE] == [
        found[name].standing for name in names
    ]
    assert "a/b/d" == found[names[0]].case


def test_failures_look_like_the_mutant_that_has_most_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        name: Entry(name, "", "a/b/c", (), failing)
        for name, failing in {"M1": (("x", "A-1"),), "M2": (("x", "A-1"), ("y", "A-1"))}.items()
    }
    monkeypatch.setattr("jobwire_conformance.selftest.matrix.load_matrix", lambda: entries)
    assert [entries["M1"], entries["M2"], None] == [
        looks_like([("x", "A-1")]), looks_like([("y", "A-1"), ("x", "A-1")]), looks_like([("z", "A-1")])
    ]  # fmt: skip
