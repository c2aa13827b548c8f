"""Killed workers, poison, shutdown, fairness, lost servers."""

import json
import signal
import threading
import time

import pytest

from jobwire import Jobwire, Retry, State, scripts
from jobwire.keys import queue_keys
from tests.reference.worker.conftest import Bench
from tests.servers import Server, running, until


def test_a_killed_workers_job_is_finished_by_another(bench: Bench) -> None:
    first = bench.start(concurrency=1)
    handle = bench.app.enqueue("sleep", "runs", 0.5)
    until(lambda: bench.notes.llen("runs") == 1, within_ms=20_000)
    first.send_signal(signal.SIGKILL)
    bench.start(concurrency=1)
    assert "slept" == handle.result(20)
    assert 2 == handle.look().attempt


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_poison_job_in_a_batch_of_100_fails_nobody_else(bench: Bench, concurrency: int) -> None:
    neighbours = [bench.app.step("note", "ran", number) for number in range(99)]
    poison = bench.app.step("kill", "killed", retry=Retry(delay_ms=0))
    handles = bench.app.enqueue_many([*neighbours[:50], poison, *neighbours[50:]])
    workers = [bench.start(concurrency=concurrency) for _ in range(2)]

    def over() -> bool:
        for number, process in enumerate(workers):
            if process.poll() is not None:
                workers[number] = bench.start(concurrency=concurrency)
        return not any(bench.set_size(name) for name in ("ready", "scheduled", "active"))

    until(over, within_ms=60_000)
    states = [view.state for view in bench.app.look([handle.id for handle in handles])]
    assert [State.FAILED] == [state for state in states if state is not State.SUCCEEDED]
    assert "lease_expired" == bench.app.handle(poison.id).outcome(1).error.code
    assert 3 == bench.notes.llen("killed")


def test_an_idle_worker_takes_what_waits_behind_a_long_job(bench: Bench) -> None:
    """A worker that has learnt that jobs are short claims many; one long job among them holds up nobody."""
    with bench.worker(concurrency=1):
        for handle in bench.app.enqueue_many(bench.app.step("add", number) for number in range(2000)):
            last = handle
        last.result(20)
        began = time.monotonic()
        bench.app.enqueue_many([bench.app.step("sleep", "long", 5.0), *(bench.app.step("add", 1) for _ in range(50))])
        until(lambda: bench.notes.llen("long"), within_ms=10_000)
        with bench.worker(concurrency=1):
            until(lambda: bench.set_size("ready") == 0 and bench.set_size("active") == 1, within_ms=10_000)
        assert time.monotonic() - began < 3
        bench.app.close()


def test_a_stop_just_as_jobs_come_leaves_none_of_them_behind(bench: Bench) -> None:
    """The claim of an idle worker runs on the server as soon as there is a job, also when it is being called off."""
    for number in range(30):
        with bench.worker(concurrency=1) as worker:
            until(lambda: blocked(bench))
            stopping = threading.Thread(target=worker.stop)
            stopping.start()
            handle = bench.app.enqueue("add", number, id=f"j{number}")
            stopping.join()
        # Run to its end, or given back with all its attempts.
        view = handle.look()
        assert (view.state, view.attempt) in ((State.SUCCEEDED, 1), (State.READY, 0)), number
        assert 0 == bench.set_size("active")
        handle.cancel()


def blocked(bench: Bench) -> int:
    clients: int = bench.client.info("clients")["blocked_clients"]
    return clients


def test_an_idle_worker_stops_at_once(bench: Bench) -> None:
    with bench.worker(concurrency=1) as worker:
        until(lambda: blocked(bench))
        began = time.monotonic()
        worker.stop()
    assert time.monotonic() - began < 1.5
    bench.app.close()


@pytest.mark.parametrize("kind", ["sleep", "busy"])
def test_leases_are_extended_while_a_handler_runs(bench: Bench, kind: str) -> None:
    bench.start(concurrency=1)
    handle = bench.app.enqueue(kind, "runs", 2.5)
    handle.result(20)
    assert (1, 1) == (bench.notes.llen("runs"), handle.look().attempt)


def test_sigterm_finishes_what_ends_in_grace_and_releases_the_rest(bench: Bench) -> None:
    worker = bench.start(concurrency=2, grace_ms=1500)
    short = bench.app.enqueue("sleep", "runs", 0.8)
    long = bench.app.enqueue("sleep", "runs", 30)
    waiting = bench.app.enqueue("add", 1)
    until(lambda: bench.notes.llen("runs") == 2, within_ms=20_000)
    worker.terminate()
    assert 0 == worker.wait(20)
    assert [State.SUCCEEDED, State.READY, State.READY] == [handle.state() for handle in (short, long, waiting)]
    assert 0 == long.look().attempt
    assert long.id.encode() == bench.client.zrange("jobwire:{default}:ready", 0, 0)[0]


def test_the_second_signal_releases_at_once(bench: Bench) -> None:
    worker = bench.start(concurrency=1, grace_ms=60_000)
    handle = bench.app.enqueue("sleep", "runs", 60)
    until(lambda: bench.notes.llen("runs") == 1, within_ms=20_000)
    worker.send_signal(signal.SIGINT)
    worker.send_signal(signal.SIGTERM)
    assert 0 == worker.wait(10)
    assert State.READY is handle.state()


