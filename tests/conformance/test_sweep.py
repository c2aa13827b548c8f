"""The crash sweep: which points it finds in a run, and what it makes of what a death leaves."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jobwire_conformance.binding import SHA
from jobwire_conformance.cases.world import World
from jobwire_conformance.manifest import load
from jobwire_conformance.model import PACKAGE, Check, Status, requirements
from jobwire_conformance.selftest.mutants import load_mutants
from jobwire_conformance.server import Server
from jobwire_conformance.sweep import load_sweeps, run_sweep
from jobwire_conformance.sweep_judge import LAPSED, End, Found, expected, problems
from jobwire_conformance.sweep_points import points
from jobwire_conformance.wire.events import Exchange

SUCCEEDED = {"id": "j", "state": "succeeded", "attempt": 1, "result": 3}
WELL = End("q", "finished", {"state": "succeeded"}, {"between": [1, 2]})


def command(*parts: str) -> list[bytes]:
    return [part.encode() for part in parts]


def script(name: str, *arguments: str, ids: int = 0) -> list[bytes]:
    names = ("jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress", "control", "wake")
    keys = [f"ns:{{default-0}}:{each}" for each in names] + ["ns:{default-0}:result:x"] * ids
    return command("EVALSHA", SHA[name], str(len(keys)), *keys, *arguments)


def claim_reply(*ids: str) -> bytes:
    given = [part for id in ids for part in (id, "1.n", 1, "", "{}")]
    return reply(7, 2000, 0, *given)


def reply(*values: int | str) -> bytes:
    parts = [f":{value}\r\n" if isinstance(value, int) else f"${len(value)}\r\n{value}\r\n" for value in values]
    return (f"*{len(parts)}\r\n" + "".join(parts)).encode()


def run_of(*said: tuple[list[bytes], bytes]) -> list[Exchange]:
    return [
        Exchange("A-0", 1, n, float(n), sent, answered, replied_at=n + 0.5)
        for n, (sent, answered) in enumerate(said, start=1)
    ]


CLAIM = script("claim", "n" * 16, "15000", "1", "1")
SETTLE = script("settle", "j", "1.n", "succeed", "{}", "1", ids=1)
RETRY = script("settle", "j", "1.n", "retry", "{}", "1", ids=1)
WAIT = command("BLPOP", "ns:{default-0}:wake", "2")


def test_points_are_after_each_command_and_before_it_if_something_happened() -> None:
    run = run_of(
        (command("HELLO", "3"), b"+OK\r\n"),
        (command("SCRIPT", "LOAD", "return 1"), b"+x\r\n"),
        (CLAIM, claim_reply("j")),
        (RETRY, reply(7, "done")),
        (CLAIM, claim_reply("j")),
        (SETTLE, reply(7, "done")),
    )
    # The handler runs between the first claim and its settle; a claim behind a settle finds all as that left it.
    assert [
        "killed after claim in default (1)",
        "killed before settle retry in default (1)",
        "killed after settle retry in default (1)",
        "killed after claim in default (2)",
        "killed after settle succeed in default (1)",
    ] == [str(point) for point in points(run, "ns", until=99, mark="-0", ran=[3.6, 3.7])]


def test_a_command_that_is_sent_before_the_reply_to_the_last_is_killed_before_it_too() -> None:
    run = run_of((CLAIM, claim_reply("j")), (SETTLE, reply(7, "done")), (CLAIM, claim_reply()))
    run[1].replied_at = run[2].at + 1
    assert "killed before claim in default (2)" in [str(point) for point in points(run, "ns", until=99, mark="-0")]


def test_rounds_that_give_nothing_are_swept_once_and_counted_each() -> None:
    run = run_of(
        (CLAIM, claim_reply()),
        (WAIT, b"*-1\r\n"),
        (CLAIM, claim_reply()),
        (WAIT, b"*-1\r\n"),
        (CLAIM, claim_reply("j")),
    )
    found = points(run, "ns", until=99, mark="-0")
    assert [("claim", 1), ("blpop", 1), ("claim", 3)] == [(point.kind, point.nth) for point in found]


def test_what_comes_after_the_end_is_not_swept() -> None:
    run = run_of((CLAIM, claim_reply("j")), (SETTLE, reply(7, "done")), (CLAIM, claim_reply()), (WAIT, b"*-1\r\n"))
    assert {"claim", "succeed"} == {point.kind for point in points(run, "ns", until=2.5, mark="-0")}


@pytest.mark.parametrize(
    ("state", "left"),
    [
        ("finished", Found("ready")),
        ("finished", Found("active", attempt=2, most=3)),
        ("failed", Found("active", attempt=3, most=3)),
        ("finished", Found("active", attempt=3, most=3, flags="s", document=SUCCEEDED)),
        ("finished", Found("finished", document=SUCCEEDED)),
    ],
)
def test_a_job_that_died_on_its_last_attempt_ends_failed(state: str, left: Found) -> None:
    assert state == expected({"j": WELL}, {"j": left}, ["j"])["j"].state


def test_a_chain_whose_head_has_no_attempt_left_stops() -> None:
    left = {"j": Found("active", attempt=1, most=1), "s": Found("unknown")}
    ends = expected({"j": WELL, "s": WELL}, left, ["j"])
    assert ("failed", LAPSED) == (ends["j"].state, ends["j"].document)
    assert "unknown" == ends["s"].state


def start(worker: str, attempt: int) -> dict[str, Any]:
    return {"log": "start", "worker": worker, "id": "j", "attempt": attempt}


DONE = Found("finished", document=SUCCEEDED)
DECIDED = Found("active", attempt=1, flags="s", document=SUCCEEDED)


@pytest.mark.parametrize(
    ("requirement", "left", "now", "events"),
    [
        ([], Found("ready"), DONE, [start("B", 1)]),
        ([], Found("active", attempt=1), DONE, [start("A", 1), start("B", 2)]),
        ([], DECIDED, DONE, [start("A", 1)]),
        ([None], Found("active", attempt=1), Found("active", attempt=2), [start("A", 1)]),
        ([None], Found("active", attempt=1), Found("unknown"), [start("A", 1)]),
        (["FLOW-3"], Found("unknown"), Found("unknown"), [start("A", 1)]),
        ([None], Found("active", attempt=1), DONE, []),
        (["RUN-1"], DECIDED, DONE, [start("A", 1), start("B", 2)]),
        (["RUN-1"], Found("active", attempt=1, flags="c"), DONE, [start("B", 2)]),
        (["RUN-10"], Found("active", attempt=1), DONE, [start("A", 1), start("B", 1)]),
        (["FLOW-12"], DECIDED, Found("finished", document=SUCCEEDED | {"result": 4}), [start("A", 1)]),
        (
            ["LEASE-3"],
            Found("active", attempt=1),
            DONE,
            [start("A", 1), *[{"call": "settle", "id": "j", "verb": "succeed", "answer": "done"}] * 2],
        ),
        (
            ["FLOW-5"],
            DECIDED,
            DONE,
            [start("A", 1), {"call": "pass", "id": "j", "envelope": {"parent_id": "j", "args": [4]}}],
        ),
        (
            [],
            DECIDED,
            DONE,
            [start("A", 1), {"call": "pass", "id": "j", "envelope": {"parent_id": "j", "args": [[SUCCEEDED]]}}],
        ),
    ],
)
def test_what_is_found_wrong(requirement: list[str], left: Found, now: Found, events: list[dict[str, Any]]) -> None:
    found = problems({"j": WELL}, {"j": left}, {"j": now}, events, "B")
    assert requirement == [problem.requirement for problem in found]


def test_the_scenarios_are_readable_and_name_their_requirements() -> None:
    sweeps = load_sweeps()
    assert len(sweeps) >= 8
    assert {name for sweep in sweeps for name in sweep.requirements} <= set(requirements())


SWEEPS = {sweep.id: sweep for sweep in load_sweeps()}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    server = Server()
    await server.start()
    client = server.client()
    yield World(load(PACKAGE / "specimen"), server, client, tmp_path / "files")
    await client.aclose()
    await server.close()


def deaths(checks: tuple[Check, ...]) -> dict[str, Status]:
    return {check.what: check.status for check in checks if not check.what.startswith("always")}


@pytest.mark.asyncio
async def test_each_death_of_a_right_worker_is_survived(world: World) -> None:
    result = await run_sweep(SWEEPS["sweep/job/run"], world)
    assert Status.PASS == result.status, result.reason
    assert {
        "not killed": Status.PASS,
        "killed after claim in default (1)": Status.PASS,
        "killed before settle succeed in default (1)": Status.PASS,
        "killed after settle succeed in default (1)": Status.PASS,
    } == deaths(result.checks)
    assert not await world.client.keys("*")


@pytest.mark.asyncio
async def test_a_worker_that_takes_over_nothing_is_found_by_its_deaths(world: World, tmp_path: Path) -> None:
    mutant = next(mutant for mutant in load_mutants() if mutant.says == "Takes over nothing.")
    world.manifest = load(mutant.make(tmp_path / "mutant"))
    # The jobs of the dead stay where they are; nobody has to wait long to see that.
    world.time_scale = 0.3
    result = await run_sweep(SWEEPS["sweep/job/run"], world)
    assert {
        "not killed": Status.PASS,
        "killed after claim in default (1)": Status.FAIL,
        "killed before settle succeed in default (1)": Status.FAIL,
        "killed after settle succeed in default (1)": Status.PASS,
    } == deaths(result.checks)
    assert {"CLAIM-4", "RUN-11"} == {check.requirement for check in result.checks if check.status is Status.FAIL}


@pytest.mark.asyncio
async def test_a_worker_that_does_not_start_fails_once(world: World) -> None:
    world.manifest = replace(world.manifest, worker=("false",))
    result = await run_sweep(SWEEPS["sweep/job/run"], world)
    assert {"not killed": Status.FAIL} == deaths(result.checks)
    assert "status 1" in result.checks[0].got


@pytest.mark.asyncio
@pytest.mark.parametrize("scenario", ["sweep/job/run", "sweep/job/cancelled"])
async def test_a_worker_that_does_nothing_fails(world: World, scenario: str) -> None:
    world.manifest = load(PACKAGE / "selftest" / "nulls" / "idle.toml")
    world.time_scale = 0.2
    result = await run_sweep(SWEEPS[scenario], world)
    assert {"not killed": Status.FAIL} == deaths(result.checks)
