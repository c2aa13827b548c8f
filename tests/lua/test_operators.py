"""requeue, purge and configure: what operators do to a queue."""

import pytest
import redis

from tests.lua.binding import PRIORITY, Job, Queue, dump

FAR = 9007199254740991


def fail(queue: Queue, *jobs: Job | str) -> None:
    """Let these jobs fail, oldest first, a millisecond of 1970 apart."""
    ids = [job.id if isinstance(job, Job) else job for job in jobs]
    for job, id in zip(jobs, ids, strict=True):
        queue.enqueue(job)
        queue.end(queue.take(), "fail", f"{id} failed".encode())
    queue.client.zadd(queue.key("failed"), {id: n + 1 for n, id in enumerate(ids)})


def test_requeue_gives_all_attempts_at_the_tail_and_keeps_run(queue: Queue) -> None:
    fail(queue, Job("a", priority=6, max_attempts=2))
    queue.enqueue(Job("b", priority=6))
    assert queue.requeue("a") == ["requeued"]
    assert (queue.record("a"), queue.outcome("a"), queue.ready()) == ("0 2 6 1 - - -", None, ["b", "a"])
    assert queue.client.zscore(queue.key("ready"), "a") == 3 * PRIORITY + 3
    assert [(job.id, job.attempt, job.token[:2]) for job in queue.claim(2).jobs] == [("b", 1, "1."), ("a", 1, "2.")]


@pytest.mark.parametrize("id", ["ready", "scheduled", "active", "finished", "nobody", ""])
def test_only_failed_jobs_are_requeued(queue: Queue, id: str) -> None:
    queue.enqueue("active", "finished", "ready", Job("scheduled", run_at=FAR))
    queue.take()
    queue.cancel("finished")
    before = dump(queue.client)
    assert queue.requeue(id) == ["unknown"]
    assert dump(queue.client) == before


def test_requeue_of_many_resent_and_mixed(queue: Queue) -> None:
    fail(queue, "a", "b", "c")
    assert queue.requeue("b", "nobody", "a", "b") == ["requeued", "unknown", "requeued", "unknown"]
    assert queue.requeue("b", "a") == ["unknown", "unknown"]
    assert (queue.ready(), queue.where("c")) == (["b", "a"], "failed")


def test_requeue_of_an_id_without_an_envelope_removes_it(queue: Queue) -> None:
    fail(queue, "a", "b")
    queue.client.hdel(queue.key("jobs"), "a")
    assert queue.requeue("a", "b") == ["unknown", "requeued"]
    assert (queue.where("a"), queue.outcome("a")) == ("", None)
    assert queue.client.hkeys(queue.key("record")) == [b"b"]


def test_requeue_of_an_unreadable_record(queue: Queue) -> None:
    fail(queue, "a")
    queue.client.hset(queue.key("record"), "a", "nonsense")
    assert queue.requeue("a") == ["requeued"]
    assert queue.take().attempt == 1


@pytest.mark.parametrize(("armed", "id"), [(True, "a"), (False, "nobody")])
def test_requeue_arms_wake(queue: Queue, armed: bool, id: str) -> None:
    fail(queue, "a")
    queue.disarm()
    queue.requeue(id)
    assert queue.is_armed() == armed


def test_a_thousand_requeued_in_one_call(queue: Queue) -> None:
    ids = [f"j{number}" for number in range(1000)]
    queue.enqueue(*ids)
    queue.settle(*[(job.id, job.token, "fail", b"D", 0) for job in queue.claim(1000).jobs])
    assert queue.requeue(*ids) == ["requeued"] * 1000
    assert queue.ready() == ids


@pytest.mark.parametrize(
    ("left", "before_ms", "limit"),
    [
        ("abcd", 0, 1000),
        ("bcd", 1, 1000),
        ("d", 3, 1000),
        ("", FAR, 1000),
        ("cd", FAR, 2),
        ("bcd", 2, 1),
    ],
)
def test_purge_deletes_the_oldest_failures(queue: Queue, left: str, before_ms: int, limit: int) -> None:
    fail(queue, *"abcd")
    assert queue.purge(before_ms, limit) == 4 - len(left)
    for name in ("jobs", "record", "outcomes"):
        assert sorted(queue.client.hkeys(queue.key(name))) == [id.encode() for id in left]
    assert queue.purge(before_ms, 1000) == (2 if limit == 2 else 1 if limit == 1 else 0)


def test_purge_touches_failed_jobs_only(queue: Queue) -> None:
    fail(queue, "a")
    queue.enqueue("active", "ready", Job("scheduled", run_at=FAR))
    queue.take()
    queue.purge(FAR)
    assert sorted(queue.client.hkeys(queue.key("jobs"))) == [b"active", b"ready", b"scheduled"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("paused", "2"),
        ("max_active", "0"),
        ("max_active", "1000000001"),
        ("failed_ttl_ms", "0"),
        ("failed_ttl_ms", "-1"),
    ],
)
def test_configure_refuses_what_is_out_of_range(queue: Queue, field: str, value: str) -> None:
    with pytest.raises(redis.ResponseError, match=r"^JOBWIRE_ARGUMENT value"):
        queue.configure(field, value)
    assert dump(queue.client) == {}


@pytest.mark.parametrize(
    ("stored", "field", "value"),
    [
        (b"1", "paused", "1"),
        (b"0", "paused", "0"),
        (None, "paused", ""),
        (b"1", "max_active", "1"),
        (b"1000000000", "max_active", "1000000000"),
        (b"7", "max_active", "0007"),
        (None, "max_active", ""),
        (b"1", "failed_ttl_ms", "1"),
        (b"9007199254740991", "failed_ttl_ms", str(FAR)),
        (None, "failed_ttl_ms", ""),
    ],
)
def test_configure(queue: Queue, stored: bytes | None, field: str, value: str) -> None:
    queue.configure("max_active", "5")
    queue.disarm()
    assert queue.configure(field, value) == "ok"
    assert queue.client.hget(queue.key("control"), field) == stored
    assert queue.client.hget(queue.key("control"), "layout") == b"1"
    assert queue.is_armed()
