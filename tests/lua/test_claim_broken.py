"""claim: entries that no script wrote. None may stop a claim, and none may touch its neighbours."""

import json

import pytest

from tests.lua.binding import Job, Queue

FAR = 9007199254740991
GARBLED = [
    "",
    "nonsense",
    "0 3 4 0 - -",
    "0 3 4 0 - - - ",
    " 0 3 4 0 - - -",
    "0  3 4 0 - - -",
    "-1 3 4 0 - - -",
    "0 3 44 0 - - -",
    "0 3 4 0 x - -",
    "0 3 4 0 - n! -",
    "0 3 4 0 - - 1-2",
    "0 3 4 0 - - --",
    "nan 3 4 0 - - -",
    "0 3 4 0 - - -\n",
    f"0 3 4 0 - {'n' * 160} -",
    b"\xff\x00",
]


def scheduled(queue: Queue, id: str) -> None:
    queue.enqueue(Job(id, run_at=FAR))
    queue.client.zadd(queue.key("scheduled"), {id: 1})


def ready(queue: Queue, id: str) -> None:
    queue.enqueue(Job(id, priority=9))


def active(queue: Queue, id: str) -> None:
    queue.enqueue(Job(id, priority=9))
    queue.take()
    queue.expire(id)


PLACES = pytest.mark.parametrize("put", [scheduled, ready, active], ids=lambda put: put.__name__)


def claim_all(queue: Queue) -> list[str]:
    """Claim until nothing is left to give out."""
    ids: list[str] = []
    while True:
        claim = queue.claim(1)
        ids += claim.ids
        if not claim.ids and claim.wait_ms > 10:
            return ids


@PLACES
@pytest.mark.parametrize("record", GARBLED, ids=repr)
def test_a_job_with_an_unreadable_record_fails(queue: Queue, put, record: str) -> None:
    put(queue, "bad")
    queue.enqueue("good")
    queue.client.hset(queue.key("record"), "bad", record)
    assert claim_all(queue) == ["good"]
    assert (queue.where("bad"), queue.record("bad")) == ("failed", "0 1 0 0 - - -")
    document = json.loads(queue.outcome("bad") or b"")
    assert (document["id"], document["state"], document["error"]["code"]) == ("bad", "failed", "invalid")
    assert queue.client.hget(queue.key("jobs"), "bad") == b"{}"
    assert queue.requeue("bad") == ["requeued"]
    assert queue.take().id == "bad"


@PLACES
@pytest.mark.parametrize("record", [None, "nonsense"])
def test_an_id_without_an_envelope_is_dropped(queue: Queue, put, record: str | None) -> None:
    put(queue, "bad")
    queue.enqueue("good")
    queue.client.hdel(queue.key("jobs"), "bad")
    for name in ("outcomes", "progress"):
        queue.client.hset(queue.key(name), "bad", "left over")
    if record is not None:
        queue.client.hset(queue.key("record"), "bad", record)
    assert claim_all(queue) == ["good"]
    assert queue.where("bad") == ""
    assert [queue.client.hexists(queue.key(name), "bad") for name in ("record", "outcomes", "progress")] == [False] * 3


def test_many_broken_entries_at_the_head(queue: Queue) -> None:
    queue.enqueue(*[Job(f"bad{number}", priority=9) for number in range(300)], "good")
    queue.client.hset(queue.key("record"), mapping={f"bad{number}": "?" for number in range(0, 300, 2)})
    queue.client.hdel(queue.key("jobs"), *[f"bad{number}" for number in range(1, 300, 2)])
    assert queue.claim(1000).ids == ["good"]
    assert (queue.client.zcard(queue.key("failed")), queue.client.zcard(queue.key("ready"))) == (150, 0)


def test_broken_control_values_read_as_unset(queue: Queue) -> None:
    queue.client.hset(queue.key("control"), mapping={"max_active": "many", "failed_ttl_ms": "long", "paused": "yes"})
    queue.enqueue(Job("a", max_attempts=1), "b")
    queue.take()
    queue.expire("a")
    assert queue.claim(5).ids == ["b"]
    assert queue.where("a") == "failed"


@pytest.mark.parametrize("verb", ["succeed", "retry", "release", "fail", "decide"])
def test_the_worker_of_a_job_with_an_unreadable_record_has_lost_it(queue: Queue, verb: str) -> None:
    queue.enqueue("a")
    job = queue.take()
    queue.client.hset(queue.key("record"), "a", "nonsense")
    assert queue.end(job, verb) == "lost"
    assert queue.extend((job.id, job.token, b"")) == ["lost"]
    assert queue.cancel("a") == "requested"
    assert (queue.where("a"), queue.record("a"), queue.outcome("a")) == ("active", "nonsense", None)


def test_a_waiting_job_with_an_unreadable_record_can_be_cancelled(queue: Queue) -> None:
    queue.enqueue("a")
    queue.client.hset(queue.key("record"), "a", "nonsense")
    assert (queue.cancel("a"), queue.where("a"), queue.result("a")) == ("cancelled", "", b"C")
    assert not queue.client.exists(queue.key("record"))
