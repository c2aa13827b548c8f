"""settle: each verb, each answer, batches, retention and wake."""

import pytest

from tests.lua.binding import PRIORITY, Held, Job, Queue, dump

FAR = 9007199254740991
MIB = 1_048_576
NONCE = "0123456789abcdef"
VERBS = ["succeed", "expire", "cancel", "fail", "retry", "release", "decide"]
EMPTY = ("jobs", "record", "ready", "scheduled", "active", "failed", "outcomes", "progress")


def held(queue: Queue, **settings: int) -> Held:
    queue.enqueue(Job("a", b"E", **settings))
    job = queue.take(nonce=NONCE)
    queue.extend((job.id, job.token, b"half"))
    return job


@pytest.mark.parametrize("verb", ["succeed", "expire", "cancel"])
@pytest.mark.parametrize(("result", "ttl_ms"), [(b"D", 60_000), (b"D", FAR), (None, 0)])
def test_an_end_keeps_the_outcome_for_its_ttl_and_nothing_else(
    queue: Queue, verb: str, result: bytes | None, ttl_ms: int
) -> None:
    assert queue.end(held(queue), verb, number=ttl_ms) == "done"
    assert (queue.where("a"), queue.result("a")) == ("", result)
    assert not queue.client.exists(*[queue.key(name) for name in EMPTY])
    # Lua's numbers end at 2^53, so the last digit of the largest ttl may differ.
    assert result is None or ttl_ms - 5000 <= queue.client.pttl(queue.key("result:a")) <= ttl_ms + 1


def test_fail(queue: Queue) -> None:
    before = queue.now()
    assert queue.end(held(queue, priority=7, max_attempts=5), "fail") == "done"
    assert (queue.where("a"), queue.record("a"), queue.outcome("a")) == ("failed", "1 5 7 1 - - -", b"D")
    assert before <= queue.client.zscore(queue.key("failed"), "a") <= queue.now()
    assert queue.client.hgetall(queue.key("jobs")) == {b"a": b"E"}
    assert (queue.result("a"), queue.client.exists(queue.key("progress"))) == (None, 0)


@pytest.mark.parametrize("delay_ms", [0, 1, 60_000, 10**12])
def test_retry(queue: Queue, delay_ms: int) -> None:
    before = queue.now()
    assert queue.end(held(queue), "retry", number=delay_ms) == "done"
    assert (queue.where("a"), queue.record("a"), queue.outcome("a")) == ("scheduled", "1 3 4 1 - - -", b"D")
    assert before <= queue.client.zscore(queue.key("scheduled"), "a") - delay_ms <= queue.now()
    assert not queue.client.exists(queue.key("progress"))


def test_release_gives_the_attempt_and_the_place_back(queue: Queue) -> None:
    job = held(queue, priority=2)
    queue.enqueue(Job("b", priority=2), Job("c", priority=3))
    assert queue.end(job, "release") == "done"
    assert (queue.record("a"), queue.outcome("a")) == ("0 3 2 1 - - -", None)
    assert queue.client.zscore(queue.key("ready"), "a") == 7 * PRIORITY + 1
    assert not queue.client.exists(queue.key("progress"))
    assert [(job.id, job.attempt, job.token[:2]) for job in queue.claim(3).jobs][1] == ("a", 1, "2.")


def test_a_released_batch_keeps_its_order(queue: Queue) -> None:
    queue.enqueue(*"abcd")
    jobs = queue.claim(3).jobs
    queue.settle(*[(job.id, job.token, "release", b"", 0) for job in reversed(jobs)])
    assert queue.ready() == list("abcd")


def test_a_job_taken_over_is_released_to_the_place_that_it_first_had(queue: Queue) -> None:
    held(queue)
    queue.enqueue("b")
    queue.expire("a")
    assert queue.end(queue.take(), "release") == "done"
    assert (queue.ready(), queue.record("a")) == (["a", "b"], "1 3 4 2 - - -")


def test_a_job_without_a_place_is_released_to_the_tail(queue: Queue) -> None:
    job = held(queue)
    queue.enqueue("b")
    queue.client.hset(queue.key("record"), "a", f"0 3 4 1 - {NONCE} -")
    assert queue.end(job, "release") == "done"
    assert (queue.ready(), queue.record("a")) == (["b", "a"], "0 3 4 1 - - -")


