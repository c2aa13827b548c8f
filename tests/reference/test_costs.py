"""What a job costs, in figures that no machine changes: commands, bytes and calls. Seconds are in benchmarks/.

A ceiling that is passed means that the hot path has grown: find out why, and raise it only for something worth it.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import redis
from hiredis import Reader

from jobwire import Jobwire, Worker, WorkerSettings, scripts
from jobwire.clock import ServerClock
from jobwire.keys import queue_keys
from jobwire.lines import packed
from jobwire.scripts import Call, Settle
from jobwire.steps import build_step
from jobwire.store import Store
from jobwire.values import Encoding
from jobwire.worker.held import Batch, Held
from jobwire.worker.judge import Judge
from jobwire.worker.settling import Settling
from jobwire.worker.threads import ThreadRunner
from tests.servers import Server

KEYS = queue_keys("jobwire", "default")
NONCE = "0123456789abcdef0123456789abcdef01234567"
JOBS = 100
DOCUMENT = b'{"jobwire":"1.0","id":"%s","state":"succeeded","attempt":1,"result":3,"finished_at":1795383438000}'

# Per call with 100 jobs and with 1: commands that the server runs in all, the call itself among them.
COMMANDS = {"enqueue": (11, 11), "claim": (20, 13), "settle": (208, 10)}
# Per job in calls of 100, with ids of 36 characters: bytes to the server and back.
BYTES = {"enqueue": (250, 15), "claim": (5, 225), "settle": (330, 23)}
# Per job in batches of 100, calls of Python and C functions together.
PRODUCER_CALLS = 44
WORKER_CALLS = 44


@pytest.fixture
def app(client: redis.Redis) -> Jobwire:
    app = Jobwire(client)
    app.job("add")(add)
    return app


def add(x: int, y: int) -> int:
    return x + y


def calls_of(app: Jobwire, count: int) -> dict[str, Call]:
    """Return the three calls in the life of jobs that succeed at once."""
    jobs = [build_step(app.step("add", number, 1), Encoding.JSON, 0).job for number in range(count)]
    ends = [Settle(job.id, f"1.{NONCE}", "succeed", DOCUMENT % job.id.encode(), 600_000) for job in jobs]
    return {
        "enqueue": scripts.enqueue(KEYS, jobs),
        "claim": scripts.claim(KEYS, NONCE, 15_000, count, True),
        "settle": scripts.settle(KEYS, ends),
    }


def statistics(client: redis.Redis) -> tuple[int, int, int]:
    found = client.info("everything")
    commands = sum(
        row["calls"] for name, row in found.items() if name.startswith("cmdstat_") and name != "cmdstat_info"
    )
    return commands, found["total_net_input_bytes"], found["total_net_output_bytes"]


@pytest.mark.parametrize(("count", "column"), [(JOBS, 0), (1, 1)])
def test_commands_a_call(app: Jobwire, client: redis.Redis, count: int, column: int) -> None:
    store = Store(client)
    store.load()
    told = {}
    for name, call in calls_of(app, count).items():
        client.config_resetstat()
        before, _, _ = statistics(client)
        reply = store.run([call])[0]
        after, _, _ = statistics(client)
        told[name] = after - before
        assert name == "claim" or len(reply) == count + 1
    assert {name: ceiling[column] for name, ceiling in COMMANDS.items()} == told


def test_bytes_a_job(app: Jobwire, client: redis.Redis) -> None:
    store = Store(client)
    store.load()
    _, asked, answered = statistics(client)
    _, again, answered_again = statistics(client)
    told = {}
    for name, call in calls_of(app, JOBS).items():
        _, sent, received = statistics(client)
        store.run([call])
        _, sent_after, received_after = statistics(client)
        # Less what the second look at the statistics took.
        told[name] = (
            (sent_after - sent - (again - asked)) // JOBS,
            (received_after - received - (answered_again - answered)) // JOBS,
        )
    for name, ceiling in BYTES.items():
        assert told[name] <= ceiling, (name, told[name], ceiling)


def count_calls(work: Callable[[], Any]) -> int:
    """Return how many calls of Python and C functions something makes in this thread."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    tracer = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(tracer)
    return calls


@pytest.mark.parametrize("encoding", Encoding)
def test_calls_of_a_producer_a_job(app: Jobwire, encoding: Encoding) -> None:
    def produce() -> None:
        jobs = [build_step(app.step("add", number, 1), encoding, 0).job for number in range(JOBS)]
        packed(scripts.enqueue(KEYS, jobs))

    produce()
    assert count_calls(produce) / JOBS <= PRODUCER_CALLS


@pytest.mark.parametrize("encoding", Encoding)
def test_calls_of_a_worker_a_job(app: Jobwire, encoding: Encoding) -> None:
    clock = ServerClock()
    clock.tell(1)
    judge = Judge(app.jobs, "w", clock, stacks=True)
    settling = Settling(judge, lambda queue: KEYS, lambda held: None)
    jobs = [build_step(app.step("add", number, 1), encoding, 0).job for number in range(JOBS)]
    reply = [1, 0, 0, *(part for job in jobs for part in (job.id.encode(), b"1.n", 1, b"", job.envelope))]

    def work() -> None:
        done = Reader()
        done.feed(b"*%d\r\n:1\r\n" % (JOBS + 1) + b"$4\r\ndone\r\n" * JOBS)
        held = [Held(KEYS, claimed, False, lambda: None) for claimed in scripts.claimed(reply).jobs]
        assert [None] * JOBS == [judge.admit(each) for each in held]
        batch = Batch(held, 0.0)
        ThreadRunner(judge, lambda batch: None).run(batch)
        for each, ending in batch.done:
            assert ending is not None
            settling.add(each, ending)
        (step,) = settling.steps()
        packed(step.call)
        step.take(done.gets())

    work()
    assert count_calls(work) / JOBS <= WORKER_CALLS
    assert not settling.pending


def test_round_trips_of_a_worker(server: Server, client: redis.Redis) -> None:
    """A worker with 3,000 short jobs before it asks the server for about 100 at a time, and settles as it asks."""
    with Jobwire(server.url) as app:
        app.job("add")(add)
        app.enqueue_many(app.step("add", number, 1) for number in range(3_000))
        client.config_resetstat()
        Worker(app, WorkerSettings(concurrency=1, burst=True)).run(signals=False)
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    # Twice a job for a worker without batches; a batch grows from one job, and shrinks on a machine that is busy.
    assert calls <= 200
    assert 0 == client.hlen(KEYS["jobs"])
