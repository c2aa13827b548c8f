"""One connection, one queue or one hand-over fails, and all else goes on."""

import json
import threading
from collections.abc import Iterator

import redis as redis_py

from jobwire import State, scripts
from jobwire.client import connect
from jobwire.clock import ServerClock
from jobwire.keys import queue_keys
from jobwire.scripts import Claimed
from jobwire.store import Store
from jobwire.worker.heartbeat import Heartbeat
from jobwire.worker.held import Held
from tests.reference.worker.conftest import Bench
from tests.servers import free_port, until

KEYS = queue_keys("jobwire", "default")
BROKEN = "jobwire:{next}:jobs"


def refused(bench: Bench) -> int:
    """Return how many calls to a broken queue the server has refused."""
    found = bench.client.info("errorstats").get("errorstat_WRONGTYPE", {"count": 0})
    return int(found["count"])


def test_jobs_go_on_while_a_hand_over_fails(bench: Bench) -> None:
    app = bench.app
    bench.client.set(BROKEN, "no hash")
    with bench.worker(concurrency=2):
        stuck = app.chain(app.step("add", 1), app.step("add", 2, queue="next")).enqueue()
        until(lambda: refused(bench) > 0, within_ms=10_000)
        for number in range(50):
            assert number == app.enqueue("add", number).result(10)
        assert 4 == app.chain(app.step("add", 1), app.step("add", 3)).enqueue().result(10)
        # It is tried again after pauses that grow, and not with each of the other jobs.
        assert 50 > refused(bench)
        until(lambda: refused(bench) > 1, within_ms=10_000)
        assert State.ACTIVE is stuck.look_all()[0].state
        bench.client.delete(BROKEN)
        until(lambda: bench.set_size("active") == 0 and bench.set_size("ready", "next") == 1, within_ms=10_000)


def test_others_are_taken_over_while_a_hand_over_fails(bench: Bench) -> None:
    app = bench.app
    first = app.step("add", 1)
    app.chain(first, app.step("add", 2, queue="next")).enqueue()
    other = app.enqueue("add", 40)
    decided, _ = scripts.claimed(app.store.run([scripts.claim(KEYS, "n" * 24, 60_000, 2, True)])[0]).jobs
    outcome = {"jobwire": "1.0", "id": first.id, "state": "succeeded", "attempt": 1, "result": 1, "finished_at": 1}
    settle = scripts.Settle(decided.id, decided.token, "decide", json.dumps(outcome).encode(), 0)
    app.store.run([scripts.settle(KEYS, [settle])])
    bench.client.set(BROKEN, "no hash")
    bench.client.zadd(KEYS["active"], {first.id: 1})
    with bench.worker(concurrency=2):
        until(lambda: refused(bench) > 0, within_ms=10_000)
        bench.client.zadd(KEYS["active"], {other.id: 1})
        assert (40, 2) == (other.result(10), other.look().attempt)


def test_a_hand_over_that_fails_is_given_back_at_the_end(bench: Bench) -> None:
    app = bench.app
    bench.client.set(BROKEN, "no hash")
    with bench.worker(grace_ms=100) as worker:
        stuck = app.chain(app.step("add", 1), app.step("add", 2, queue="next")).enqueue()
        until(lambda: refused(bench) > 1, within_ms=10_000)
        worker.stop()
    assert (State.READY, 0) == (stuck.look_all()[0].state, stuck.look_all()[0].attempt)


def test_a_job_that_comes_after_the_signal_is_given_back(bench: Bench) -> None:
    """Its claim was on its way when the signal came."""
    job = bench.app.enqueue("note", "ran")
    bench.client.client_pause(60_000, all=False)
    with bench.worker() as worker:
        until(lambda: blocked(bench), within_ms=10_000)
        worker.stop()
        bench.client.client_unpause()
    assert (State.READY, 0) == (job.look().state, job.look().attempt)
    assert 0 == bench.notes.llen("ran")


def blocked(bench: Bench) -> int:
    """Return how many connections wait on the server."""
    return sum("b" in connection["flags"] for connection in bench.client.client_list())


def test_leases_are_extended_when_the_blocked_connection_is_lost(bench: Bench) -> None:
    with bench.worker(concurrency=2, lease_ms=60_000):
        bench.app.enqueue("sleep", "runs", 3.0)
        until(lambda: bench.notes.llen("runs") == 1 and blocked(bench), within_ms=10_000)
        with bench.server.client() as watching, watching.monitor() as monitor:
            for connection in bench.client.client_list():
                if connection["cmd"] == "blpop":
                    bench.client.client_kill_filter(_id=connection["id"])
            assert "extend" == next(calls(monitor.listen()))


def calls(commands: Iterator[dict[str, str]]) -> Iterator[str]:
    """Yield the names of the scripts that are called."""
    names = {script.sha1: name for name, script in scripts.scripts().items()}
    for command in commands:
        word, _, rest = command["command"].partition(" ")
        if word == "EVALSHA":
            yield names[rest.split()[0]]


def test_a_lost_heartbeat_is_told(client: redis_py.Redis) -> None:
    """What is claimed next has to wait for an extend. [CLAIM-12]"""
    held = Held(KEYS, Claimed("j", "1.n", 1, b"", b""), False, lambda: None)
    told = threading.Event()
    nowhere = Store(connect(f"redis://127.0.0.1:{free_port()}"))
    heartbeat = Heartbeat(nowhere, ServerClock(), 1000, lambda: [held], lambda held: None, told.set)
    heartbeat.start()
    assert told.wait(10)
    heartbeat.stop()


def test_a_queue_that_refuses_extends_leaves_the_others_theirs(bench: Bench) -> None:
    app = bench.app
    with bench.worker(queues=("next", "default"), lease_ms=1000):
        for queue in ("next", "default"):
            app.enqueue("sleep", "runs", 3.0, queue=queue)
        until(lambda: bench.notes.llen("runs") == 2, within_ms=10_000)
        bench.client.rename("jobwire:{next}:active", "jobwire:{next}:kept")
        bench.client.set("jobwire:{next}:active", "no sorted set")
        until(lambda: refused(bench) > 3, within_ms=10_000)
        with bench.worker(lease_ms=1000):
            until(lambda: bench.set_size("active") == 0, within_ms=10_000)
        bench.client.rename("jobwire:{next}:kept", "jobwire:{next}:active")
    assert 2 == bench.notes.llen("runs")