def test_a_stopped_worker_learns_that_its_lease_is_lost(bench: Bench) -> None:
    worker = bench.start(concurrency=1)
    handle = bench.app.enqueue("sleep", "runs", 0.5)
    until(lambda: bench.notes.llen("runs") == 1, within_ms=20_000)
    worker.send_signal(signal.SIGSTOP)
    with bench.worker(concurrency=1, lease_ms=1000):
        assert "slept" == handle.result(20)
        before = bench.client.get(f"jobwire:{{default}}:result:{handle.id}")
        worker.send_signal(signal.SIGCONT)
        worker.terminate()
        assert 0 == worker.wait(20)
    assert before == bench.client.get(f"jobwire:{{default}}:result:{handle.id}")
    assert 2 == bench.notes.llen("runs")


def test_a_decided_job_is_handed_over_and_not_run_again(bench: Bench) -> None:
    """What a worker leaves that dies between decide and hand-over."""
    app, keys = bench.app, queue_keys("jobwire", "default")
    first = app.step("note", "ran", 5)
    chain = app.chain(first, app.step("add", 1)).enqueue()
    claim = scripts.claimed(app.store.run([scripts.claim(keys, "n" * 24, 1000, 1, True)])[0]).jobs[0]
    outcome = {"jobwire": "1.0", "id": first.id, "state": "succeeded", "attempt": 1, "result": 41, "finished_at": 1}
    settle = scripts.Settle(claim.id, claim.token, "decide", json.dumps(outcome).encode(), 0)
    app.store.run([scripts.settle(keys, [settle])])
    bench.client.zadd("jobwire:{default}:active", {first.id: 1})
    with bench.worker():
        assert 42 == chain.result(20)
    assert (0, 41) == (bench.notes.llen("ran"), app.handle(first.id).result(1))


def test_idle_workers_leave_the_server_alone(bench: Bench) -> None:
    with bench.worker(), bench.worker():
        claims = _script_calls(bench)
        until_over = time.monotonic() + 3
        until(lambda: time.monotonic() > until_over, within_ms=5_000)
        assert _script_calls(bench) - claims <= 8


@pytest.mark.parametrize(("field", "value"), [("max_active", 1), ("paused", 1)])
def test_no_hot_loop_while_a_queue_gives_nothing(bench: Bench, field: str, value: int) -> None:
    app = bench.app
    if field == "paused":
        app.configure("default", field, value)
    with bench.worker(), bench.worker():
        if field == "max_active":
            app.configure("default", field, value)
            app.enqueue("sleep", "runs", 3.0)
            until(lambda: bench.notes.llen("runs") == 1, within_ms=10_000)
        app.enqueue_many(app.step("add", 1) for _ in range(20))
        claims = _script_calls(bench)
        until_over = time.monotonic() + 2
        until(lambda: time.monotonic() > until_over, within_ms=5_000)
        # Two workers: a claim each two seconds, and an extend each second.
        assert _script_calls(bench) - claims <= 12
        app.configure("default", field, None)
        until(lambda: bench.set_size("ready") == 0, within_ms=10_000)


def _script_calls(bench: Bench) -> int:
    calls: int = bench.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    return calls


def test_a_delayed_job_wakes_a_sleeping_worker_in_time(bench: Bench) -> None:
    with bench.worker():
        until(lambda: bench.client.info("clients")["blocked_clients"] == 1, within_ms=10_000)
        handle = bench.app.enqueue("add", 1, delay=0.3)
        began = time.monotonic()
        handle.result(10)
        assert 0.2 < time.monotonic() - began < 1.5


@pytest.mark.parametrize("engine", ["valkey", "redis"])
def test_the_worker_outlives_its_server(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and restarted with its AOF, the server finds the worker again, with the jobs it held."""
    with running(engine, appendonly="yes", appendfsync="always") as server:
        monkeypatch.setenv("JOBWIRE_REDIS_URL", server.url)
        bench = Bench(server, server.client())
        with bench.worker(lease_ms=5000):
            handle = bench.app.enqueue("sleep", "runs", 1.5)
            until(lambda: bench.notes.llen("runs") == 1, within_ms=10_000)
            server.kill()
            server.start()
            outcome = handle.outcome(20)
            # Of the first claim; what the handler noted can have been sent twice, when its reply was lost.
            assert ("slept", 1) == (outcome.result, outcome.attempt)
            assert 3 == bench.app.enqueue("add", 1, 2).result(10)
        bench.close()


def test_scripts_flushed_and_connections_killed(bench: Bench) -> None:
    with bench.worker():
        bench.app.enqueue("add", 1).result(10)
        bench.client.script_flush()
        assert 3 == bench.app.enqueue("add", 1, 2).result(10)
        for connection in bench.client.client_list():
            if connection["id"] != str(bench.client.client_id()):
                bench.client.client_kill_filter(_id=connection["id"])
        assert 5 == bench.app.enqueue("add", 3, 2).result(10)


def test_another_layout_ends_the_worker(bench: Bench) -> None:
    from jobwire import LayoutMismatch

    bench.client.hset("jobwire:{default}:control", "layout", "2")
    with pytest.raises(LayoutMismatch, match=r"expected '1', got '2' \[CALL-5\]"), bench.worker() as worker:
        until(lambda: not worker._heartbeat._thread.is_alive(), within_ms=10_000)


def test_a_chain_into_a_queue_at_maxmemory_goes_on(server: Server, bench: Bench) -> None:
    """New jobs are refused; what is under way ends, hand-overs included."""
    app: Jobwire = bench.app
    chains = [app.chain(app.step("add", n), app.step("add", 1)).enqueue() for n in range(20)]
    used = bench.client.info("memory")["used_memory"]
    bench.client.config_set("maxmemory", used - 100_000)
    try:
        with bench.worker():
            assert [n + 1 for n in range(20)] == [chain.result(20) for chain in chains]
    finally:
        bench.client.config_set("maxmemory", 0)
