"""Connections: URLs, lost scripts, lost connections, servers that refuse."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.exceptions as failures

from jobwire import (
    AsyncJobwire,
    Jobwire,
    LayoutMismatch,
    Refused,
    ScriptRefused,
    ServerError,
    State,
    Unavailable,
    WaitTimeout,
    operations,
    store,
)
from jobwire.client import connect, is_passing, pauses, server_url, translate
from jobwire.store import AsyncStore, Store
from tests.lua.binding import SCRIPTS, Queue
from tests.lua.test_cluster import Cluster
from tests.lua.test_operations import COMMANDS, RIGHTS
from tests.reference.clients import FACES, awaited, driven, end, in_background, looks
from tests.servers import ENGINES, Server, free_port, running, until

BAD_URLS = [
    "http://x",
    "nonsense",
    "localhost:6379",
    "redis://h:abc",
    "redis://h:99999999",
    "redis://h/?db=x",
    "unixx:///s",
]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_refused(face: str, url: str) -> None:
    with driven(face, url) as app, pytest.raises(Refused, match=r"^url: expected redis://.*, got '"):
        app.enqueue("t")


def test_a_new_connection_is_ready_after_one_round_trip(server: Server, client: redis.Redis) -> None:
    client.config_resetstat()
    with connect(server.url) as connected:
        connected.ping()
    commands = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    assert {"hello", "ping"} == commands - {"info", "config|resetstat"}


@pytest.mark.parametrize("face", FACES)
def test_no_message_holds_a_password(face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PATIENCE_S", 0.0)
    for scheme in ("http", "redis", "redis+cluster"):
        url = f"{scheme}://user:secret@127.0.0.1:{free_port()}"
        with driven(face, url) as app, pytest.raises((Refused, Unavailable)) as caught:
            app.enqueue("t")
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("expected", "given", "variable"),
    [
        ("redis://a", "redis://a", "redis://b"),
        ("redis://b", None, "redis://b"),
        ("redis://localhost:6379/0", None, ""),
        ("redis://localhost:6379/0", None, None),
    ],
)
def test_where_the_url_comes_from(
    monkeypatch: pytest.MonkeyPatch, expected: str, given: str | None, variable: str | None
) -> None:
    monkeypatch.delenv("JOBWIRE_REDIS_URL", raising=False)
    if variable is not None:
        monkeypatch.setenv("JOBWIRE_REDIS_URL", variable)
    assert expected == server_url(given) == Jobwire(given).url == AsyncJobwire(given).url


def test_the_variable_is_used(face: str, server: Server, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBWIRE_REDIS_URL", f"{server.url}/3")
    with driven(face, None) as app:
        assert app.enqueue("t").accepted
    assert (0, True) == (client.dbsize(), "db3" in client.info("keyspace"))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("face", FACES)
def test_a_unix_socket(face: str, engine: str, tmp_path: Path) -> None:
    with running(engine, unixsocket=str(tmp_path / "s")), driven(face, f"unix://{tmp_path / 's'}") as app:
        handle = app.enqueue("t")
        assert (True, State.READY, "cancelled") == (handle.accepted, handle.state(), handle.cancel())
        assert State.CANCELLED.value == handle.outcome().state.value


def clients_of(face: str, url: str, **options: Any) -> Any:
    return (redis.Redis if face == "sync" else redis.asyncio.Redis).from_url(url, **options)


def test_a_client_of_the_application_is_used(face: str, server: Server, queue: Queue) -> None:
    with driven(face, clients_of(face, server.url)) as app:
        assert app.enqueue("t", id="a").accepted
        assert (None, ["a"]) == (app.url, queue.ready())


def test_a_client_that_decodes_is_refused(face: str, server: Server) -> None:
    with pytest.raises(Refused, match=r"^client: expected decode_responses=False, got True \[KEY-2\]$"):
        (Store if face == "sync" else AsyncStore)(clients_of(face, server.url, decode_responses=True))


def test_scripts_that_the_server_forgot_are_loaded_again(both: Any, client: redis.Redis) -> None:
    for _ in range(2):
        client.script_flush()
        assert both.enqueue("t").accepted
        client.script_flush()
        handles = both.enqueue_many([both.step("t", queue=f"q{number % 3}") for number in range(9)])
        assert {True} == {handle.accepted for handle in handles}


def test_scripts_are_loaded_before_they_are_used(face: str, server: Server, client: redis.Redis) -> None:
    client.script_flush()
    client.config_resetstat()
    with driven(face, server.url) as app:
        assert "timeout" == _told(app, "a")
        assert app.enqueue("t", id="a").accepted
    assert "errorstat_NOSCRIPT" not in client.info("errorstats")


def _told(app: Any, job_id: str) -> str:
    try:
        app.handle(job_id).outcome(0.01)
    except WaitTimeout:
        return "timeout"
    return "outcome"


def test_a_connection_that_was_killed_is_replaced(both: Any, client: redis.Redis) -> None:
    for number in range(3):
        assert both.enqueue("t").accepted
        assert client.client_kill_filter(_type="normal", skipme=True) >= 1
        assert {State.READY, State.UNKNOWN} == {view.state for view in both.look([both.enqueue("t").id, str(number)])}


@pytest.fixture(params=ENGINES)
def own(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Run a server that this test may kill."""
    with running(request.param, appendonly="yes", appendfsync="always") as server:
        yield server


