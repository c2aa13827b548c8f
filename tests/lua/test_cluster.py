"""The scripts in Cluster mode: queues in several slots, and a slot that moves while its queue is in use."""

from collections.abc import Iterator

import pytest
import redis

from tests.clusters import Cluster, running_cluster
from tests.lua import scenario
from tests.lua.binding import SCRIPTS, SHA, Job, Queue, dump
from tests.lua.scenario import RIGHT, furnish, keys
from tests.servers import ENGINES

ELSEWHERE = (redis.exceptions.AskError, redis.exceptions.MovedError, redis.exceptions.TryAgainError)


@pytest.fixture(scope="module", params=ENGINES)
def two_nodes(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with running_cluster(request.param) as cluster:
        yield cluster


@pytest.fixture
def cluster(two_nodes: Cluster) -> Cluster:
    for client in two_nodes.clients:
        client.flushall()
        for text in SCRIPTS.values():
            client.script_load(text)
    return two_nodes


def test_all_scripts_work_for_queues_in_several_slots(cluster: Cluster) -> None:
    names = [f"queue-{number}" for number in range(12)]
    assert len({cluster.slot(name) for name in names}) == 12
    assert {cluster.owner(name) for name in names} == set(cluster.clients)
    for name in names:
        assert scenario.play(Queue(cluster.owner(name), name)) == scenario.EXPECTED


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_wrong_node_sends_a_client_to_the_right_one(cluster: Cluster, script: str) -> None:
    queue = Queue(cluster.other("q"))
    with pytest.raises(redis.exceptions.MovedError):
        queue.run(script, keys(queue, script, RIGHT[script]), RIGHT[script])


@pytest.mark.parametrize("script", sorted(SCRIPTS.keys() - {"join"}))
def test_keys_of_two_slots_in_one_call_are_refused(cluster: Cluster, script: str) -> None:
    queue = Queue(cluster.owner("q"))
    mixed = [queue.keys()[0].replace("{q}", "{other}"), *keys(queue, script, RIGHT[script])[1:]]
    with pytest.raises(redis.exceptions.ResponseError, match=r"CROSSSLOT|same slot"):
        queue.run(script, mixed, RIGHT[script])


def both(cluster: Cluster) -> dict[tuple[int, bytes], bytes]:
    """Read every key on both nodes as bytes, those of a slot that moves too."""
    found = {}
    for client, port in cluster.ports.items():
        for key in client.scan_iter(count=1000):
            with client.pipeline(transaction=False) as pipe:
                found[port, key] = pipe.execute_command("ASKING").dump(key).execute()[1]
    return found


def is_done(client: redis.Redis, queue: Queue, script: str, *, asking: bool) -> bool:
    """Run one script on one node, and say whether it was done there; if not, the node must have sent it elsewhere."""
    call_keys = keys(queue, script, RIGHT[script])
    with client.pipeline(transaction=False) as pipe:
        if asking:
            pipe.execute_command("ASKING")
        pipe.evalsha(SHA[script], len(call_keys), *call_keys, *RIGHT[script])
        answer = pipe.execute(raise_on_error=False)[-1]
    assert isinstance(answer, (list, *ELSEWHERE)), answer
    return isinstance(answer, list)


def furnish_all_keys(queue: Queue) -> None:
    furnish(queue)
    queue.enqueue(Job("later", run_at=scenario.FAR))
    queue.extend(("held", f"1.{scenario.NONCE}", b"half"))
    queue.client.set(queue.key("result:ended"), "D", px=600_000)
    assert {key.decode() for key in queue.client.scan_iter(count=1000)} == set(queue.keys(["ended"]))


def test_a_slot_that_moves_key_by_key_loses_nothing_and_leaves_nothing_half_done(cluster: Cluster) -> None:
    queue = Queue(cluster.owner("moves"), "moves")
    furnish_all_keys(queue)
    source, target = cluster.start_to_move("moves")
    content = dump(source)
    moving = sorted(source.keys())
    for count, key in enumerate(moving):
        source.execute_command("MIGRATE", "127.0.0.1", cluster.ports[target], key, 0, 5000)
        before = both(cluster)
        for script in SCRIPTS if count < len(moving) - 1 else ():
            assert not is_done(source, queue, script, asking=False)
            assert script == "join" or not is_done(target, queue, script, asking=True)
            assert not is_done(target, queue, script, asking=False)
            target.execute_command("ASKING")
            target.delete(queue.key("join:g"))
            assert both(cluster) == before
    for client in (target, source):
        client.cluster("setslot", cluster.slot("moves"), "NODE", target.cluster("myid"))
    assert dump(target) == content
    # The source sends everybody on, and the target does what a queue that never moved would do.
    assert not any(is_done(source, queue, script, asking=False) for script in SCRIPTS)
    assert [script for script in SCRIPTS if not is_done(target, queue, script, asking=False)] == []


def test_before_its_first_key_moves_a_queue_with_all_its_keys_goes_on(cluster: Cluster) -> None:
    queue = Queue(cluster.owner("starts"), "starts")
    furnish_all_keys(queue)
    queue.client.hset(queue.key("record"), "held", f"3 3 4 1 - {scenario.NONCE} -")
    queue.expire("held")
    source, target = cluster.start_to_move("starts")
    # A claim that fails a job publishes under the name of a key that the call did not declare.
    assert queue.claim(1).ids == ["waits"]
    before = both(cluster)
    assert not is_done(source, queue, "enqueue", asking=False)
    assert both(cluster) == before
    for client in (source, target):
        client.cluster("setslot", cluster.slot("starts"), "STABLE")
    assert queue.where("held") == "failed"
    assert queue.enqueue("new") == ["accepted"]
