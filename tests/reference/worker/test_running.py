"""What a worker does with a job that it runs: SPEC sections 9.2 and 9.3."""

import json
import time
from typing import Any

import pytest

from jobwire import Failure, JobCancelled, JobFailed, Retry, State, current_job
from jobwire.outcome import Outcome
from tests.reference.worker.conftest import Bench
from tests.servers import until

ONCE = Retry(max_attempts=1)
QUICK = Retry(delay_ms=10)


@pytest.mark.parametrize("encoding", ["app", "msgpack"])
@pytest.mark.parametrize(
    ("wanted", "kind", "args"),
    [(8, "add", (4, 4)), (3, "add.async", (1, 2)), ([], "note", ("k", [])), (None, "note", ("k", None)),
     ({"a": [1.5, {"b": "ü"}]}, "note", ("k", {"a": [1.5, {"b": "ü"}]})), (0, "add", ())],
)  # fmt: skip
def test_result(bench: Bench, encoding: str, wanted: Any, kind: str, args: tuple[Any, ...]) -> None:
    with bench.worker():
        handle = getattr(bench, encoding).enqueue(kind, *args)
        outcome = handle.outcome(10)
    assert (wanted, 1, State.SUCCEEDED.value) == (outcome.result, outcome.attempt, outcome.state.value)
    stored = bench.client.get(f"jobwire:{{default}}:result:{handle.id}")
    assert (encoding == "app") == (stored[:1] == b"{")


def _error_of(bench: Bench, kind: str, *args: Any, **options: Any) -> tuple[Outcome, State]:
    with bench.worker():
        handle = bench.app.enqueue(kind, *args, **options)
        until(lambda: handle.state() is State.FAILED, within_ms=10_000)
        return handle.outcome(1), handle.state()


@pytest.mark.parametrize(
    ("code", "kind", "attempt", "args", "options"),
    [
        ("handler_error", "Kind", 2, ("no", "Kind"), {"retry": Retry(max_attempts=2, delay_ms=10)}),
        ("handler_error", "Kind", 1, ("no", "Kind"), {"retry": Retry(no_retry_on=["Kind"])}),
        ("handler_error", None, 1, ("no",), {"retry": Retry(no_retry_on=["handler_error"])}),
        ("handler_error", None, 1, ("no", None, False), {}),
    ],
)
def test_error(bench: Bench, code: str, kind: str, attempt: int, args: Any, options: Any) -> None:
    outcome, _ = _error_of(bench, "fail", *args, **options)
    assert (code, kind, attempt, "no") == (
        outcome.error.code, outcome.error.type, outcome.attempt, outcome.error.message,
    )  # fmt: skip
    assert "Failure" in outcome.error.stack


def test_wrong_arguments_are_an_error_of_the_handler(bench: Bench) -> None:
    outcome, _ = _error_of(bench, "sleep", retry=ONCE)
    assert ("handler_error", "TypeError") == (outcome.error.code, outcome.error.type)


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Nasty(SystemExit):
    def __str__(self) -> str:
        raise KeyboardInterrupt


RAISES: dict[str, BaseException] = {
    "SystemExit": SystemExit(3), "KeyboardInterrupt": KeyboardInterrupt(), "Hostile": Hostile(),
    "Nasty": Nasty(), "GeneratorExit": GeneratorExit(), "RecursionError": RecursionError("deep"),
    "UnicodeError": UnicodeError("\ud800 bad \udfff"),
}  # fmt: skip


@pytest.mark.parametrize("name", RAISES)
@pytest.mark.parametrize("is_async", [False, True])
def test_whatever_a_handler_raises_the_worker_lives_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, is_async: bool
) -> None:
    def plain() -> None:
        raise RAISES[name]

    async def on_loop() -> None:
        raise RAISES[name]

    monkeypatch.setattr(bench.app, "jobs", dict(bench.app.jobs))
    bench.app.job("raise")(on_loop if is_async else plain)
    with bench.worker(concurrency=1):
        outcome = bench.app.enqueue("raise", retry=ONCE).outcome(10)
        assert ("handler_error", name) == (outcome.error.code, outcome.error.type)
        assert 8 == bench.app.enqueue("add", 4, 4).result(10)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