def test_a_call_goes_on_when_the_server_comes_back(face: str, own: Server) -> None:
    with driven(face, own.url) as app:
        assert app.enqueue("t", id="a").accepted
        own.kill()
        with in_background(lambda: app.enqueue("t", id="b")) as enqueued:
            own.start()
            assert enqueued.result().accepted
        assert [State.READY, State.READY] == [view.state for view in app.look(["a", "b"])]


def test_a_failed_job_is_told_of_on_the_first_call_only(face: str, own: Server) -> None:
    with driven(face, own.url) as app, own.client() as client:
        app.enqueue("t", id="a")
        queue = Queue(client, "default")
        end(queue, queue.take(), "fail")
        assert ("failed",) == app.enqueue("t", id="a").answers
        own.kill()
        with in_background(lambda: app.enqueue("t", id="a")) as enqueued:
            own.start()
            # By now it can be this call's own job that failed. [PROD-4]
            assert ("duplicate",) == enqueued.result().answers


def test_a_wait_goes_on_when_the_server_comes_back(face: str, own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LOOK_AGAIN_S", 600.0)
    with driven(face, own.url) as app, own.client() as first:
        handle = app.enqueue("t")
        with awaited(handle, Queue(first, "default"), handle.id) as waiting:
            own.kill()
            own.start()
            with own.client() as second:
                queue = Queue(second, "default")
                end(queue, queue.take(), result="after")
            assert "after" == waiting.result().result


@pytest.mark.parametrize("face", FACES)
def test_patience_ends(face: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PATIENCE_S", 0.2)
    with driven(face, f"redis://127.0.0.1:{free_port()}") as app, pytest.raises(Unavailable, match=r"^server: "):
        app.enqueue("t")


def test_a_replica_is_waited_for_until_it_is_writable(both: Any, client: redis.Redis) -> None:
    both.enqueue("t")
    client.replicaof("127.0.0.1", free_port())
    try:
        client.config_resetstat()
        with in_background(lambda: both.enqueue("t")) as enqueued:
            until(lambda: "errorstat_READONLY" in client.info("errorstats"))
            client.replicaof("NO", "ONE")
            assert enqueued.result().accepted
    finally:
        client.replicaof("NO", "ONE")


def test_no_memory_is_told_at_once(both: Any, client: redis.Redis) -> None:
    both.enqueue("t")
    client.config_set("maxmemory", 1)
    client.config_resetstat()
    try:
        with pytest.raises(Unavailable, match=r"^server: .*(OOM|maxmemory)"):
            both.enqueue("t")
    finally:
        client.config_set("maxmemory", 0)
    assert 1 >= looks(client)


def test_another_layout_is_fatal(both: Any, queue: Queue) -> None:
    queue.client.hset(queue.key("control"), "layout", "2")
    with pytest.raises(LayoutMismatch, match=r"^control\.layout: expected '1', got '2.*\[CALL-5\]$"):
        both.enqueue("t")


@pytest.fixture
def user(client: redis.Redis) -> Iterator[Any]:
    def create(*rights: str) -> None:
        client.execute_command("ACL", "SETUSER", "app", "reset", *rights)

    yield create
    client.acl_deluser("app")


LOG_IN = ["+hello", "+auth", "+client"]


@pytest.mark.parametrize(
    ("can_hear", "rights"),
    [
        (True, RIGHTS),
        (False, [right for right in RIGHTS if not right.startswith("&")]),
        (False, [*RIGHTS, "resetchannels", "&other:*"]),
    ],
    ids=["channels", "no channels", "other channels"],
)
def test_who_may_not_listen_looks(
    face: str, server: Server, queue: Queue, user: Any, can_hear: bool, rights: list[str]
) -> None:
    user(*rights, *[f"+{command}" for command in COMMANDS], *LOG_IN)
    with driven(face, server.url.replace("//", "//app:secret@")) as app:
        handle = app.enqueue("t", id="a")
        held = queue.take()
        queue.client.config_resetstat()
        with in_background(lambda: handle.result(timeout=60)) as waiting:
            until(lambda: looks(queue.client) >= (1 if can_hear else 3))
            end(queue, held, result=5)
            assert 5 == waiting.result()


@pytest.mark.parametrize(
    ("user_info", "rights"),
    [("app:wrong@", [*RIGHTS, "+@all"]), ("nobody:secret@", []), ("app:secret@", [*RIGHTS, *LOG_IN])],
    ids=["wrong password", "no such user", "no commands"],
)
def test_who_may_not_enqueue_is_told_at_once(
    face: str, server: Server, client: redis.Redis, user: Any, user_info: str, rights: list[str]
) -> None:
    user(*rights)
    with (
        driven(face, server.url.replace("//", f"//{user_info}")) as app,
        pytest.raises(Unavailable, match=r"^server: "),
    ):
        app.enqueue("t")
    assert client.dbsize() == 0


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (True, failures.ConnectionError("lost")),
        (True, failures.TimeoutError("late")),
        (True, failures.BusyLoadingError("LOADING")),
        (True, ConnectionResetError()),
        (True, failures.ReadOnlyError("x")),
        (True, failures.ResponseError("UNBLOCKED client unblocked")),
        (True, failures.ResponseError("TRYAGAIN x")),
        (True, failures.ResponseError("MOVED 1 h:1")),
        (True, failures.ClusterDownError("CLUSTERDOWN x")),
        (True, failures.RedisClusterException("Redis Cluster cannot be connected.")),
        (False, failures.RedisClusterException("all keys must map to the same key slot")),
        (False, failures.AuthenticationError("WRONGPASS")),
        (False, failures.NoPermissionError("NOPERM")),
        (False, failures.OutOfMemoryError("OOM")),
        (False, failures.ResponseError("JOBWIRE_LAYOUT 2")),
        (False, failures.ResponseError("ERR x")),
        (False, ValueError("x")),
    ],
    ids=lambda value: f"{value!r:.60}",
)
def test_what_may_pass(expected: bool, error: Exception) -> None:
    assert expected == is_passing(error)