def test_decide_keeps_the_lease_and_the_first_decision(queue: Queue) -> None:
    job = held(queue)
    lease = queue.client.zscore(queue.key("active"), "a")
    assert [queue.end(job, "decide", document) for document in (b"1", b"2")] == ["done", "done"]
    assert (queue.where("a"), queue.outcome("a")) == ("active", b"1")
    assert queue.record("a").split()[:5] == ["1", "3", "4", "1", "s"]
    assert queue.client.zscore(queue.key("active"), "a") == lease
    assert queue.client.hget(queue.key("progress"), "a") == b"half"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("id", "token"),
    [
        *[
            ("a", token)
            for token in ("", "1.", "1.-", f"2.{NONCE}", f"1.{NONCE} ", f"01.{NONCE}", "1.0123456789abcdeF")
        ],
        *[("ready", "0.-"), ("nobody", "0.-"), ("nobody", f"1.{NONCE}"), ("", "0.-")],
    ],
)
def test_a_wrong_token_is_lost_and_changes_nothing(queue: Queue, verb: str, id: str, token: str) -> None:
    held(queue)
    queue.enqueue("ready")
    before = dump(queue.client)
    assert queue.settle((id, token, verb, b"D", 0)) == ["lost"]
    assert dump(queue.client) == before


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"decide"}))
def test_a_resent_settle_is_lost(queue: Queue, verb: str) -> None:
    job = held(queue)
    queue.end(job, verb)
    before = dump(queue.client)
    assert [queue.end(job, verb) for verb in VERBS] == ["lost"] * len(VERBS)
    assert dump(queue.client) == before


@pytest.mark.parametrize(
    ("verb", "document", "number"),
    [(verb, b"", 0) for verb in VERBS if verb != "release"]
    + [(verb, b"D" * (MIB + 1), 0) for verb in VERBS]
    + [(verb, b"D", text) for verb in VERBS for text in ("", "-1", "nan", "inf", "0x10", "1e9", " 7 ", "1.5")]
    + [("succeed", b"D", FAR + 1)]
    + [(verb, b"D", 0) for verb in ("", "Succeed", "finish", "succeed ", "done", "1")],
    ids=lambda value: repr(value)[:20],
)
def test_a_bad_settle_is_refused_and_its_neighbours_are_not(
    queue: Queue, verb: str, document: bytes, number: str | int
) -> None:
    queue.enqueue(*"abc")
    a, b, c = queue.claim(3).jobs
    before = queue.record("b")
    calls = [(a.id, a.token, "succeed", b"D", 9), (b.id, b.token, verb, document, number)]
    assert queue.settle(*calls, (c.id, c.token, "retry", b"D", 9)) == ["done", "refused", "done"]
    assert [queue.where(id) for id in "abc"] == ["", "active", "scheduled"]
    assert (queue.record("b"), queue.outcome("b"), queue.result("b")) == (before, None, None)


def test_the_largest_document(queue: Queue) -> None:
    assert queue.end(held(queue), "succeed", b"D" * MIB) == "done"
    assert len(queue.result("a") or b"") == MIB


@pytest.mark.parametrize(
    ("expected", "where", "verbs"),
    [
        (["done", "lost"], "", ["succeed", "succeed"]),
        (["done", "done"], "", ["decide", "succeed"]),
        (["done", "done"], "failed", ["decide", "fail"]),
        (["done", "lost"], "failed", ["fail", "retry"]),
        (["done", "lost"], "scheduled", ["retry", "succeed"]),
        (["done", "lost"], "ready", ["release", "decide"]),
        (["done", "done", "lost"], "ready", ["decide", "release", "succeed"]),
    ],
)
def test_one_job_more_than_once_in_a_batch(queue: Queue, expected: list[str], where: str, verbs: list[str]) -> None:
    job = held(queue)
    assert queue.settle(*[(job.id, job.token, verb, verb.encode(), 60_000) for verb in verbs]) == expected
    assert queue.where("a") == where
    if where == "":
        assert not queue.client.exists(*[queue.key(name) for name in EMPTY])


def test_a_thousand_jobs_in_one_call(queue: Queue) -> None:
    queue.enqueue(*[f"j{number}" for number in range(1000)])
    jobs = queue.claim(1000).jobs
    calls = [(job.id, job.token, VERBS[number % 7], b"D", 60_000) for number, job in enumerate(jobs)]
    assert queue.settle(*calls) == ["done"] * 1000
    sizes = {name: queue.client.zcard(queue.key(name)) for name in ("failed", "scheduled", "ready", "active")}
    assert sizes == {"failed": 143, "scheduled": 143, "ready": 143, "active": 142}
    assert queue.client.hlen(queue.key("jobs")) == 571


