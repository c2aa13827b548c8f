"""What enqueueing gives back: waiting for jobs, chains and groups, and cancelling them."""

from typing import Any

import pytest
import redis

from jobwire import (
    JobCancelled,
    JobExpired,
    JobFailed,
    Malformed,
    OutcomeGone,
    Refused,
    State,
    UnsupportedVersion,
    WaitTimeout,
)
from jobwire import operations as ops
from jobwire.handles import Handle, strongest
from jobwire.steps import Known
from tests.lua.binding import Job, Queue
from tests.reference.clients import awaited, end, looks
from tests.reference.documents import ERROR, outcome


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only a message end a pause."""
    monkeypatch.setattr(ops, "LOOK_AGAIN_S", 600.0)


ENDS = [
    (85, "succeed", {"result": 85}),
    (None, "succeed", {}),
    (None, "succeed", {"result": None}),
    (JobFailed, "fail", {}),
    (JobCancelled, "cancel", {}),
    (JobExpired, "expire", {}),
]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("expected", "verb", "members"), ENDS)
def test_the_end_of_a_job_is_pushed(both: Any, queue: Queue, expected: Any, verb: str, members: dict[str, Any]) -> None:
    handle = both.enqueue("t")
    held = queue.take()
    with awaited(handle, queue, handle.id) as waiting:
        before = looks(queue.client)
        end(queue, held, verb, **members)
        found = waiting.result()
    # One look before the message, which holds the outcome; the settle is the second call.
    assert (before, looks(queue.client)) == (1, 2)
    assert (held.id, 1, members.get("result")) == (found.id, found.attempt, found.result)


@pytest.mark.parametrize(("expected", "verb", "members"), ENDS)
def test_a_result_or_the_error_that_says_why(both: Any, queue: Queue, expected: Any, verb: str, members: Any) -> None:
    handle = both.enqueue("t", id="a")
    end(queue, queue.take(), verb, **members)
    if not isinstance(expected, type):
        assert expected == handle.result()
        return
    with pytest.raises(expected, match=r"^job 'a': handler_error: no$") as caught:
        handle.result()
    assert caught.value.outcome == handle.outcome() == handle.look().outcome


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ("job 'a': timeout: late", {"code": "timeout", "message": "late"}),
        ("job 'a': handler_error: LookupError: no", ERROR | {"type": "LookupError"}),
        ("job 'a': of_a_later_version: ", {"code": "of_a_later_version", "message": ""}),
        ("job 'a': failed", None),
    ],
)
def test_a_failure_is_told_in_one_line(both: Any, queue: Queue, expected: str, error: Any) -> None:
    handle = both.enqueue("t", id="a")
    end(queue, queue.take(), "fail", error=error)
    with pytest.raises(JobFailed) as caught:
        handle.result()
    assert expected == str(caught.value)


@pytest.mark.usefixtures("patient")
def test_a_retry_does_not_end_a_wait(both: Any, queue: Queue) -> None:
    handle = both.enqueue("t")
    with awaited(handle, queue, handle.id) as waiting:
        held = queue.take()
        assert queue.end(held, "retry", outcome(id=held.id, state="retrying", error=ERROR), 0) == "done"
        assert b'"retrying"' in (queue.outcome(held.id) or b"")
        end(queue, queue.take(), result="second")
        assert waiting.result().result == "second"


def test_a_wait_has_a_time_out(both: Any) -> None:
    handle = both.enqueue("t", id="a")
    for timeout in (0, 0.05, -1):
        with pytest.raises(
            WaitTimeout, match=rf"^job 'a': expected an outcome within {timeout} s, got none \[WAIT-3\]$"
        ):
            handle.result(timeout=timeout)
    assert State.READY is handle.state()


@pytest.mark.parametrize("name", ["", "\n"])
def test_the_outcome_that_is_there_is_read_even_without_time(both: Any, queue: Queue, name: str) -> None:
    handle = both.enqueue("t" + name.strip())
    end(queue, queue.take(), result=5)
    assert handle.result(timeout=0) == 5


def test_unknown_means_gone_once_the_enqueue_is_confirmed(both: Any, queue: Queue) -> None:
    handle = both.enqueue("t", id="a")
    end(queue, queue.take())
    queue.client.delete(queue.key("result:a"))
    with pytest.raises(OutcomeGone, match=r"^job 'a': its outcome is no longer kept \[WAIT-5\]$") as caught:
        handle.result()
    assert caught.value.outcome is None


@pytest.mark.usefixtures("patient")
def test_unknown_means_gone_once_the_id_was_seen(both: Any, queue: Queue) -> None:
    queue.enqueue("a")
    handle = both.handle("a", "default")
    with awaited(handle, queue, "a") as waiting:
        assert queue.end(queue.take(), "succeed", b"D", 0) == "done"
        with pytest.raises(OutcomeGone):
            waiting.result()


@pytest.mark.usefixtures("patient")
def test_unknown_is_waited_for_as_long_as_nobody_has_seen_the_id(both: Any, queue: Queue) -> None:
    handle = both.handle("a")
    with awaited(handle, queue, "a") as waiting:
        queue.enqueue("a")
        end(queue, queue.take(), result="late")
        assert waiting.result().result == "late"
    with pytest.raises(WaitTimeout):
        both.handle("nobody").result(timeout=0.01)


@pytest.mark.parametrize("id", ["a", "b"])
def test_a_job_that_keeps_no_outcome_is_not_waited_for(both: Any, queue: Queue, id: str) -> None:
    handle = both.enqueue("t", id=id, result_ttl_ms=0)
    for wait in (handle.result, handle.outcome):
        with pytest.raises(Refused, match=r"expected result_ttl_ms over 0 to wait for, got 0 \[WAIT-6\]$"):
            wait()
    assert State.READY is handle.state()


@pytest.mark.parametrize(
    ("error", "document"),
    [
        (Malformed, b"D"),
        (Malformed, b"[]"),
        (Malformed, outcome(state="done")),
        (Malformed, outcome(state="retrying", error=ERROR)),
        (UnsupportedVersion, outcome(jobwire="2.0", state=[])),
    ],
)
def test_a_document_that_says_nothing_ends_a_wait_with_an_error(
    both: Any, queue: Queue, error: type[Exception], document: bytes
) -> None:
    handle = both.enqueue("t", id="a")
    queue.end(queue.take(), "succeed", document)
    with pytest.raises(error):
        handle.result()


def test_a_failed_job_ends_a_wait_with_what_its_document_says(both: Any, queue: Queue) -> None:
    handle = both.enqueue("t", id="a")
    queue.end(queue.take(), "decide", outcome(result=5))
    for _ in range(6):
        queue.expire("a")
        queue.claim(1)
    assert (handle.state(), handle.result()) == (State.FAILED, 5)


def handed_over(queue: Queue, then: str, **members: Any) -> None:
    """Do a step of a chain: decide, hand over, close."""
    held = queue.take()
    document = outcome(id=held.id, **members)
    assert queue.end(held, "decide", document) == "done"
    queue.enqueue(Job(then), script="pass")
    assert queue.end(held, "succeed", document) == "done"


@pytest.fixture
def chain(both: Any) -> Any:
    return both.chain(*[both.step("t", id=id) for id in "abc"])


def test_the_handle_of_a_chain_is_that_of_its_last_job(both: Any, chain: Any) -> None:
    handle = chain.enqueue()
    assert (handle.id, handle.queue, handle.ids, handle.accepted) == ("c", "default", ["a", "b", "c"], True)
    states = [State.READY, State.UNKNOWN, State.UNKNOWN]
    assert states == [view.state for view in handle.look_all()]
    assert (handle.state(), handle.progress()) == (State.UNKNOWN, None)


@pytest.mark.usefixtures("patient")
def test_a_chain_ends_with_the_result_of_its_last_job(queue: Queue, chain: Any) -> None:
    handle = chain.enqueue()
    with awaited(handle, queue, "c") as waiting:
        handed_over(queue, "b", result=1)
        handed_over(queue, "c", result=2)
        end(queue, queue.take(), result=3)
        assert waiting.result().result == 3


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("error", "verb"), [(JobFailed, "fail"), (JobCancelled, "cancel"), (JobExpired, "expire")])
def test_a_chain_ends_with_the_first_job_that_did_not_succeed(
    queue: Queue, chain: Any, error: type[Exception], verb: str
) -> None:
    handle = chain.enqueue()
    with awaited(handle, queue, "b") as waiting:
        handed_over(queue, "b")
        end(queue, queue.take(), verb)
        with pytest.raises(error, match=r"^job 'b': "):
            ops.result_of(waiting.result())


def test_the_last_job_of_a_chain_counts_whatever_became_of_the_others(queue: Queue, chain: Any) -> None:
    handle = chain.enqueue()
    handed_over(queue, "b")
    handed_over(queue, "c")
    end(queue, queue.take(), result="done")
    queue.client.delete(queue.key("result:a"), queue.key("result:b"))
    assert handle.result(timeout=0) == "done"


def test_a_chain_is_gone_only_when_all_its_jobs_are(queue: Queue, chain: Any) -> None:
    handle = chain.enqueue()
    handed_over(queue, "b")
    queue.client.delete(queue.key("result:a"))
    with pytest.raises(WaitTimeout):
        handle.result(timeout=0)
    end(queue, queue.take())
    queue.client.delete(queue.key("result:b"))
    with pytest.raises(OutcomeGone, match=r"^job 'c'"):
        handle.result()


@pytest.fixture
def group(both: Any) -> Any:
    members = [both.step("t", id="m0", queue="r"), both.chain(both.step("t", id="m1"), both.step("t", id="m1b"))]
    return both.group(*members, then=both.chain(both.step("sum", id="sum", queue="r"), both.step("t", id="after")))


def test_the_handle_of_a_group_names_members_then_callback(both: Any, group: Any, client: redis.Redis) -> None:
    handle = group.enqueue()
    assert (handle.id, handle.queue, handle.accepted, len(handle.answers)) == ("after", "default", True, 2)
    assert handle.ids == ["m0", "m1", "m1b", "sum", "after"]
    assert [view.state.value for view in handle.look_all()] == ["ready", "ready", "unknown", "unknown", "unknown"]
    assert (Queue(client, "r").ready(), Queue(client, "default").ready()) == (["m0"], ["m1"])
    again = group.enqueue()
    assert (again.accepted, again.answers) == (False, ("duplicate", "duplicate"))


@pytest.mark.usefixtures("patient")
def test_a_group_ends_with_the_result_of_its_last_job(client: redis.Redis, queue: Queue, group: Any) -> None:
    handle, other = group.enqueue(), Queue(client, "r")
    with awaited(handle, queue, "after") as waiting:
        end(other, other.take())
        handed_over(queue, "m1b")
        end(queue, queue.take())
        other.enqueue(Job("sum"), script="pass")
        held = other.take()
        queue.enqueue(Job("after"), script="pass")
        end(other, held)
        end(queue, queue.take(), result=[1, 2])
        assert waiting.result().result == [1, 2]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", ["r", "default"])
def test_a_group_ends_with_a_member_that_did_not_succeed(client: redis.Redis, group: Any, name: str) -> None:
    handle, queue = group.enqueue(), Queue(client, name)
    with awaited(handle, Queue(client, "default"), "after") as waiting:
        held = queue.take()
        end(queue, held, "fail")
        with pytest.raises(JobFailed, match=rf"^job '{held.id}': "):
            ops.result_of(waiting.result())


def test_cancel_words(both: Any, queue: Queue) -> None:
    handles = {id: both.enqueue("t", id=id) for id in ("held", "ready")}
    held = queue.take()
    assert (
        *(handles[id].cancel() for id in ("held", "ready")),
        both.handle("no").cancel(),
    ) == ("requested", "cancelled", "unknown")
    assert queue.extend((held.id, held.token, b"")) == ["cancel"]
    assert (handles["held"].cancel(), handles["ready"].cancel()) == ("requested", "finished")
    with pytest.raises(JobCancelled, match=r"^job 'ready': cancelled: cancelled on request$") as caught:
        handles["ready"].result()
    assert (caught.value.outcome.attempt, caught.value.outcome.worker) == (0, None)
    end(queue, held)
    assert handles["held"].cancel() == "finished"


def test_the_cancel_of_a_workflow_reaches_all_its_jobs(client: redis.Redis, queue: Queue, group: Any) -> None:
    handle = group.enqueue()
    assert handle.cancel() == "cancelled"
    states = ["cancelled", "cancelled", "unknown", "unknown", "unknown"]
    assert states == [view.state.value for view in handle.look_all()]
    assert handle.cancel() == "finished"
    assert [*queue.ready(), *Queue(client, "r").ready()] == []


@pytest.mark.parametrize(
    ("expected", "answers"),
    [
        ("cancelled", ["finished", "cancelled", "unknown"]),
        ("requested", ["finished", "requested", "unknown"]),
        ("finished", ["finished", "unknown"]),
        ("unknown", ["unknown", "unknown"]),
    ],
)
def test_the_strongest_answer(expected: str, answers: list[str]) -> None:
    assert expected == strongest(answers)


def test_progress_is_what_was_reported_last(both: Any, queue: Queue) -> None:
    handle = both.enqueue("t")
    held = queue.take()
    for report in (b'{"percent":1}', b"\x81\xa7percent\x02"):
        queue.extend((held.id, held.token, report))
    assert (handle.state(), handle.progress()) == (State.ACTIVE, {"percent": 2})


def test_a_handle_shows_its_job() -> None:
    assert repr(Handle(None, Known("q", "a"))) == "<Handle 'a' in 'q'>"  # type: ignore[arg-type]
