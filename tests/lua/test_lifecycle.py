"""How cancel, decide, retry and requeue meet: each row of the lifecycle table, and the pairs that once went wrong."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.lua.binding import Held, Job, Queue, dump

FAR = 9007199254740991


def held(queue: Queue, **settings: int) -> Held:
    queue.enqueue(Job("a", **settings))
    return queue.take()


def play(queue: Queue, job: Held, events: str) -> list[str]:
    """Do what the words say to the one job, and collect the answers."""
    answers = []
    for event in events.split():
        if event == "CANCEL":
            answers.append(queue.cancel("a", b"CANCEL"))
        elif event == "requeue":
            answers += queue.requeue("a")
        elif event == "claim":
            job = queue.take()
            answers.append(f"{job.attempt}:{job.document.decode()}")
        elif event == "over":
            queue.expire("a")
        else:
            answers.append(queue.end(job, event, event.encode(), 0 if event == "retry" else 60_000))
    return answers


@pytest.mark.parametrize(
    ("where", "document", "events", "answers"),
    [
        # where the job is at the end, which document is kept, what happens, what is answered
        ("", b"succeed", "succeed", "done"),
        ("", b"expire", "expire", "done"),
        ("", b"cancel", "cancel", "done"),
        ("failed", b"fail", "fail", "done"),
        ("scheduled", b"retry", "retry", "done"),
        ("ready", None, "release", "done"),
        ("active", b"decide", "decide", "done"),
        ("", b"succeed", "decide succeed", "done done"),
        ("active", b"CANCEL", "CANCEL", "requested"),
        ("active", b"CANCEL", "CANCEL CANCEL", "requested requested"),
        ("", b"succeed", "CANCEL succeed", "requested done"),
        ("", b"cancel", "CANCEL cancel", "requested done"),
        ("", b"cancel", "CANCEL retry cancel", "requested cancel done"),
        ("active", b"CANCEL", "CANCEL retry", "requested cancel"),
        ("failed", b"fail", "CANCEL fail", "requested done"),
        ("", b"CANCEL", "CANCEL release CANCEL", "requested done cancelled"),
        ("active", b"CANCEL", "CANCEL release claim", "requested done 1:CANCEL"),
        ("active", b"CANCEL", "CANCEL over claim", "requested 2:CANCEL"),
        # The first decision stands: over a canceller before it and after it, over a later decision and a retry.
        ("active", b"decide", "CANCEL decide", "requested done"),
        ("active", b"decide", "decide CANCEL", "done finished"),
        ("active", b"decide", "decide decide", "done done"),
        ("scheduled", b"decide", "decide retry", "done done"),
        ("scheduled", b"decide", "CANCEL decide retry", "requested done done"),
        ("scheduled", b"decide", "decide retry CANCEL", "done done finished"),
        ("ready", b"decide", "decide release CANCEL", "done done finished"),
        ("active", b"decide", "decide release claim", "done done 1:decide"),
        ("active", b"decide", "decide retry claim", "done done 2:decide"),
        ("active", b"decide", "decide over claim CANCEL", "done 2:decide finished"),
        ("active", b"decide", "CANCEL decide over claim release claim", "requested done 2:decide done 2:decide"),
        # A failure that a worker settles clears every flag, so that a requeue runs the job again.
        ("failed", b"fail", "decide fail", "done done"),
        ("active", None, "decide fail requeue claim", "done done requeued 1:"),
        ("active", None, "CANCEL fail requeue claim", "requested done requeued 1:"),
        ("failed", b"fail", "fail CANCEL", "done finished"),
        ("ready", None, "fail requeue", "done requeued"),
        ("", b"CANCEL", "fail requeue CANCEL", "done requeued cancelled"),
        ("", b"CANCEL", "retry CANCEL", "done cancelled"),
        ("active", b"retry", "retry claim", "done 2:"),
        # What ended is gone: nothing that comes later counts.
        ("", b"succeed", "succeed CANCEL requeue", "done finished unknown"),
        ("", b"cancel", "cancel CANCEL succeed", "done finished lost"),
        ("failed", b"fail", "fail succeed", "done lost"),
        ("scheduled", b"retry", "retry succeed", "done lost"),
        ("ready", None, "release succeed", "done lost"),
    ],
)
def test_histories_of_one_held_job(queue: Queue, where: str, document: bytes | None, events: str, answers: str) -> None:
    assert " ".join(play(queue, held(queue), events)) == answers
    assert queue.where("a") == where
    assert (queue.outcome("a"), queue.result("a")) == ((document, None) if where else (None, document))


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        ("cancelled", "ready"),
        ("cancelled", "scheduled"),
        ("finished", "failed"),
        ("finished", "ended"),
        ("requested", "active"),
        ("unknown", "nobody"),
        ("unknown", ""),
    ],
)
@pytest.mark.parametrize("ttl_ms", [60_000, 0])
def test_cancel_by_state(queue: Queue, answer: str, id: str, ttl_ms: int) -> None:
    queue.enqueue("failed", "ended", "active", "ready", Job("scheduled", run_at=FAR))
    queue.end(queue.take(), "fail")
    queue.end(queue.take(), "succeed")
    queue.take()
    before = dump(queue.client)
    assert queue.cancel(id, b"CANCEL", ttl_ms) == answer
    assert (dump(queue.client) == before) == (answer in ("finished", "unknown"))
    if answer == "cancelled":
        assert (queue.where(id), queue.result(id)) == ("", b"CANCEL" if ttl_ms else None)
        assert not queue.client.hexists(queue.key("jobs"), id)
        assert queue.cancel(id) == ("finished" if ttl_ms else "unknown")


def test_of_two_cancellers_the_first_is_kept(queue: Queue) -> None:
    held(queue)
    assert [queue.cancel("a", document) for document in (b"1", b"2")] == ["requested", "requested"]
    assert queue.outcome("a") == b"1"


def test_run_counts_every_claim_and_never_falls(queue: Queue) -> None:
    job, runs = held(queue, max_attempts=1000), []
    for verb in ["release", "retry", "fail", "release", "over", "retry", "decide"]:
        runs.append(int(job.token.partition(".")[0]))
        if verb == "over":
            queue.expire("a")
        else:
            queue.end(job, verb, number=0)
        if verb == "fail":
            queue.requeue("a")
        if verb != "decide":
            job = queue.take()
    assert runs == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("told", "events"),
    [
        (True, "succeed"),
        (True, "expire"),
        (True, "cancel"),
        (True, "fail"),
        (True, "retry CANCEL"),
        (False, "retry"),
        (False, "release"),
        (False, "decide"),
        (False, "CANCEL"),
    ],
)
def test_the_outcome_is_published_under_the_name_of_its_result_key(queue: Queue, told: bool, events: str) -> None:
    job = held(queue)
    with listening(queue, "a") as heard:
        play(queue, job, events)
        assert heard() == ([queue.result("a") or queue.outcome("a")] if told else [])


def test_a_job_that_a_claim_fails_is_published(queue: Queue) -> None:
    held(queue, max_attempts=1)
    queue.expire("a")
    with listening(queue, "a") as heard:
        queue.claim(1)
        assert heard() == [queue.outcome("a")]


def test_a_job_that_a_claim_fails_as_it_was_asked_to_stop_is_published_with_what_was_stored(queue: Queue) -> None:
    held(queue, max_attempts=1)
    queue.cancel("a", b"STOP")
    for _ in range(3):
        queue.expire("a")
        queue.claim(1)
    assert "failed" != queue.where("a")
    queue.expire("a")
    with listening(queue, "a") as heard:
        queue.claim(1)
        assert heard() == [b"STOP"]


@contextlib.contextmanager
def listening(queue: Queue, id: str) -> Iterator[Callable[[], list[bytes]]]:
    """Subscribe to the channel of one id; a last message on a second channel says that all before it was heard."""
    channel, end = queue.key(f"result:{id}"), queue.key("end")

    def heard() -> list[bytes]:
        queue.client.execute_command("SPUBLISH", end, "end")
        messages = []
        while (message := pubsub.get_sharded_message(timeout=5)) and message["data"] != b"end":
            if message["type"] == "smessage":
                messages.append(message["data"])
        return messages

    with queue.client.pubsub() as pubsub:
        pubsub.ssubscribe(channel, end)
        yield heard
