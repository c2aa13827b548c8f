"""claim: promotion, the order and the size of a batch, waiting, and the wake token."""

import pytest

from tests.lua.binding import PRIORITY, Held, Job, Queue, dump

FAR = 9007199254740991
NONCE = "0123456789abcdef"
MIB = 1_048_576


def test_what_a_claim_leaves(queue: Queue) -> None:
    queue.enqueue(Job("a", b"\x80", priority=7))
    claim = queue.claim(5, nonce=NONCE, lease_ms=60_000)
    assert claim.jobs == [Held("a", f"1.{NONCE}", 1, b"", b"\x80")]
    assert (claim.wait_ms, claim.taken, queue.where("a")) == (2000, 0, "active")
    assert queue.record("a") == f"1 3 7 1 - {NONCE} {2 * PRIORITY + 1}"
    assert queue.client.zscore(queue.key("active"), "a") == claim.now + 60_000


@pytest.mark.parametrize("nonce", ["a" * 16, "Z" * 64, "0-_9" * 4])
@pytest.mark.parametrize("lease_ms", [1000, 86_400_000])
def test_the_ends_of_the_ranges(queue: Queue, nonce: str, lease_ms: int) -> None:
    queue.enqueue("a")
    assert queue.take(nonce=nonce, lease_ms=lease_ms).token == f"1.{nonce}"


def test_order_is_priority_then_arrival(queue: Queue) -> None:
    queue.enqueue("d", Job("a", priority=9), "e", Job("g", priority=0), Job("b", priority=9), "f", Job("c", priority=5))
    assert queue.claim(3).ids == ["a", "b", "c"]
    assert queue.claim(1000).ids == ["d", "e", "f", "g"]
    assert queue.claim(1000).ids == []


def test_what_is_due_is_promoted_64_at_a_time_earliest_first(queue: Queue) -> None:
    queue.enqueue(*[Job(f"j{n}", run_at=FAR, priority=9 if n == 69 else 4) for n in range(70)])
    queue.client.zadd(queue.key("scheduled"), {f"j{n}": 1000 + n for n in range(70)})
    first = queue.claim(0)
    assert (first.wait_ms, queue.ready()) == (0, [f"j{n}" for n in range(64)])
    second = queue.claim(1)
    assert second.ids == ["j69"]
    assert queue.ready() == [f"j{n}" for n in range(69)]


def test_promoted_jobs_queue_behind_those_that_were_ready(queue: Queue) -> None:
    queue.enqueue(Job("late", run_at=FAR), Job("high", run_at=FAR, priority=5), "early")
    queue.client.zadd(queue.key("scheduled"), {"late": 1, "high": 2})
    assert queue.claim(10).ids == ["high", "early", "late"]


@pytest.mark.parametrize(
    ("low", "high", "due_in_ms", "lease_in_ms", "rescue"),
    [
        (2000, 2000, None, None, 1),
        (2000, 2000, 90_000, 90_000, 1),
        (100, 1500, 1500, None, 0),
        (0, 10, 5, None, 0),
        (100, 1500, None, 1500, 1),
        (10, 10, None, -5000, 1),
        (2000, 2000, None, 1500, 0),
        (2000, 2000, None, -5000, 0),
        (100, 1300, 1300, 1700, 1),
        (100, 1300, 1700, 1300, 1),
    ],
)
def test_wait_ms(
    queue: Queue, low: int, high: int, due_in_ms: int | None, lease_in_ms: int | None, rescue: int
) -> None:
    queue.enqueue("held", Job("later", run_at=FAR))
    queue.take()
    now = queue.now()
    if due_in_ms is not None:
        queue.client.zadd(queue.key("scheduled"), {"later": now + due_in_ms})
    queue.client.zadd(queue.key("active"), {"held": now + (3_600_000 if lease_in_ms is None else lease_in_ms)})
    assert low <= queue.claim(0, rescue=rescue).wait_ms <= high


@pytest.mark.parametrize(
    ("wait_ms", "armed", "max_jobs", "settings"),
    [
        (0, True, 1, {}),
        (0, True, 0, {}),
        (2000, False, 2, {}),
        (2000, False, 1000, {}),
        (0, True, 1, {"max_active": 3}),
        (2000, False, 1, {"max_active": 2}),
        (2000, False, 0, {"max_active": 1}),
        (2000, False, 1, {"paused": 1}),
        (0, True, 1, {"paused": 0}),
    ],
)
def test_wake_is_armed_again_while_more_could_be_claimed_now(
    queue: Queue, wait_ms: int, armed: bool, max_jobs: int, settings: dict[str, int]
) -> None:
    queue.enqueue("held", "a", "b")
    queue.take()
    for field, value in settings.items():
        queue.configure(field, value)
    for _ in range(2):
        queue.disarm()
        claim = queue.claim(max_jobs, rescue=0)
        assert (claim.wait_ms, queue.is_armed()) == (wait_ms, armed)
        if claim.ids:
            break