RESULTS: dict[str, tuple[str | None, Any]] = {
    "set": ("result_unserializable", {1}), "bytes": ("result_unserializable", b"x"),
    "NaN": ("result_unserializable", float("nan")), "infinity": ("result_unserializable", [float("inf")]),
    "object": ("result_unserializable", object()), "integer": ("result_unserializable", 2**53),
    "surrogate": ("result_unserializable", "\ud800"), "keys": ("result_unserializable", {1: 2}),
    "case": ("result_unserializable", {"a": 1, "A": 2}), "time": ("result_unserializable", time.gmtime),
    "depth 32": ("result_unserializable", _nested(32)), "depth 31": (None, _nested(31)),
    "1 MiB": ("result_too_large", "x" * 1_048_576), "less": (None, "x" * 1_000_000), "most": (None, 2**53 - 1),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_results_that_no_outcome_can_hold(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    code, value = RESULTS[name]
    monkeypatch.setattr(bench.app, "jobs", dict(bench.app.jobs))
    bench.app.job("give")(lambda: value)
    with bench.worker():
        outcome = bench.app.enqueue("give").outcome(10)
    assert code == (outcome.error.code if outcome.error else None)


@pytest.mark.parametrize(
    ("wanted", "details"),
    [({"a": 1}, {"a": 1}), (None, {1, 2}), (None, float("nan")), (None, "x" * 1_048_576)],
)
def test_details_are_dropped_and_never_the_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, wanted: Any, details: Any
) -> None:
    def detailed() -> None:
        raise Failure("m" * 5000, type="T", details=details, retry=False)

    monkeypatch.setattr(bench.app, "jobs", dict(bench.app.jobs))
    bench.app.job("detailed")(detailed)
    with bench.worker():
        error = bench.app.enqueue("detailed").outcome(10).error
    assert (wanted, "m" * 4096, "T") == (error.details, error.message, error.type)


def test_context(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def context() -> list[Any]:
        job = current_job()
        seen = [job.id, job.queue, job.type, job.attempt, job.max_attempts, job.run, job.headers]
        return [*seen, job.cancelled, job.told]

    monkeypatch.setattr(bench.app, "jobs", dict(bench.app.jobs))
    bench.app.job("context")(context)
    with bench.worker(queues=("q",)):
        handle = bench.app.enqueue("context", queue="q", headers={"traceparent": "x"}, id="c-1")
        assert ["c-1", "q", "context", 1, 3, 1, {"traceparent": "x"}, False, None] == handle.result(10)


def test_expired_after_a_delay_is_not_run(bench: Bench) -> None:
    handle = bench.app.enqueue("note", "ran", expires_in=-1)
    with bench.worker():
        outcome = handle.outcome(10)
    assert ("expired", "expired", 0) == (outcome.state.value, outcome.error.code, bench.notes.llen("ran"))


@pytest.mark.parametrize(("attempts", "state"), [(1, State.FAILED), (2, State.SCHEDULED)])
def test_unknown_type(bench: Bench, attempts: int, state: State) -> None:
    with bench.worker():
        handle = bench.app.enqueue("nobody", retry=Retry(max_attempts=attempts, max_delay_ms=400_000))
        view = until(lambda: (v := handle.look()) and v.state is state and v, within_ms=10_000)
    assert "unknown_type" == view.outcome.error.code
    if state is State.SCHEDULED:
        now_s, now_us = bench.client.time()
        due = bench.client.zscore("jobwire:{default}:scheduled", handle.id)
        assert 390_000 < due - now_s * 1000 - now_us / 1000 <= 400_000


def test_timeout_is_settled_at_the_deadline_and_keeps_its_slot(bench: Bench) -> None:
    with bench.worker(concurrency=1):
        began = time.monotonic()
        late = bench.app.enqueue("sleep", "late", 1.5, timeout_ms=200, retry=ONCE)
        after = bench.app.enqueue("add", 1, 1)
        assert "timeout" == late.outcome(10).error.code
        assert time.monotonic() - began < 1.4
        assert after.state() is State.READY
        assert 2 == after.result(10)
        assert time.monotonic() - began >= 1.5


def test_a_retry_after_a_timeout_waits_at_least_a_second(bench: Bench) -> None:
    with bench.worker():
        handle = bench.app.enqueue("until_cancelled", "t", timeout_ms=100, retry=QUICK)
        view = until(lambda: (v := handle.look()) and v.state is State.SCHEDULED and v, within_ms=10_000)
        due = bench.client.zscore("jobwire:{default}:scheduled", handle.id)
    assert due - view.outcome.finished_at >= 990


def test_an_async_handler_is_interrupted_by_its_timeout(bench: Bench) -> None:
    with bench.worker(concurrency=1):
        late = bench.app.enqueue("until_cancelled.async", "t", timeout_ms=100, retry=ONCE)
        assert "timeout" == late.outcome(10).error.code
        assert 3 == bench.app.enqueue("add.async", 1, 2).result(5)


@pytest.mark.parametrize("kind", ["until_cancelled", "until_cancelled.async"])
def test_cancel_of_a_running_job(bench: Bench, kind: str) -> None:
    with bench.worker():
        handle = bench.app.enqueue(kind, "c")
        until(lambda: bench.notes.llen("c"), within_ms=10_000)
        assert "requested" == handle.cancel()
        with pytest.raises(JobCancelled):
            handle.result(10)


def test_success_wins_over_a_cancel(bench: Bench) -> None:
    with bench.worker():
        handle = bench.app.enqueue("until_cancelled", "c", True)
        until(lambda: bench.notes.llen("c"), within_ms=10_000)
        handle.cancel()
        assert "done all the same" == handle.result(10)


def test_progress_is_seen_while_the_job_runs(bench: Bench) -> None:
    with bench.worker():
        handle = bench.app.enqueue("until_cancelled", "p")
        assert {"percent": 50} == until(handle.progress, within_ms=5_000)
        handle.cancel()
        handle.outcome(10)
    assert handle.progress() is None


@pytest.mark.parametrize(
    ("wanted_ms", "options"),
    [(600_000, {}), (50_000, {"result_ttl_ms": 50_000})],
)
def test_ttl_of_an_outcome(bench: Bench, wanted_ms: int, options: Any) -> None:
    with bench.worker():
        handle = bench.app.enqueue("add", 1, **options)
        handle.result(10)
        left_ms = bench.client.pttl(f"jobwire:{{default}}:result:{handle.id}")
    assert wanted_ms - 20_000 < left_ms <= wanted_ms


def test_a_handed_over_job_keeps_its_outcome_for_an_hour(bench: Bench) -> None:
    with bench.worker():
        handle = bench.app.chain(bench.app.step("add", 1), bench.app.step("add", 2, result_ttl_ms=0)).enqueue()
        assert 3 == handle.result(10)
        assert bench.client.pttl(f"jobwire:{{default}}:result:{handle.id}") > 3_500_000


def test_queues_are_served_in_order_and_by_priority(bench: Bench) -> None:
    for number in range(6):
        bench.app.enqueue("note", "order", queue="low" if number % 2 else "high", id=f"j{number}", priority=number)
    with bench.worker(queues=("high", "low"), concurrency=1):
        until(lambda: bench.notes.llen("order") == 6, within_ms=10_000)
    order = [json.loads(note)[0] for note in bench.notes.lrange("order", 0, -1)]
    assert ["j4", "j2", "j0", "j5", "j3", "j1"] == order


def test_unknown_members_survive_to_the_last_step(bench: Bench) -> None:
    envelope = {
        "jobwire": "1.0", "id": "u1", "type": "add", "queue": "default", "args": [1], "future": {"x": [1, None]},
        "then": [{"id": "u2", "type": "add", "queue": "held", "args": [2], "future": {"y": 1}, "headers": {"h": 1}},
                 {"id": "u3", "type": "add", "queue": "held", "later": [None]}],
    }  # fmt: skip
    _enqueue_raw(bench, "u1", json.dumps(envelope).encode())
    with bench.worker():
        until(lambda: bench.set_size("ready", "held"), within_ms=10_000)
    handed = json.loads(bench.client.hget("jobwire:{held}:jobs", "u2"))
    assert handed == {
        "jobwire": "1.0", "id": "u2", "type": "add", "queue": "held", "args": [1, 2], "future": {"y": 1},
        "headers": {"h": 1}, "parent_id": "u1", "root_id": "u1",
        "then": [{"id": "u3", "type": "add", "queue": "held", "later": [None]}],
    }  # fmt: skip


def _enqueue_raw(bench: Bench, job_id: str, envelope: bytes) -> None:
    from jobwire import scripts
    from jobwire.keys import queue_keys

    bench.app.store.run(
        [scripts.enqueue(queue_keys("jobwire", "default"), [scripts.Accept(job_id, envelope, 0, 3, 4)])]
    )


def test_a_failed_step_requeued_heals_its_chain(bench: Bench) -> None:
    app = bench.app
    with bench.worker():
        first = app.step("flaky", 1, 5, retry=ONCE)
        handle = app.chain(first, app.step("add", 1)).enqueue()
        with pytest.raises(JobFailed):
            handle.result(10)
        assert ["requeued"] == app.requeue([first.id])
        assert 6 == app.handle(handle.id).result(10)


def test_a_failed_member_requeued_completes_its_group(bench: Bench) -> None:
    app = bench.app
    with bench.worker():
        bad = app.step("flaky", 1, 5, retry=ONCE)
        handle = app.group(app.step("add", 1), bad, then=app.step("total")).enqueue()
        with pytest.raises(JobFailed):
            handle.result(10)
        app.requeue([bad.id])
        assert 6 == app.handle(handle.id).result(10)


def test_group_over_its_limit(bench: Bench) -> None:
    app = bench.app
    with bench.worker():
        members = [app.step("note", "k", "x" * 600_000) for _ in range(2)]
        handle = app.group(*members, then=app.step("total")).enqueue()
        with pytest.raises(JobFailed, match="result_too_large"):
            handle.result(10)


def test_group_whose_members_disagree(bench: Bench) -> None:
    join = {"group": "g", "index": 0, "size": 2, "then": [{"id": "t", "type": "total", "queue": "default"}]}
    for number, size in enumerate((2, 3)):
        envelope = {"jobwire": "1.0", "id": f"m{number}", "type": "add", "queue": "default",
                    "join": join | {"size": size, "index": number}}  # fmt: skip
        _enqueue_raw(bench, f"m{number}", json.dumps(envelope).encode())
    with bench.worker(concurrency=1):
        error = bench.app.handle("m1").outcome(10).error
    assert ("invalid", {"field": "join.size"}) == (error.code, error.details)
