"""The operations by themselves: what they send, and how a wait is judged."""

from collections.abc import Callable
from typing import Any

import pytest

from jobwire import operations as ops
from jobwire.clock import ServerClock
from jobwire.lifecycle import State
from jobwire.operations import NOTHING, View, judge
from jobwire.outcome import Outcome, OutcomeState
from jobwire.values import Encoding


def view(state: str, said: str | None = None) -> View:
    found = Outcome(jobwire="1.0", id="a", state=OutcomeState(said), attempt=1, finished_at=7) if said else None
    return View(State(state), 1, found, None)


DONE, LIVE = view("succeeded", "succeeded"), view("active")


@pytest.mark.parametrize(
    ("expected", "views"),
    [
        (None, [NOTHING]),
        (None, [LIVE]),
        (None, [view("scheduled", "retrying")]),
        (None, [view("active", "succeeded")]),
        ("succeeded", [DONE]),
        ("failed", [view("failed", "failed")]),
        ("succeeded", [view("failed", "succeeded")]),
        ("cancelled", [view("cancelled", "cancelled")]),
        (None, [DONE, NOTHING]),
        (None, [DONE, view("scheduled", "retrying")]),
        ("expired", [DONE, view("expired", "expired"), NOTHING]),
        (None, [view("failed", "succeeded"), NOTHING]),
        ("succeeded", [view("failed", "failed"), DONE]),
        ("failed", [view("failed", "failed"), view("cancelled", "cancelled"), NOTHING]),
    ],
)
def test_a_wait_is_judged_by_all_its_jobs(expected: str | None, views: list[View]) -> None:
    found = judge(views)
    assert expected == (found and found.state.value)


def sent(operation: Any, reply: Callable[[], list[Any]]) -> tuple[list[ops.Send], Any]:
    """Drive an operation with a reply to each call; give what it sent and its result."""
    requests: list[ops.Send] = []
    answer = None
    while True:
        try:
            requests.append(operation.send(answer))
        except StopIteration as stop:
            return requests, stop.value
        answer = [reply() for _ in requests[-1].calls]


SESSION = ops.Session("jobwire", Encoding.JSON, ServerClock())


def test_a_purge_goes_on_while_a_call_deletes_all_it_may() -> None:
    replies = iter([1000, 1000, 3])
    requests, count = sent(ops.purge(SESSION, "q", 7), lambda: [7, next(replies)])
    assert (3, 2003) == (len(requests), count)


def test_requeue_puts_at_most_1000_ids_into_a_call() -> None:
    requests, _ = sent(ops.requeue(SESSION, "q", [str(number) for number in range(2001)]), lambda: [7])
    assert [1000, 1000, 1] == [len(request.calls[0].args) for request in requests]


def test_a_look_that_hears_nothing_tells_the_time() -> None:
    session = SESSION._replace(clock=ServerClock())
    sent(ops.look(session, [("q", "a")]), lambda: [5_000, b"unknown", 0, b"", b""])
    assert 5_000 <= session.clock.now_ms() < 60_000
