"""enqueue and pass: the same rules under two names."""

import pytest

from tests.lua.binding import PRIORITY, Job, Queue, dump

FAR = 9007199254740991
MIB = 1_048_576


@pytest.fixture(params=["enqueue", "pass"])
def script(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def furnished(queue: Queue) -> Queue:
    """Return a queue with one id in each state, each named after it."""
    queue.enqueue("failed", "active", "finished")
    queue.end(queue.take(), "fail")
    queue.take()
    queue.cancel("finished")
    queue.enqueue("ready", Job("scheduled", run_at=FAR))
    return queue


@pytest.mark.parametrize(
    ("expected", "id"),
    [
        ("accepted", "new"),
        ("duplicate", "ready"),
        ("duplicate", "scheduled"),
        ("duplicate", "active"),
        ("failed", "failed"),
        ("finished", "finished"),
    ],
)
def test_an_id_is_taken_once(furnished: Queue, script: str, expected: str, id: str) -> None:
    before = dump(furnished.client)
    assert furnished.enqueue(Job(id, b'{"other":1}', 5, 9, 0), script=script) == [expected]
    assert (dump(furnished.client) == before) == (expected != "accepted")


def test_an_id_twice_in_a_batch_is_taken_once(queue: Queue, script: str) -> None:
    jobs = [Job("a", b"first"), Job("b"), Job("a", b"second"), Job("c", priority="x"), Job("c", b"good")]
    assert queue.enqueue(*jobs, script=script) == ["accepted", "accepted", "duplicate", "refused", "accepted"]
    assert queue.client.hgetall(queue.key("jobs")) == {b"a": b"first", b"b": b"{}", b"c": b"good"}


@pytest.mark.parametrize(
    "job",
    [
        *[Job(id) for id in ("", "-a", ".a", ":a", "_a", "a b", "a/b", "é", "a\n", "a\0", "a{b}", "a" * 129, " a")],
        *[Job("x", run_at=text) for text in ("", "-1", "nan", "inf", "0x10", "1e3", " 7 ", "1.5", str(FAR + 1))],
        *[Job("x", max_attempts=text) for text in ("", "0", "1001", "-1", "nan", "0x10", " 3", "1e1")],
        *[Job("x", priority=text) for text in ("", "10", "-1", "nan", "0x1", "4 ", "4.0")],
        Job("x", envelope=b""),
        Job("x", envelope=b"e" * (MIB + 1)),
    ],
    ids=lambda job: repr(job)[:70],
)
def test_a_bad_job_is_refused_and_its_neighbours_are_not(queue: Queue, script: str, job: Job) -> None:
    assert queue.enqueue("before", job, "after", script=script) == ["accepted", "refused", "accepted"]
    assert queue.ready() == ["before", "after"]
    assert set(queue.client.hkeys(queue.key("jobs"))) == {b"before", b"after"}


def test_a_refused_job_alone_leaves_no_key(queue: Queue, script: str) -> None:
    assert queue.enqueue(Job("x", priority="y"), script=script) == ["refused"]
    assert dump(queue.client) == {}


@pytest.mark.parametrize(
    ("record", "job"),
    [
        (None, Job("a")),
        ("0 1 4 0 - - -", Job("a", max_attempts=1)),
        ("0 1000 4 0 - - -", Job("a", max_attempts=1000)),
        ("0 3 0 0 - - -", Job("a", priority=0)),
        ("0 25 9 0 - - -", Job("a", max_attempts="0025", priority="9")),
        (None, Job("a" * 128)),
        (None, Job("0a.B:c_D-9")),
        (None, Job("a", envelope=b"e" * MIB)),
        (None, Job("a", envelope=bytes(range(256)))),
    ],
    ids=lambda value: repr(value)[:70],
)
def test_what_is_stored(queue: Queue, script: str, record: str | None, job: Job) -> None:
    assert queue.enqueue(job, script=script) == ["accepted"]
    score = (9 - int(job.priority)) * PRIORITY + 1
    assert dump(queue.client) == {
        queue.key("control"): {b"layout": b"1", b"seq": b"1"},
        queue.key("jobs"): {job.id.encode(): job.envelope},
        queue.key("ready"): [(job.id.encode(), score)],
        queue.key("wake"): [b"1"],
    } | ({queue.key("record"): {job.id.encode(): record.encode()}} if record else {})


def test_order_is_priority_then_arrival(queue: Queue, script: str) -> None:
    queue.enqueue(Job("d", priority=4), Job("a", priority=9), Job("e", priority=4), script=script)
    queue.enqueue(Job("g", priority=0), Job("b", priority=9), Job("f", priority=4), Job("c", priority=5), script=script)
    assert "".join(queue.ready()) == "abcdefg"


@pytest.mark.parametrize(("state", "later_ms"), [("ready", -1), ("scheduled", 60_000)])
def test_run_at_is_compared_with_the_servers_clock(queue: Queue, script: str, state: str, later_ms: int) -> None:
    run_at = queue.now() + later_ms
    queue.enqueue(Job("a", run_at=run_at), script=script)
    assert queue.where("a") == state
    assert queue.client.zscore(queue.key("scheduled"), "a") == (run_at if state == "scheduled" else None)


@pytest.mark.parametrize(
    ("armed", "jobs"),
    [
        (True, [Job("a")]),
        (True, [Job("a", run_at=FAR - 1)]),
        (False, [Job("next", run_at=FAR)]),
        (True, [Job("a", run_at=FAR), Job("b", run_at=FAR - 1)]),
        (True, [Job("next", run_at=FAR), Job("b")]),
        (False, [Job("first")]),
        (False, [Job("a", priority="bad")]),
    ],
    ids=repr,
)
def test_wake_is_armed_for_a_ready_job_or_a_new_head_of_scheduled(
    queue: Queue, script: str, armed: bool, jobs: list[Job]
) -> None:
    queue.enqueue(Job("first", run_at=FAR))
    queue.disarm()
    queue.enqueue(*jobs, script=script)
    assert queue.is_armed() == armed


@pytest.mark.parametrize(
    ("armed", "settings"),
    [
        (True, {}),
        (True, {"paused": 0}),
        (False, {"paused": 1}),
        (True, {"max_active": 2}),
        (False, {"max_active": 1}),
    ],
    ids=repr,
)
def test_wake_is_not_armed_while_nothing_could_be_claimed(
    queue: Queue, script: str, armed: bool, settings: dict[str, int]
) -> None:
    queue.enqueue("held")
    queue.take()
    for field, value in settings.items():
        queue.configure(field, value)
    queue.disarm()
    queue.enqueue("a", script=script)
    assert queue.is_armed() == armed


def test_a_thousand_jobs_in_one_call(queue: Queue, script: str) -> None:
    ids = [f"j{number}" for number in range(1000)]
    jobs = [Job(id, max_attempts=5, run_at=0 if number % 2 else FAR) for number, id in enumerate(ids)]
    assert queue.enqueue(*jobs, script=script) == ["accepted"] * 1000
    assert queue.ready() == ids[1::2]
    assert queue.enqueue(*jobs, script=script) == ["duplicate"] * 1000
    assert queue.is_armed()
