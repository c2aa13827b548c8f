"""The scripts under a restricted user, without memory, and across a crash of the server."""

import re
import threading
from collections.abc import Iterator

import pytest
import redis

from tests.lua import scenario
from tests.lua.binding import NAMES, SCRIPTS, SETS, Job, Queue, dump
from tests.servers import ENGINES, Server, running, until

# All that a client needs: the two commands that run scripts, what the scripts run, and what a worker and a waiter send.
CLIENT_COMMANDS = "blpop evalsha ping script|load ssubscribe sunsubscribe"
SCRIPT_COMMANDS = (
    "exists hdel hexists hget hincrby hlen hmget hset llen lpush mget pexpire set spublish time "
    "zadd zcard zmscore zrange zrem zremrangebyrank zscore"
)
COMMANDS = [*CLIENT_COMMANDS.split(), *SCRIPT_COMMANDS.split()]
RIGHTS = ["on", ">secret", "resetkeys", "~jobwire:*", "resetchannels", "&jobwire:*", "nocommands"]


@pytest.fixture
def as_user(server: Server, client: redis.Redis):
    """Return a queue in the hands of a user with the rights given."""
    opened: list[redis.Redis] = []

    def log_in(*rights: str) -> Queue:
        client.execute_command("ACL", "SETUSER", "app", "reset", *rights)
        opened.append(server.client(username="app", password="secret", protocol=2))
        return Queue(opened[-1])

    yield log_in
    for each in opened:
        each.close()
    client.acl_deluser("app")


def test_the_list_names_what_scripts_run_and_nothing_else() -> None:
    called = {name for text in SCRIPTS.values() for name in re.findall(r"redis\.p?call\('([A-Z]+)'", text)}
    assert sorted(name.lower() for name in called) == SCRIPT_COMMANDS.split()


def test_the_list_is_enough(as_user, client: redis.Redis) -> None:
    queue = as_user(*RIGHTS, *[f"+{command}" for command in COMMANDS])
    client.script_flush()
    with queue.client.pubsub() as pubsub:
        pubsub.ssubscribe(queue.key("result:done"))
        assert scenario.play(queue) == scenario.EXPECTED
        heard = until(lambda: [m for m in [pubsub.get_sharded_message(timeout=1)] if m and m["type"] == "smessage"])
    assert heard[0]["data"] == b"D"
    assert queue.client.ping()


@pytest.mark.parametrize("missing", sorted(set(COMMANDS) - {"ping", "spublish", "ssubscribe", "sunsubscribe"}))
def test_every_command_of_the_list_is_needed(as_user, client: redis.Redis, missing: str) -> None:
    client.script_flush()
    queue = as_user(*RIGHTS, *[f"+{command}" for command in COMMANDS if command != missing])
    with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)no ?perm|can't run this command|ACL"):
        scenario.play(queue)


@pytest.mark.parametrize(
    "rights",
    [
        [right for right in RIGHTS if not right.startswith("&")],
        [*[right for right in RIGHTS if not right.startswith("&")], "&other:*"],
        [*RIGHTS, "-spublish"],
    ],
    ids=["no channels", "other channels", "no spublish"],
)
def test_without_channel_rights_nothing_is_half_done(as_user, rights: list[str]) -> None:
    commands = [f"+{command}" for command in COMMANDS if f"-{command}" not in rights]
    queue = as_user(*rights, *commands)
    assert scenario.play(queue) == scenario.EXPECTED


@pytest.mark.parametrize("namespace", ["other", "jobwir"])
def test_another_namespace_is_out_of_reach(as_user, client: redis.Redis, namespace: str) -> None:
    user = as_user(*RIGHTS, *[f"+{command}" for command in COMMANDS])
    with pytest.raises(redis.exceptions.NoPermissionError):
        Queue(user.client, namespace=namespace).enqueue("a")
    assert client.dbsize() == 0