@pytest.mark.parametrize(
    ("expected", "old", "now_failing"), [(0, 0, 1), (0, 3, 1), (0, 4, 1), (1, 5, 1), (6, 10, 1), (2, 10, 2)]
)
def test_each_failure_trims_up_to_4_that_are_older_than_the_retention(
    queue: Queue, expected: int, old: int, now_failing: int
) -> None:
    queue.enqueue(*[f"old{number:02}" for number in range(old)], "young")
    for job in queue.claim(old + 1).jobs:
        queue.end(job, "fail")
    week_ms = 7 * 24 * 3_600_000
    scores = {f"old{number:02}": queue.now() - week_ms - 1000 + number for number in range(old)}
    queue.client.zadd(queue.key("failed"), scores | {"young": queue.now() - week_ms + 60_000})
    queue.enqueue(*[f"new{number}" for number in range(now_failing)])
    queue.settle(*[(job.id, job.token, "fail", b"D", 0) for job in queue.claim(now_failing).jobs])
    left = {f"old{number:02}" for number in range(old - expected, old)} | {"young"}
    left |= {f"new{number}" for number in range(now_failing)}
    for name in ("jobs", "record", "outcomes"):
        assert {id.decode() for id in queue.client.hkeys(queue.key(name))} == left
    assert {id.decode() for id in queue.client.zrange(queue.key("failed"), 0, -1)} == left


@pytest.mark.parametrize(("expected", "dying"), [(6, 1), (2, 2), (0, 3)])
def test_each_failure_of_a_claim_trims_up_to_4_too(queue: Queue, expected: int, dying: int) -> None:
    queue.enqueue(*[f"old{number}" for number in range(10)], *[Job(f"new{n}", max_attempts=1) for n in range(dying)])
    queue.settle(*[(job.id, job.token, "fail", b"D", 0) for job in queue.claim(10).jobs])
    queue.client.zadd(queue.key("failed"), {f"old{number}": 1 for number in range(10)})
    for _ in range(dying):
        queue.take()
    queue.expire(*[f"new{n}" for n in range(dying)])
    queue.claim(1)
    assert queue.client.zcard(queue.key("failed")) == expected + dying


def test_the_retention_is_a_setting_and_holds_for_the_failures_of_claim(queue: Queue) -> None:
    queue.configure("failed_ttl_ms", 1000)
    queue.enqueue("old", Job("new", max_attempts=1))
    queue.end(queue.take(), "fail")
    queue.take()
    queue.client.zadd(queue.key("failed"), {"old": queue.now() - 2000})
    queue.expire("new")
    queue.claim(1)
    assert [queue.where(id) for id in ("old", "new")] == ["", "failed"]


@pytest.mark.parametrize(
    ("armed", "verb", "delay_ms"),
    [
        (False, "succeed", 0),
        (False, "fail", 0),
        (False, "decide", 0),
        (True, "release", 0),
        (True, "retry", 0),
        (True, "retry", 40_000),
        (False, "retry", 80_000),
    ],
)
@pytest.mark.parametrize("paused", [False, True])
def test_wake_is_armed_for_what_becomes_ready_or_the_head_of_scheduled(
    queue: Queue, armed: bool, verb: str, delay_ms: int, paused: bool
) -> None:
    queue.enqueue(Job("later", run_at=queue.now() + 60_000))
    job = held(queue)
    if paused:
        queue.configure("paused", 1)
    queue.disarm()
    queue.end(job, verb, number=delay_ms)
    assert queue.is_armed() == (armed and not paused)


@pytest.mark.parametrize(
    ("armed", "verb", "active", "max_active", "waiting"),
    [
        (True, "succeed", 2, 2, True),
        (True, "fail", 2, 2, True),
        (True, "retry", 2, 2, True),
        (True, "release", 2, 2, False),
        (False, "succeed", 2, 2, False),
        (False, "succeed", 2, 3, True),
        (False, "decide", 2, 2, True),
        (False, "succeed", 3, 2, True),
        (False, "release", 3, 2, True),
    ],
)
@pytest.mark.parametrize("paused", [False, True])
def test_wake_is_armed_when_a_full_queue_gets_room(
    queue: Queue, armed: bool, verb: str, active: int, max_active: int, waiting: bool, paused: bool
) -> None:
    queue.enqueue(*[f"h{number}" for number in range(active)], *(["waits"] if waiting else []))
    job = queue.claim(active).jobs[0]
    queue.configure("max_active", max_active)
    queue.configure("paused", int(paused))
    queue.disarm()
    queue.end(job, verb, number=80_000)
    assert queue.is_armed() == (armed and not paused)
