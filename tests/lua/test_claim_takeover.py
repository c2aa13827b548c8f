"""claim: leases that are over."""

import json

import pytest

from tests.lua.binding import Held, Job, Queue, dump

FIRST, SECOND = "first-nonce-00000", "second-nonce-0000"


def orphans(queue: Queue, *jobs: Job | str) -> list[Held]:
    """Enqueue jobs, claim each alone, and let the leases be over."""
    queue.enqueue(*jobs)
    held = [queue.take(nonce=FIRST, rescue=0) for _ in jobs]
    queue.expire(*[job.id for job in held])
    return held


def test_an_expired_job_is_taken_over_alone_before_anything_ready(queue: Queue) -> None:
    orphans(queue, "a", "b")
    queue.enqueue(Job("urgent", priority=9))
    place = queue.record("a").split()[6]
    claim = queue.claim(10, nonce=SECOND)
    assert (claim.taken, claim.jobs) == (1, [Held("a", f"2.{SECOND}", 2, b"", b"{}")])
    assert queue.record("a") == f"2 3 4 2 - {SECOND} {place}"
    assert queue.client.zscore(queue.key("active"), "a") == claim.now + 15_000
    assert queue.claim(10).ids == ["b"]
    assert queue.claim(10).ids == ["urgent"]


@pytest.mark.parametrize(("ids", "max_jobs", "rescue"), [(["b"], 5, 0), ([], 0, 1), ([], 0, 0)])
def test_without_rescue_or_room_nothing_is_taken_over(queue: Queue, ids: list[str], max_jobs: int, rescue: int) -> None:
    orphans(queue, "a")
    queue.enqueue("b")
    claim = queue.claim(max_jobs, rescue=rescue)
    assert (claim.taken, claim.ids) == (0, ids)


def test_an_expired_lease_is_good_until_somebody_takes_it(queue: Queue) -> None:
    (job,) = orphans(queue, "a")
    assert queue.extend((job.id, job.token, b"")) == ["ok"]
    assert queue.claim(1).ids == []
    queue.expire("a")
    assert queue.end(job, "succeed") == "done"


def test_one_poison_job_costs_its_neighbours_one_attempt_once(queue: Queue) -> None:
    queue.enqueue(*[f"j{number:02}" for number in range(20)])
    queue.claim(20)
    attempts: dict[str, list[int]] = {}
    # j00 kills each worker that takes it; the others end well.
    while queue.client.zcard(queue.key("active")):
        queue.expire(*[id.decode() for id in queue.client.zrange(queue.key("active"), 0, -1)])
        for job in queue.claim(20).jobs:
            attempts.setdefault(job.id, []).append(job.attempt)
            if job.id != "j00":
                queue.end(job, "succeed")
    assert attempts.pop("j00") == [2, 3]
    assert attempts == {f"j{number:02}": [2] for number in range(1, 20)}
    assert queue.where("j00") == "failed"


def test_the_last_lease_over_is_a_failure(queue: Queue) -> None:
    orphans(queue, Job("a", max_attempts=1, priority=6))
    queue.extend(("a", f"1.{FIRST}", b"half"))
    queue.expire("a")
    queue.enqueue("b")
    claim = queue.claim(5)
    assert (claim.taken, claim.ids, queue.where("a")) == (0, ["b"], "failed")
    assert queue.record("a") == "1 1 6 1 - - -"
    assert json.loads(queue.outcome("a") or b"") == {
        "jobwire": "1.0",
        "id": "a",
        "state": "failed",
        "attempt": 1,
        "error": {"code": "lease_expired", "message": "the lease of the last attempt ran out"},
        "finished_at": claim.now,
    }
    assert queue.client.zscore(queue.key("failed"), "a") == claim.now
    assert not queue.client.exists(queue.key("progress"))


def test_what_is_exhausted_fails_on_the_way_to_the_first_that_is_not(queue: Queue) -> None:
    orphans(queue, *[Job(id, max_attempts=1) for id in "abc"], "d", "e")
    claim = queue.claim(5)
    assert (claim.taken, claim.ids) == (1, ["d"])
    assert [queue.where(id) for id in "abcde"] == ["failed", "failed", "failed", "active", "active"]


def test_64_expired_jobs_are_looked_at_in_one_claim(queue: Queue) -> None:
    orphans(queue, *[Job(f"j{number:02}", max_attempts=1) for number in range(70)])
    claim = queue.claim(5)
    assert (claim.ids, claim.wait_ms, queue.client.zcard(queue.key("failed"))) == ([], 10, 64)
    queue.claim(5)
    assert queue.client.zcard(queue.key("failed")) == 70


@pytest.mark.parametrize(("flag", "document"), [("c", b"cancelled"), ("s", b"decided"), ("cs", b"decided")])
@pytest.mark.parametrize("max_attempts", [1, 3])
def test_a_decided_or_cancelled_job_is_given_out_with_its_document_until_max_plus_3(
    queue: Queue, flag: str, document: bytes, max_attempts: int
) -> None:
    (job,) = orphans(queue, Job("a", max_attempts=max_attempts))
    if "c" in flag:
        queue.cancel("a", b"cancelled")
    if "s" in flag:
        queue.end(job, "decide", b"decided")
    for attempt in range(2, max_attempts + 4):
        claim = queue.claim(5)
        assert (claim.taken, claim.jobs[0][2:4]) == (1, (attempt, document))
        queue.expire("a")
    assert queue.claim(5).ids == []
    assert queue.record("a") == f"{max_attempts + 3} {max_attempts} 4 {max_attempts + 3} {flag} - -"
    assert (queue.where("a"), queue.outcome("a")) == ("failed", document)
    # Requeued, it is given out with its document again: a decision is never lost.
    assert queue.requeue("a") == ["requeued"]
    assert queue.take()[2:4] == (1, document)


@pytest.mark.parametrize("stale", ["succeed", "expire", "cancel", "fail", "retry", "release", "decide"])
def test_after_a_take_over_the_old_token_changes_nothing(queue: Queue, stale: str) -> None:
    (old,) = orphans(queue, "a")
    queue.take()
    before = dump(queue.client)
    assert queue.end(old, stale) == "lost"
    assert queue.extend((old.id, old.token, b"half")) == ["lost"]
    assert dump(queue.client) == before
