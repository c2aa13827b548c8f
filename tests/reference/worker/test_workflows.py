"""Chains and groups across encodings, crashes and cancels."""

import json
import time
from typing import Any

import pytest

from jobwire import JobCancelled, State, scripts, workflow
from jobwire.envelope import decode
from jobwire.keys import queue_keys
from jobwire.values import Encoding
from tests.reference.worker.conftest import Bench
from tests.servers import until

KEYS = queue_keys("jobwire", "default")


def _claim(bench: Bench) -> scripts.Claimed:
    return scripts.claimed(bench.app.store.run([scripts.claim(KEYS, "n" * 24, 1000, 1, True)])[0]).jobs[0]


def _run(bench: Bench, call: scripts.Call) -> list[Any]:
    reply: list[Any] = bench.app.store.run([call])[0]
    return reply


@pytest.mark.parametrize("after", ["claim", "decide", "hand-over"])
def test_a_worker_that_dies_in_a_hand_over(bench: Bench, after: str) -> None:
    """Whatever was done before, the next job runs once, and the first not again once it is decided."""
    app = bench.app
    first = app.step("note", "first", 41)
    then = app.step("note", "second", pass_result=False)
    handle = app.chain(first, then).enqueue()
    held = _claim(bench)
    outcome = {"jobwire": "1.0", "id": first.id, "state": "succeeded", "attempt": 1, "result": 41, "finished_at": 1}
    if after != "claim":
        _run(
            bench,
            scripts.settle(KEYS, [scripts.Settle(held.id, held.token, "decide", json.dumps(outcome).encode(), 0)]),
        )
    if after == "hand-over":
        handed = workflow.next_of_chain(decode(held.envelope), 41, Encoding.JSON)
        assert ["accepted"] == scripts.words(_run(bench, scripts.enqueue(KEYS, [handed.job], "pass")))
    bench.client.zadd(KEYS["active"], {held.id: 1})
    with bench.worker():
        handle.outcome(20)
        until(lambda: bench.set_size("active") == 0, within_ms=10_000)
    assert (int(after == "claim"), 1) == (bench.notes.llen("first"), bench.notes.llen("second"))
    assert State.SUCCEEDED is app.handle(first.id).state()


def test_a_group_of_both_encodings(bench: Bench) -> None:
    group = bench.app.group(*(bench.app.step("add", n) for n in range(2)), then=bench.app.step("total")).work
    from jobwire.steps import build

    members = [build(group, encoding, 0)[n] for n, encoding in enumerate((Encoding.JSON, Encoding.MSGPACK))]
    _run(bench, scripts.enqueue(KEYS, [member.job for member in members]))
    with bench.worker():
        assert 1 == bench.app.handle(group.then.steps[0].id).result(10)


def test_a_group_of_none_runs_its_callback_at_once(bench: Bench) -> None:
    with bench.worker():
        assert 0 == bench.app.group(then=bench.app.step("total")).enqueue().result(10)


def test_cancelling_a_waiting_head_ends_the_wait_for_its_chain(bench: Bench) -> None:
    chain = bench.app.chain(bench.app.step("add", 1), bench.app.step("add", 2)).enqueue()
    assert "cancelled" == chain.cancel()
    with pytest.raises(JobCancelled):
        chain.result(10)


def test_no_outcome_is_kept_of_a_head_and_the_chain_goes_on(bench: Bench) -> None:
    app = bench.app
    with bench.worker():
        chain = app.chain(app.step("add", 1, result_ttl_ms=0), app.step("add", 2)).enqueue()
        assert 3 == chain.result(10)
    assert State.UNKNOWN is chain.look_all()[0].state


def test_a_chain_of_a_group_member_joins_with_its_last_step(bench: Bench) -> None:
    app = bench.app
    with bench.worker():
        chain = app.chain(app.step("add", 1), app.step("add", 1), app.step("add.async", 1))
        then = app.chain(app.step("total", queue="default"), app.step("add", 100))
        assert 110 == app.group(chain, app.step("add", 7), then=then).enqueue().result(10)


def test_a_step_may_wait_its_turn_without_the_result(bench: Bench) -> None:
    app = bench.app
    with bench.worker():
        chain = app.chain(app.step("add", 1), app.step("add", 5, pass_result=False, delay=0.2)).enqueue()
        assert 5 == chain.result(10)


def test_more_due_jobs_than_one_claim_promotes(bench: Bench) -> None:
    handles = bench.app.enqueue_many(bench.app.step("add", number, delay=0.001) for number in range(150))
    with bench.worker(concurrency=1):
        began = time.monotonic()
        assert list(range(150)) == [handle.result(10) for handle in handles]
        assert time.monotonic() - began < 2


def test_a_stolen_token_delays_a_job_by_two_seconds_at_most(bench: Bench) -> None:
    with bench.worker(queues=("default", "other")):
        until(lambda: bench.client.info("clients")["blocked_clients"] == 1, within_ms=10_000)
        bench.app.configure("other", "paused", 1)
        handle = bench.app.enqueue("add", 1, queue="other")
        bench.client.hdel("jobwire:{other}:control", "paused")
        bench.client.delete("jobwire:{other}:wake")
        began = time.monotonic()
        assert 1 == handle.result(10)
        assert time.monotonic() - began < 2.5
