"""Clients and workers in Cluster mode, also while the slot of a busy queue moves."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from jobwire import AsyncJobwire, Jobwire, Worker, WorkerSettings
from tests.clusters import Cluster, running_cluster
from tests.reference.worker import handlers
from tests.servers import ENGINES, until

QUEUES = tuple(f"q{number}" for number in range(6))


@pytest.fixture(scope="module", params=ENGINES)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with running_cluster(request.param) as cluster:
        yield cluster


@pytest.fixture
def url(cluster: Cluster) -> str:
    return f"redis+cluster://127.0.0.1:{cluster.ports[cluster.clients[0]]}"


@contextlib.contextmanager
def _worker(app: Jobwire, queues: tuple[str, ...]) -> Iterator[None]:
    worker = Worker(app, WorkerSettings(queues=queues, lease_ms=5000))
    thread = threading.Thread(target=worker.run, kwargs={"signals": False})
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def app(url: str) -> Iterator[Jobwire]:
    with Jobwire(url) as app:
        app.jobs = handlers.app.jobs  # type: ignore[assignment]
        yield app


def test_jobs_chains_and_groups_over_several_slots(cluster: Cluster, app: Jobwire) -> None:
    assert {cluster.owner(queue) for queue in QUEUES} == set(cluster.clients)
    with _worker(app, QUEUES):
        assert [3] * 6 == [app.enqueue("add", 1, 2, queue=queue).result(20) for queue in QUEUES]
        chain = app.chain(*[app.step("add", 1, queue=queue) for queue in QUEUES])
        assert 6 == chain.enqueue().result(20)
        members = [app.step("add", 1, queue=queue) for queue in QUEUES]
        assert 6 == app.group(*members, then=app.step("total", queue="q0")).enqueue().result(20)


def test_the_asynchronous_client(app: Jobwire, url: str) -> None:
    async def both() -> list[int]:
        async with AsyncJobwire(url) as client:
            handles = [await client.enqueue("add", 1, 2, queue=queue) for queue in QUEUES[:2]]
            return [await handle.result(20) for handle in handles]

    with _worker(app, QUEUES):
        assert [3, 3] == asyncio.run(both())


def test_a_slot_that_moves_under_a_busy_worker(cluster: Cluster, app: Jobwire) -> None:
    name = "moving"
    handles = app.enqueue_many(app.step("add", number, queue=name) for number in range(3000))
    source, target = cluster.owner(name), cluster.other(name)
    with _worker(app, (name,)):
        until(lambda: source.zcard("jobwire:{moving}:ready") < 2500, within_ms=20_000)
        cluster.start_to_move(name)
        while keys := source.cluster("getkeysinslot", cluster.slot(name), 100):
            source.execute_command("MIGRATE", "127.0.0.1", cluster.ports[target], "", 0, 5000, "KEYS", *keys)
        for client in (target, source):
            client.cluster("setslot", cluster.slot(name), "NODE", target.cluster("myid"))
        assert list(range(3000)) == [handle.result(30) for handle in handles]
    sets = [target.zcard(f"jobwire:{{moving}}:{each}") for each in ("ready", "scheduled", "active", "failed")]
    assert [0, 0, 0, 0] == sets
