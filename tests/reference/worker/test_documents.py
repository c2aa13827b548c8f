"""Jobs that come with a stored outcome: they are closed, and never run. [RUN-1] to [RUN-4]"""

import json
from typing import Any

import pytest

from jobwire import State, scripts
from jobwire.keys import queue_keys
from tests.reference.worker.conftest import Bench
from tests.servers import until

KEYS = queue_keys("jobwire", "default")
STEP = {"id": "next", "type": "add", "queue": "other"}
PLAIN = {"jobwire": "1.0", "id": "j", "type": "note", "queue": "default", "args": ["ran"], "result_ttl_ms": 50_000}
CHAIN = PLAIN | {"then": [STEP]}


def outcome(state: str = "succeeded", **fields: Any) -> bytes:
    whole = {"jobwire": "1.0", "id": "j", "state": state, "attempt": 1, "finished_at": 1}
    return json.dumps(whole | fields).encode()


def give_out(bench: Bench, envelope: bytes, document: bytes) -> None:
    """Leave a job as a worker does that dies after its decision."""
    run = bench.app.store.run
    run([scripts.enqueue(KEYS, [scripts.Accept("j", envelope, 0, 3, 4)])])
    job = scripts.claimed(run([scripts.claim(KEYS, "n" * 24, 1000, 1, True)])[0]).jobs[0]
    assert [b"done"] == run([scripts.settle(KEYS, [scripts.Settle("j", job.token, "decide", document, 0)])])[0][1:]
    bench.client.zadd(KEYS["active"], {"j": 1})


def close(bench: Bench, envelope: Any, document: bytes) -> Any:
    give_out(bench, envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode(), document)
    with bench.worker():
        until(lambda: bench.set_size("active") == 0, within_ms=10_000)
    assert bench.notes.llen("ran") == 0
    return bench.app.handle("j").look()


@pytest.mark.parametrize(
    ("state", "envelope", "handed"),
    [
        ("succeeded", PLAIN, 0),
        ("succeeded", CHAIN, 1),
        ("cancelled", CHAIN, 0),
        ("expired", CHAIN, 0),
        ("failed", CHAIN, 0),
    ],
)
def test_it_is_settled_as_its_document_says(bench: Bench, state: str, envelope: Any, handed: int) -> None:
    document = outcome(state)
    view = close(bench, envelope, document)
    assert (state, handed) == (view.state.value, bench.set_size("ready", "other"))
    stored = bench.client.hget(KEYS["outcomes"], "j") if state == "failed" else bench.client.get(KEYS.result("j"))
    assert document == stored
    if state != "failed":
        assert 30_000 < bench.client.pttl(KEYS.result("j")) <= 50_000


@pytest.mark.parametrize(
    "envelope",
    [b"garbage", b"", json.dumps(CHAIN | {"jobwire": "2.0"}).encode(), json.dumps(CHAIN | {"then": [5]}).encode(),
     json.dumps(CHAIN | {"then": [STEP | {"id": "j"}]}).encode()],
)  # fmt: skip
def test_a_rejected_envelope_is_closed_and_hands_over_nothing(bench: Bench, envelope: bytes) -> None:
    give_out(bench, envelope or b"x", outcome(result=5))
    bench.client.hset(KEYS["jobs"], "j", envelope)
    with bench.worker():
        assert 5 == bench.app.handle("j").result(10)
    assert bench.set_size("ready", "other") == 0
    assert 500_000 < bench.client.pttl(KEYS.result("j")) <= 600_000


@pytest.mark.parametrize("envelope", [PLAIN, b"garbage"])
@pytest.mark.parametrize("document", [b"garbage", b"{}", outcome("retrying"), outcome("other"), outcome(jobwire="2.0")])
def test_what_is_no_outcome_fails_the_job(bench: Bench, envelope: Any, document: bytes) -> None:
    view = close(bench, envelope, document)
    assert (State.FAILED, "malformed") == (view.state, view.outcome.error.code)


def test_a_cancelled_jobs_takeover_is_not_run(bench: Bench) -> None:
    run = bench.app.store.run
    run([scripts.enqueue(KEYS, [scripts.Accept("j", json.dumps(PLAIN).encode(), 0, 3, 4)])])
    run([scripts.claim(KEYS, "n" * 24, 1000, 1, True)])
    assert "requested" == bench.app.handle("j").cancel()
    bench.client.zadd(KEYS["active"], {"j": 1})
    with bench.worker():
        assert "cancelled" == bench.app.handle("j").outcome(10).state.value
    assert bench.notes.llen("ran") == 0


def test_a_decided_result_too_large_for_the_next_job_fails(bench: Bench) -> None:
    envelope = PLAIN | {"then": [STEP | {"args": ["x" * 1_000_000]}]}
    view = close(bench, envelope, outcome(result="y" * 100_000))
    assert (State.FAILED, "result_too_large") == (view.state, view.outcome.error.code)