@pytest.mark.parametrize(
    ("expected", "message", "error"),
    [
        (LayoutMismatch, "control.layout: expected '1', got '2' [CALL-5]", failures.ResponseError("JOBWIRE_LAYOUT 2")),
        (ScriptRefused, "JOBWIRE_ARGUMENT size [CALL-6]", failures.ResponseError("JOBWIRE_ARGUMENT size")),
        (Unavailable, "server: OOM x", failures.OutOfMemoryError("OOM x")),
        (Unavailable, "server: ConnectionError", failures.ConnectionError()),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_our_error_for_one_of_the_clients(expected: type[ServerError], message: str, error: Exception) -> None:
    assert (expected, message) == (type(translate(error)), str(translate(error)))


def test_pauses_grow_to_a_limit() -> None:
    waits = [pause for pause, _ in zip(pauses(), range(20), strict=False)]
    assert all(0.025 * 2 ** min(number, 5) <= pause <= 1.0 for number, pause in enumerate(waits[:5]))
    assert all(0.5 <= pause <= 1.0 for pause in waits[5:])


@pytest.fixture(scope="module", params=ENGINES)
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[str, Cluster]]:
    """Run a Cluster of two nodes; give its URL too."""
    options = {"cluster_enabled": "yes", "cluster_node_timeout": "5000"}
    with ExitStack() as stack:
        nodes = [stack.enter_context(running(request.param, **options)) for _ in range(2)]
        clients = [stack.enter_context(node.client()) for node in nodes]
        yield f"redis+cluster://127.0.0.1:{nodes[0].port}", Cluster(nodes, clients)


@pytest.mark.parametrize("face", FACES)
def test_queues_of_a_cluster(face: str, cluster: tuple[str, Cluster]) -> None:
    url, nodes = cluster
    for node in nodes.clients:
        node.flushall()
        node.script_flush()
        for text in SCRIPTS.values():
            node.script_load(text)
        node.script_flush()
    with driven(face, url) as app:
        steps = [app.step("t", queue=f"q{number}") for number in range(12)]
        handles = app.enqueue_many(steps)
        assert ([step.id for step in steps], {True}) == ([h.id for h in handles], {h.accepted for h in handles})
        assert all(0 < node.dbsize() for node in nodes.clients)
        assert {State.READY} == {handle.state() for handle in handles}
        last = app.chain(app.step("t", id="a", queue="q0"), app.step("t", id="b", queue="q1")).enqueue()
        assert ["cancelled"] * 12 == [handle.cancel() for handle in handles]
        assert (True, [State.READY, State.UNKNOWN]) == (last.accepted, [view.state for view in last.look_all()])


@pytest.mark.parametrize("face", FACES)
def test_a_wait_in_a_cluster(face: str, cluster: tuple[str, Cluster]) -> None:
    url, nodes = cluster
    queue = Queue(nodes.owner("far"), "far")
    queue.client.flushall()
    with driven(face, url) as app:
        handle = app.chain(app.step("t", queue="near"), app.step("t", id="b", queue="far")).enqueue()
        with awaited(handle, queue, "b") as waiting:
            queue.enqueue("b")
            end(queue, queue.take(), result=7)
            assert 7 == waiting.result().result


@pytest.mark.parametrize("face", FACES)
def test_a_cluster_client_that_decodes_is_refused(face: str, cluster: tuple[str, Cluster]) -> None:
    url = cluster[0].replace("redis+cluster", "redis")
    if face == "sync":
        client = redis.RedisCluster.from_url(url, decode_responses=True)
        with pytest.raises(Refused, match="KEY-2"):
            Store(client)
        client.close()
        return
    with asyncio.Runner() as runner:
        runner.run(_refuse_decoding(url))


async def _refuse_decoding(url: str) -> None:
    client = redis.asyncio.RedisCluster.from_url(url, decode_responses=True)
    with pytest.raises(Refused, match="KEY-2"):
        AsyncStore(client)
    await client.aclose()