def test_wake_holds_one_token_at_most(queue: Queue) -> None:
    queue.enqueue("a")
    queue.enqueue("b")
    assert [queue.claim(0).wait_ms for _ in range(3)] == [0, 0, 0]
    assert queue.client.llen(queue.key("wake")) == 1


def test_a_paused_queue_is_left_as_it_is(queue: Queue) -> None:
    queue.enqueue("over", "a", Job("due", run_at=FAR))
    queue.take()
    queue.expire("over")
    queue.client.zadd(queue.key("scheduled"), {"due": 1})
    queue.configure("paused", 1)
    before = dump(queue.client)
    claim = queue.claim(10)
    assert (claim.wait_ms, claim.taken, claim.jobs) == (2000, 0, [])
    assert dump(queue.client) == before


@pytest.mark.parametrize(
    ("expected", "max_active", "max_jobs"), [(1, 1, 5), (3, 3, 5), (2, 3, 2), (5, 9, 1000), (5, 5, 5), (0, 3, 0)]
)
def test_max_active(queue: Queue, expected: int, max_active: int, max_jobs: int) -> None:
    queue.configure("max_active", max_active)
    queue.enqueue(*"abcde")
    assert len(queue.claim(max_jobs).ids) == expected
    assert len(queue.claim(1000).ids) == min(max_active, 5) - expected


def test_max_active_counts_expired_leases_but_take_over_needs_no_room(queue: Queue) -> None:
    queue.enqueue("a", "b")
    queue.take()
    queue.configure("max_active", 1)
    queue.expire("a")
    assert queue.claim(1, rescue=0).ids == []
    assert queue.claim(1, rescue=1).ids == ["a"]


@pytest.mark.parametrize(
    ("batches", "sizes"),
    [
        ([4, 4, 1], [MIB] * 9),
        ([9], [MIB // 4] * 9),
        ([5, 4], [MIB - 1] * 9),
        ([40], [100] * 40),
        ([1, 1], [MIB, 10]),
    ],
)
def test_a_batch_stops_once_it_holds_4_mib(queue: Queue, batches: list[int], sizes: list[int]) -> None:
    for number, size in enumerate(sizes):
        queue.enqueue(Job(f"j{number}", b"e" * size))
    limit = 1 if batches == [1, 1] else 1000
    assert [len(queue.claim(limit).ids) for _ in batches] == batches
    assert queue.claim(1000).ids == []


def test_a_batch_of_a_thousand(queue: Queue) -> None:
    ids = [f"j{number}" for number in range(1001)]
    queue.enqueue(*ids[:1000])
    queue.enqueue(ids[1000])
    claim = queue.claim(1000)
    assert (claim.ids, claim.wait_ms) == (ids[:1000], 0)
    assert len({job.token for job in claim.jobs}) == 1


@pytest.mark.parametrize(
    ("batches", "maxima"),
    [
        (["ab", "c", "de"], [3, 3, 1, 3, 3]),
        (["a", "b", "c"], [1, 1, 1]),
        (["a", "bc"], [1, 2, 2]),
        (["abcd"], [2, 2, 2, 2]),
    ],
)
def test_a_job_on_its_last_attempt_is_given_alone(queue: Queue, batches: list[str], maxima: list[int]) -> None:
    queue.enqueue(*[Job(id, max_attempts=maximum) for id, maximum in zip("abcde", maxima, strict=False)])
    assert ["".join(queue.claim(10).ids) for _ in batches] == batches


def test_a_second_failure_makes_the_third_attempt_the_last(queue: Queue) -> None:
    queue.enqueue("a")
    for _ in range(2):
        queue.end(queue.take(), "retry", number=0)
    queue.enqueue("b")
    assert [queue.claim(10).ids for _ in range(2)] == [["b"], ["a"]]


def test_a_stored_retry_is_not_a_document(queue: Queue) -> None:
    queue.enqueue("a")
    queue.end(queue.take(), "retry", b"retrying", 0)
    assert queue.outcome("a") == b"retrying"
    assert queue.take()[2:4] == (2, b"")


@pytest.mark.parametrize(("flag", "document"), [("c", b"cancelled"), ("s", b"decided"), ("cs", b"decided")])
def test_a_released_job_with_a_flag_comes_with_its_document(queue: Queue, flag: str, document: bytes) -> None:
    queue.enqueue(Job("a", max_attempts=1), "b")
    job = queue.take()
    if "c" in flag:
        queue.cancel("a", b"cancelled")
    if "s" in flag:
        queue.end(job, "decide", b"decided")
    queue.end(job, "release")
    assert queue.record("a").split()[4] == flag
    jobs = queue.claim(10).jobs
    # Nothing of it is run, so that this is its last attempt does not keep it from a batch.
    assert [(job.id, job.attempt, job.document) for job in jobs] == [("a", 1, document), ("b", 1, b"")]


def test_progress_is_removed_by_a_claim(queue: Queue) -> None:
    queue.enqueue("a", "b")
    for job in queue.claim(2).jobs:
        queue.extend((job.id, job.token, b"half"))
    queue.expire("a")
    assert queue.claim(1).ids == ["a"]
    assert queue.client.hgetall(queue.key("progress")) == {b"b": b"half"}