@pytest.fixture
def full(client: redis.Redis) -> Iterator[Queue]:
    """Return a queue on a server that has no memory left."""
    queue = Queue(client)
    scenario.play(Queue(client, "loads-the-scripts"))
    queue.enqueue(*[f"j{number}" for number in range(9)], *[Job(f"f{number}", priority=9) for number in range(2)])
    for _ in range(2):
        queue.end(queue.take(), "fail")
    client.config_set("maxmemory", 1)
    yield queue
    client.config_set("maxmemory", 0)


@pytest.mark.parametrize("script", ["enqueue", "requeue"])
def test_at_maxmemory_what_would_add_work_is_refused_whole(full: Queue, script: str) -> None:
    before = dump(full.client)
    calls = {
        "enqueue": lambda: full.enqueue("a", "b"),
        "requeue": lambda: full.requeue("f0"),
    }
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        calls[script]()
    assert dump(full.client) == before


def test_at_maxmemory_what_workers_hold_comes_to_an_end(full: Queue) -> None:
    jobs = full.claim(9).jobs
    assert len(jobs) == 9
    assert full.extend(*[(job.id, job.token, b"half") for job in jobs]) == ["ok"] * 9
    assert full.cancel(jobs[8].id) == "requested"
    verbs = ["succeed", "expire", "cancel", "fail", "retry", "release", "decide", "decide"]
    assert [full.end(job, verb) for job, verb in zip(jobs, verbs, strict=False)] == ["done"] * 8
    assert full.enqueue("next", script="pass") == ["accepted"]
    assert [full.join("g", index, 2, b"v")[0] for index in range(2)] == [1, 2]
    assert full.end(jobs[6], "succeed") == "done"
    assert [seen.state for seen in full.look("next", jobs[0].id)] == ["ready", "finished"]
    assert full.purge(scenario.FAR) == 3
    assert full.configure("max_active", 5) == "ok"
    full.client.config_set("maxmemory", 0)
    full.expire(jobs[7].id)
    full.client.config_set("maxmemory", 1)
    assert full.claim(1).ids == [jobs[7].id]


@pytest.fixture(params=ENGINES)
def durable(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param, appendonly="yes", appendfsync="always") as server:
        yield server


def test_a_killed_server_comes_back_with_all_that_it_confirmed(durable: Server) -> None:
    with durable.client() as client:
        queue = Queue(client)
        scenario.play(queue)
        before, ttl_ms = dump(client), client.pttl(queue.key("result:done"))
        durable.kill()
        durable.start()
        assert dump(client) == before
        assert 0 < client.pttl(queue.key("result:done")) <= ttl_ms
        assert queue.enqueue("retried", "done") == ["duplicate", "finished"]


def test_a_server_killed_under_load_loses_nothing_and_half_does_nothing(durable: Server) -> None:
    confirmed: list[str] = []
    ended: list[str] = []

    def work() -> None:
        with durable.client() as client:
            queue = Queue(client)
            try:
                for number in range(100_000):
                    ids = [f"j{number}-{n}" for n in range(3)]
                    queue.enqueue(*ids)
                    confirmed.extend(ids)
                    first = queue.claim(2).jobs
                    queue.settle(*[(job.id, job.token, "succeed", b"D", 600_000) for job in first])
                    ended.extend(job.id for job in first)
            except redis.ConnectionError:
                pass

    worker = threading.Thread(target=work)
    worker.start()
    until(lambda: len(ended) > 200, within_ms=20_000)
    durable.kill()
    worker.join()
    durable.start()
    with durable.client() as client:
        queue, found = Queue(client), dump(client)
        seen = {}
        for first in range(0, len(confirmed), 1000):
            ids = confirmed[first : first + 1000]
            seen |= dict(zip(ids, queue.look(*ids), strict=True))
        assert "unknown" not in {job.state for job in seen.values()}
        assert {seen[id].state for id in ended} == {"finished"}
        places = [id for name in SETS for id, _ in found.get(queue.key(name), [])]
        assert sorted(places) == sorted(found[queue.key("jobs")])
        assert {queue.key(name) for name in NAMES} >= {key for key in found if "result:" not in key}
