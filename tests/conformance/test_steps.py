"""Cases run against the specimen: what each step does, and how a failure reads."""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from jobwire_conformance.cases.loader import Case, WorkerSettings
from jobwire_conformance.cases.steps import LATE, World, run_case
from jobwire_conformance.manifest import Manifest, load
from jobwire_conformance.model import PACKAGE, CaseResult, Check, Status
from jobwire_conformance.server import Server

SPECIMEN = PACKAGE / "specimen"
ADD = {"id": "j", "type": "conformance.add", "args": [1, 2]}
BARRIER = {"id": "j", "type": "conformance.barrier", "args": ["${dir}/go"]}
DONE = {"until": {"job": "j", "state": "finished"}}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    server = Server()
    await server.start()
    async with server.client() as client:
        yield World(load(SPECIMEN), server, client, tmp_path / "cases")
    await server.close()


def case(*steps: dict[str, Any], **members: Any) -> Case:
    given: dict[str, Any] = {"role": "worker", "profile": "core", "workers": {"A": WorkerSettings()}, **members}
    return Case("worker/a/b", "Something is so.", ("RUN-11",), steps=steps, **given)


def of_steps(result: CaseResult, status: Status = Status.FAIL) -> list[Check]:
    return [check for check in result.checks if check.status is status and not check.what.startswith("always")]


async def passes(world: World, *steps: dict[str, Any], **members: Any) -> CaseResult:
    result = await run_case(case(*steps, **members), world)
    failed = [(check.what, check.expected, check.got) for check in result.checks if check.status is not Status.PASS]
    assert (Status.PASS, "", []) == (result.status, result.reason, failed)
    assert of_steps(result, Status.PASS)
    return result


async def fails(world: World, *steps: dict[str, Any], **members: Any) -> Check:
    result = await run_case(case(*steps, **members), world)
    assert Status.FAIL is result.status
    (check,) = of_steps(result)
    return check


@pytest.mark.asyncio
async def test_a_job_from_enqueue_to_outcome(world: World) -> None:
    result = await passes(
        world,
        {"enqueue": [ADD, {"id": "k", "type": "conformance.echo", "encoding": "msgpack", "copies": 3}]},
        {"check": {"envelope": "j", "bytes": "same"}},
        {"start": "A"},
        {"until": {"job": "j", "state": "finished", "document": {"result": 3}}},
        {"check": {"job": "j", "attempt": 0, "progress": {"absent": True}}},
        {"until": {"job": "k-3", "state": "finished"}},
        {"until": {"idle": "A"}},
        {"check": {"events": {"log": "start"}, "count": 4, "distinct": "id"}},
        {"check": {"order": [{"log": "start", "id": "j"}, {"call": "settle", "id": "j"}]}},
        {"check": {"gap": {"from": {"log": "start"}, "to": {"call": "settle"}}, "max_ms": 5000}},
        {"check": {"redis": ["HLEN", "@jobs"], "equals": 0}},
        {"check": {"redis": ["GET", "@other/result:x"], "matches": {"absent": True}}},
        {"check": {"ttl": "@result:j", "min_ms": 500_000, "max_ms": 600_000}},
    )  # fmt: skip
    assert {"enqueue", "claim", "given", "settle"} <= {
        event.get("call") or event.get("suite") for event in result.events
    }
    assert all(exchange["command"] for exchange in result.transcript)
    assert "start: A" in result.steps


@pytest.mark.asyncio
async def test_nothing_is_left_behind(world: World) -> None:
    await passes(
        world, {"enqueue": [ADD, {**BARRIER, "id": "k"}]}, {"start": "A"}, {"until": {"job": "j", "state": "finished"}}
    )
    assert 0 == await world.client.dbsize()
    assert [] == list(world.folder.iterdir())


