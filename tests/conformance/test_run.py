"""Runs: what is planned, what is made of failures, which records come out."""

import asyncio
import dataclasses
import datetime
import random
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from jobwire_conformance import run as run_module
from jobwire_conformance.cases.loader import Case, WorkerSettings
from jobwire_conformance.manifest import KnownFailing, Manifest, load
from jobwire_conformance.model import PACKAGE, CaseResult, Status
from jobwire_conformance.plan import Planned, Selection, everything, plan
from jobwire_conformance.run import CouldNotRun, Options, excused, run
from jobwire_conformance.slots import Slots

SPECIMEN = PACKAGE / "specimen"
OPTIONS = Options(concurrency=2, seed=1)
DELAYS = Selection(cases=("worker/retry/default-delays", "codec/delay/*"))


async def records(
    manifest: Manifest, selection: Selection = DELAYS, options: Options = OPTIONS
) -> tuple[int, list[dict[str, Any]]]:
    emitted: list[dict[str, Any]] = []
    return await run(manifest, selection, options, emitted.append), emitted


def ran(emitted: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the status of each case that was not left out."""
    cases = [record for record in emitted if record["kind"] == "case"]
    return {case["id"]: case["status"] for case in cases if case["reason"] != "left out by a filter" and
            case["status"] != "not applicable"}  # fmt: skip


def known(manifest: Manifest, case: str, until: str = "2999-01-01") -> Manifest:
    entry = KnownFailing(case, "issue 12", datetime.date.fromisoformat(until))
    return dataclasses.replace(manifest, known_failing=(entry,))


@pytest.mark.asyncio
async def test_a_run_emits_a_header_its_cases_and_a_footer() -> None:
    seen: list[tuple[str, int, int]] = []
    options = dataclasses.replace(OPTIONS, progress=lambda result, done, total: seen.append((result.id, done, total)))
    code, emitted = await records(load(SPECIMEN), options=options)
    header, *cases, footer = emitted
    statuses = ran(emitted)
    assert {"pass"} == set(statuses.values())
    assert "worker/retry/default-delays" in statuses
    assert len(everything()) == len(cases)
    # What a filter left out is no success. [3]
    assert (3, 3, "no verdict") == (code, footer["exit_code"], footer["verdict"])
    assert (len(statuses), len(cases)) == (footer["counts"]["pass"], sum(footer["counts"].values()))
    assert ("specimen", 1, list(DELAYS.cases)) == (
        header["implementation"]["name"], header["seed"], header["filters"]["cases"],
    )  # fmt: skip
    assert {"codec", "producer"} == set(header["hello"])
    assert header["server"].startswith("valkey ")
    assert [(done, len(statuses)) for done in range(1, len(statuses) + 1)] == [(done, total) for _, done, total in seen]


@pytest.mark.asyncio
async def test_what_is_known_to_fail_and_passes_is_stale() -> None:
    code, emitted = await records(known(load(SPECIMEN), "worker/retry/default-delays"))
    assert (1, "stale") == (code, ran(emitted)["worker/retry/default-delays"])


@pytest.mark.parametrize(
    ("status", "was", "today"),
    [
        (Status.KNOWN, Status.FAIL, "2027-03-01"),
        (Status.FAIL, Status.FAIL, "2027-03-02"),
        (Status.STALE, Status.PASS, "2027-03-01"),
        (Status.STALE, Status.SLOW, "2027-03-01"),
        (Status.ERROR, Status.ERROR, "2027-03-01"),
        (Status.NOT_RUN, Status.NOT_RUN, "2027-03-01"),
    ],
)
def test_what_is_known_to_fail_is_excused_for_a_time(status: Status, was: Status, today: str) -> None:
    entry = KnownFailing("a/b/c", "issue 12", datetime.date(2027, 3, 1))
    result = CaseResult("a/b/c", "Something.", ("RUN-9",), "worker", "core", was, "why")
    assert status is excused(result, entry, datetime.date.fromisoformat(today)).status


@pytest.mark.asyncio
async def test_a_case_that_nobody_has_cannot_be_known_to_fail() -> None:
    with pytest.raises(CouldNotRun, match="no case worker/no/such") as caught:
        await records(known(load(SPECIMEN), "worker/no/such"))
    assert 2 == caught.value.exit_code


def test_a_plan_leaves_out_what_is_not_claimed_or_not_asked_for() -> None:
    manifest = dataclasses.replace(load(SPECIMEN), profiles=("core", "cancel"), producer=None)
    planned = plan(manifest, Selection(cases=("worker/*", "cancel/*", "workflow/*")))
    assert {"worker"} == {case.role for case in planned.cases}
    assert {"core", "cancel"} == {case.profile for case in planned.cases}
    others = {status: {other.reason for other in planned.others if other.status is status} for status in Status}
    assert {"left out by a filter"} == others[Status.NOT_RUN]
    assert {
        "role producer is not claimed", "profile workflow is not claimed", "profile progress is not claimed",
        "profile cancel is claimed",
    } >= others[Status.NOT_APPLICABLE]  # fmt: skip
    assert len(everything()) == len(planned.cases) + len(planned.others)


@pytest.mark.parametrize(
    ("taken", "selection"),
    [
        (True, Selection()),
        (True, Selection(cases=("nothing", "worker/*"))),
        (False, Selection(cases=("worker",))),
        (True, Selection(requirements=("RUN-9",))),
        (False, Selection(requirements=("RUN-1",))),
        (True, Selection(only=frozenset({"worker/a/b"}))),
        (False, Selection(only=frozenset())),
        (False, Selection(smoke=True)),
        (False, Selection(cases=("worker/*",), requirements=("RUN-1",))),
    ],
)
def test_each_filter_narrows(taken: bool, selection: Selection) -> None:
    assert taken is selection.takes(CASE)


CASE = Case("worker/a/b", "Something is so.", ("RUN-9",), "worker", "core", workers={"A": WorkerSettings()})


@pytest.mark.asyncio
@pytest.mark.parametrize(("exit_code", "setup"), [(3, ["true"]), (5, ["false"]), (5, ["./no-such-program"])])
async def test_setup_comes_first(exit_code: int, setup: list[str]) -> None:
    manifest = dataclasses.replace(load(SPECIMEN), setup=tuple(setup))
    try:
        code, _ = await records(manifest, Selection(cases=("codec/delay/*",)))
    except CouldNotRun as error:
        code = error.exit_code
    assert exit_code == code


@pytest.mark.asyncio
async def test_a_program_that_is_not_there_is_no_failure_of_it() -> None:
    manifest = dataclasses.replace(load(SPECIMEN), worker=("./no-such-program",))
    with pytest.raises(CouldNotRun, match="no-such-program") as caught:
        await records(manifest, Selection(cases=("worker/retry/default-delays",)))
    assert 5 == caught.value.exit_code


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ('wanted version "1.0.0"', '{"ref": REF, "name": "specimen", "version": "0"}'),
        ("an unknown op", '{"ref": REF, "name": "specimen", "version": "1.0.0", "spec": "1.0", "roles": ["codec"], '
         '"profiles": ["core", "cancel", "progress", "workflow"]}'),
        ("wanted a JSON object", "hello"),
    ],
)  # fmt: skip
async def test_an_adapter_that_is_not_as_it_says_is_not_asked(message: str, answer: str) -> None:
    code = (
        "import json, sys\nfor line in sys.stdin:\n"
        "    print(sys.argv[1].replace('REF', str(json.loads(line)['ref'])), flush=True)"
    )
    manifest = dataclasses.replace(
        load(SPECIMEN), codec=(sys.executable, "-c", code, answer), producer=None, worker=None
    )
    status, emitted = await records(manifest, Selection(cases=("codec/delay/*",)))
    statuses = ran(emitted)
    assert (1, "fail", {"fail", "not run"}) == (status, statuses["adapter/codec/hello"], set(statuses.values()))
    reason = next(record["reason"] for record in emitted if record.get("id") == "adapter/codec/hello")
    assert message in reason


@pytest.mark.asyncio
@pytest.mark.parametrize("script", ["exit 3", "sleep 60"])
async def test_a_worker_that_does_not_come_up_is_given_up(script: str) -> None:
    manifest = dataclasses.replace(load(SPECIMEN), worker=("sh", "-c", script), startup_ms=500)
    code, emitted = await records(manifest, Selection(cases=("worker/retry/*",)), Options(concurrency=1, seed=1))
    statuses = list(ran(emitted).values())
    assert (1, 3, {"fail", "not run"}) == (code, statuses.count("fail"), set(statuses))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wanted", "verdicts"),
    [
        ([Status.PASS], [Status.PASS]),
        ([Status.PASS], [Status.SLOW, Status.PASS]),
        ([Status.SLOW], [Status.SLOW, Status.SLOW]),
        ([Status.FAIL], [Status.FAIL]),
        ([Status.PASS], [None, Status.PASS]),
        ([Status.FAIL], [None, Status.FAIL]),
    ],
)
async def test_what_missed_time_only_is_run_again_alone(
    monkeypatch: pytest.MonkeyPatch, wanted: list[Status], verdicts: list[Status | None]
) -> None:
    left = list(verdicts)

    async def run_case(case: Case, world: object) -> CaseResult:
        status = left.pop(0)
        given = CaseResult(case.id, case.says, case.requirements, case.role, case.profile, status or Status.FAIL)
        return given if status else dataclasses.replace(given, reason="not in time: until {}")

    cases: list[Planned] = [CASE]
    monkeypatch.setattr(run_module, "run_case", run_case)
    monkeypatch.setattr(run_module, "everything", lambda: cases)
    _, emitted = await records(dataclasses.replace(load(SPECIMEN), codec=None, producer=None), Selection())
    assert ([], wanted) == (left, [record["status"] for record in emitted if record["kind"] == "case"])


@pytest.mark.asyncio
async def test_slots_are_given_in_turn() -> None:
    slots, order = Slots(2), []
    gate = asyncio.Event()

    async def hold(name: str, wanted: int) -> None:
        async with slots.taken(wanted):
            order.append(name)
            await gate.wait()

    tasks = [asyncio.ensure_future(hold(name, wanted)) for name, wanted in (("a", 1), ("b", 5), ("c", 1))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # There is room for c, but b was first.
    assert ["a"] == order
    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    await asyncio.sleep(0)
    assert ["a", "c"] == order
    gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with slots.taken(2):
        pass


def test_the_order_depends_on_the_seed_alone() -> None:
    def order(seed: int) -> list[int]:
        numbers = list(range(50))
        random.Random(seed).shuffle(numbers)
        return numbers

    assert order(1) == order(1) != order(2)