@pytest.mark.asyncio
async def test_the_suite_is_a_worker_too(world: World) -> None:
    outcome = {"jobwire": "1.0", "id": "j", "state": "succeeded", "attempt": 1, "finished_at": "${now}"}
    await passes(
        world,
        {"enqueue": [ADD, {**ADD, "id": "k"}, {**ADD, "id": "l", "run_at": "${now+600000}"}]},
        {"enqueue": {**ADD, "id": "x", "queue": "q"}},
        {"claim": {"ids": ["j", "k"]}},
        {"extend": {"id": "k", "progress": {"percent": 1}}},
        {"check": {"job": "k", "state": "active", "progress": {"percent": 1}}},
        {"settle": {"id": "j", "verb": "succeed", "document": outcome, "number": 1000}},
        {"cancel": {"id": "k", "answer": "requested"}},
        {"cancel": {"id": "x", "queue": "q", "answer": "cancelled"}},
        {"lapse": {"id": "k"}},
        {"due": {"id": "l"}},
        {"claim": {"ids": ["k"], "rescue": 1}},
        {"settle": {"id": "k", "verb": "fail", "document": "garbage"}},
        {"check": {"job": "k", "state": "failed", "document": {"undecodable": {"present": True}}}},
        {"requeue": {"ids": ["k"]}},
        {"configure": {"field": "paused", "value": 1}},
        {"join": {"queue": "q", "group": "g", "index": 0, "size": 2, "value": {"a": 1}}},
        {"check": {"job": "l", "state": "ready"}},
        {"check": {"job": "k", "state": "ready"}},
    )  # fmt: skip


@pytest.mark.asyncio
async def test_workers_are_disturbed(world: World) -> None:
    await passes(
        world,
        {"enqueue": BARRIER},
        {"fault": {"worker": "A", "when": {"call": "claim"}, "do": "kill_after"}},
        {"start": ["A"]},
        {"exited": {"worker": "A", "status": -9}},
        {"lapse": {}},
        {"start": "A"},
        {"until": {"events": {"log": "start", "id": "j"}}},
        {"signal": {"worker": "A", "signal": "STOP"}},
        {"signal": {"worker": "A", "signal": "CONT"}},
        {"open": "go"},
        {"mark": "opened"},
        {"until": {"job": "j", "state": "finished", "document": {"attempt": 2}}},
        {"check": {"events": {"log": "end"}, "after": {"mark": "opened"}}},
        {"signal": {"worker": "A", "signal": "TERM"}},
        {"exited": {"worker": "A", "status": 0}},
    )


@pytest.mark.asyncio
async def test_a_server_of_its_own_is_restarted(world: World) -> None:
    await passes(
        world,
        {"enqueue": ADD},
        {"server": "flush_scripts"},
        {"server": "stop"},
        {"server": "start"},
        {"start": "A"},
        DONE,
        {"server": "restart"},
        {"until": {"job": "j", "state": "finished"}},
        server="own",
    )


@pytest.mark.asyncio
async def test_a_worker_can_have_few_rights(world: World) -> None:
    await passes(world, {"enqueue": ADD}, {"start": "A"}, DONE, acl=True)


@pytest.mark.asyncio
async def test_a_producer_is_asked(world: World) -> None:
    await passes(
        world,
        {"call": {"op": "enqueue", "job": ADD, "answer": {"status": "accepted"}}},
        {"check": {"events": {"call": "enqueue", "by": "producer", "id": "j", "encoding": "json"}}},
        {"begin": {"as": "w", "op": "wait", "jobs": [{"queue": "default", "id": "j"}], "timeout_ms": 20_000}},
        {"claim": {"ids": ["j"]}},
        {"cancel": {"id": "j"}},
        {"settle": {"id": "j", "verb": "cancel", "number": 60_000, "document":
            {"jobwire": "1.0", "id": "j", "state": "cancelled", "attempt": 1, "finished_at": 1,
             "error": {"code": "cancelled", "message": "m"}}}},
        {"answer": {"of": "w", "is": {"outcome": {"state": "cancelled"}}}},
        {"producer": "restart"},
        # Sent again, it is a duplicate, and that is a success. [PROD-4]
        {"fault": {"program": "producer", "when": {"call": "enqueue"}, "do": "drop_reply"}},
        {"call": {"op": "enqueue", "job": {**ADD, "id": "k"}, "format": "msgpack", "answer": {"status": "accepted"}}},
        role="producer",
    )  # fmt: skip


FAILURES: list[tuple[str, str, str, list[dict[str, Any]]]] = [
    ("check {job: j", 'state "active" [RUN-11]', '"ready"', [{"check": {"job": "j", "state": "active"}}]),
    ("check {events", "1 events", "0: nothing of the kind", [{"check": {"events": {"log": "start"}, "count": 1}}]),
    ("check {redis", 'to be 5', "1", [{"check": {"redis": ["HLEN", "@jobs"], "equals": 5}}]),
    ("check {ttl", "@result:j to be kept", "no such key", [{"check": {"ttl": "@result:j", "max_ms": 5}}]),
    ("check {envelope", "k to be enqueued", "it was not", [{"check": {"envelope": "k", "bytes": "same"}}]),
    ("until {job: j", 'state "failed"', '"ready", after 5 ms', [
        {"until": {"job": "j", "state": "failed", "within_ms": 5}}]),
    ("enqueue j", '"accepted"', '"duplicate"', [{"enqueue": ADD}]),
    ("claim from q", '["j"]', "[]", [{"claim": {"queue": "q", "ids": ["j"]}}]),
    ("token of j", "a claim of j", "none", [{"extend": {"id": "j"}}]),
    ("cancel x", '"cancelled"', '"unknown"', [{"cancel": {"id": "x", "answer": "cancelled"}}]),
    ("lapse", "a job in active", "none", [{"lapse": {"id": "j"}}]),
    ("kill A", "a worker that runs", "it has ended", [{"kill": "A"}]),
    ("redis", '"x"', '"WRONGTYPE', [{"redis": {"command": ["GET", "@jobs"], "answer": "x"}}]),
    ("exited A", "an exit within 20 ms", "still runs", [{"start": "A"}, {"exited": {"worker": "A", "within_ms": 20}}]),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("what", "expected", "got", "steps"), FAILURES, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_failure_says_what_was_wanted_and_came(
    world: World, what: str, expected: str, got: str, steps: list[dict[str, Any]]
) -> None:
    check = await fails(world, {"enqueue": ADD}, *steps)
    assert check.what.startswith(what)
    assert expected in check.expected
    assert "[RUN-11]" in check.expected
    assert got in check.got


@pytest.mark.asyncio
async def test_a_check_names_its_own_requirement(world: World) -> None:
    check = await fails(world, {"check": {"job": "j", "state": "ready", "requirement": "RUN-12"}})
    assert ("RUN-12", True) == (check.requirement, check.expected.endswith("[RUN-12]"))


@pytest.mark.asyncio
async def test_checks_go_on_and_an_until_ends_the_case(world: World) -> None:
    wrong = {"check": {"job": "j", "state": "active"}}
    result = await run_case(case(wrong, wrong, {"until": {"job": "j", "state": "x", "within_ms": 5}}, wrong), world)
    assert 3 == len(of_steps(result))
    # More time would not help, as a check failed too.
    assert not result.reason.startswith(LATE)


@pytest.mark.asyncio
async def test_what_only_should_be_is_a_warning_and_does_not_end_the_case(world: World) -> None:
    should = {"job": "j", "state": "x", "requirement": "CLAIM-2"}
    late = {"until": {**should, "within_ms": 5}}
    result = await run_case(case({"check": should}, late, {"check": {"job": "j", "state": "unknown"}}), world)
    assert (Status.WARN, 2, 1) == (
        result.status, len(of_steps(result, Status.WARN)), len(of_steps(result, Status.PASS)),
    )  # fmt: skip


@pytest.mark.asyncio
async def test_a_step_that_cannot_be_done_is_no_warning(world: World) -> None:
    should = dataclasses.replace(case({"kill": "A"}), requirements=("CLAIM-2",))
    assert Status.FAIL is (await run_case(should, world)).status


@pytest.mark.asyncio
async def test_what_came_too_late_is_marked(world: World) -> None:
    result = await run_case(case({"until": {"job": "j", "state": "ready", "within_ms": 5}}), world)
    assert result.reason.startswith(LATE)


@pytest.mark.asyncio
async def test_an_upper_limit_of_time_is_slow(world: World) -> None:
    gap = {"gap": {"from": {"mark": "a"}, "to": {"mark": "b"}}, "max_ms": 0}
    result = await run_case(case({"mark": "a"}, {"open": "go"}, {"mark": "b"}, {"check": gap}), world)
    assert (Status.SLOW, 1) == (result.status, len(of_steps(result, Status.SLOW)))


@pytest.mark.asyncio
async def test_a_worker_that_does_not_start_fails_the_case_with_its_last_words(world: World) -> None:
    broken = Manifest(**{**vars(world.manifest), "worker": ("sh", "-c", "echo no such module >&2; exit 3")})
    result = await run_case(case({"start": "A"}, DONE), World(broken, world.server, world.client, world.folder))
    (check,) = of_steps(result)
    assert ("start A", "crashed: start A") == (check.what, result.reason)
    assert "wanted the line ready, got status 3: no such module" in check.got
    assert "no such module" in result.stderr


@pytest.mark.asyncio
async def test_a_fault_of_the_suite_is_an_error(world: World) -> None:
    result = await run_case(case({"claim": {"ids": [], "max_jobs": 5000}}), world)
    assert (Status.ERROR, True) == (result.status, "JOBWIRE_ARGUMENT max_jobs" in result.reason)
