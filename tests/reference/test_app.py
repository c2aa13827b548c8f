"""The two clients against real servers: enqueueing, looking, operating."""

import asyncio
import datetime
from typing import Any

import pytest
import redis

from jobwire import (
    AsyncJobwire,
    Encoding,
    Invalid,
    Jobwire,
    Refused,
    Retry,
    ScriptRefused,
    State,
    TooLarge,
    ValueRefused,
    View,
)
from jobwire import operations as ops
from jobwire.envelope import decode
from tests.lua.binding import Job, Queue
from tests.reference.clients import FACES, driven, end, looks
from tests.reference.documents import job
from tests.servers import Server

CLIENTS = pytest.mark.parametrize("client_of", [Jobwire, AsyncJobwire])


def known(queue: Queue) -> None:
    """Leave a live job, one that ended and one that failed."""
    queue.enqueue("ended", "failed")
    end(queue, queue.take())
    end(queue, queue.take(), "fail")
    queue.enqueue("live")


@pytest.mark.parametrize(
    ("expected", "answer", "id"),
    [
        (True, "accepted", "new"),
        (False, "duplicate", "live"),
        (False, "finished", "ended"),
        (False, "failed", "failed"),
    ],
)
def test_enqueue_tells_whether_the_id_was_known(both: Any, queue: Queue, expected: bool, answer: str, id: str) -> None:
    known(queue)
    handle = both.enqueue("t", id=id)
    assert (expected, (answer,), id, "default") == (handle.accepted, handle.answers, handle.id, handle.queue)


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_the_server_holds_what_was_asked_for(face: str, server: Server, queue: Queue, encoding: str) -> None:
    with driven(face, server.url, encoding=encoding) as app:
        handle = app.enqueue("t", 1, "x", kwargs={"a": None}, priority=9, retry=Retry(max_attempts=1))
    held = queue.take()
    envelope = decode(held.envelope)
    assert (handle.id, "t", [1, "x"], {"a": None}) == (envelope.id, envelope.type, envelope.args, envelope.kwargs)
    assert queue.record(held.id).startswith("1 1 9 1 ")
    assert (held.envelope[:1] == b"{") == (encoding == "json")


def test_a_namespace_is_a_world_of_its_own(face: str, server: Server, client: redis.Redis) -> None:
    with driven(face, server.url, namespace="other-1") as app:
        app.enqueue("t", id="a")
    assert Queue(client, "default", "other-1").ready() == ["a"]
    assert client.keys("jobwire:*") == []


def test_a_delay_counts_on_the_clock_of_the_server(both: Any, queue: Queue) -> None:
    before = queue.now()
    both.enqueue("t", id="a", delay=100, expires_in=datetime.timedelta(seconds=200))
    due = int(queue.client.zscore(queue.key("scheduled"), "a"))
    assert before + 100_000 <= due <= queue.now() + 100_000 + 1
    envelope = decode(queue.client.hget(queue.key("jobs"), "a"))
    assert (due, 100_000) == (envelope.run_at, (envelope.expires_at or 0) - due)


@pytest.mark.parametrize(
    ("error", "args", "options"),
    [
        (Invalid, (), {"id": "a b"}),
        (Invalid, (), {"queue": "a:b"}),
        (Invalid, (), {"priority": 10}),
        (Refused, (), {"unknown": 1}),
        (Refused, (), {"run_at": datetime.datetime(2026, 1, 1)}),
        (ValueRefused, (...,), {}),
        (TooLarge, ("x" * 1_048_576,), {}),
    ],
)
def test_what_may_not_be_enqueued_never_reaches_the_server(
    both: Any, client: redis.Redis, error: type[Exception], args: Any, options: Any
) -> None:
    with pytest.raises(error):
        both.enqueue("t", *args, **options)
    assert client.dbsize() == 0


def test_enqueue_many_keeps_the_order_of_thousands_in_several_queues(both: Any, client: redis.Redis) -> None:
    steps = [both.step("t", number, id=f"j{number}", queue=f"q{number % 3}") for number in range(2_345)]
    client.config_resetstat()
    handles = both.enqueue_many(iter(steps))
    assert [f"j{number}" for number in range(2_345)] == [handle.id for handle in handles]
    assert {True} == {handle.accepted for handle in handles}
    for number in range(3):
        mine = [handle.id for handle in handles if handle.queue == f"q{number}"]
        assert mine == Queue(client, f"q{number}").ready()
    # Five batches of at most 500, each with a call a queue; three more of the first that load the scripts.
    assert looks(client) <= 5 * 3 + 3


def test_enqueue_many_tells_each_answer(both: Any, queue: Queue) -> None:
    known(queue)
    ids = ["new", "live", "ended", "failed", "new"]
    handles = both.enqueue_many([both.step("t", id=id) for id in ids])
    assert [handle.answers[0] for handle in handles] == ["accepted", "duplicate", "finished", "failed", "duplicate"]
    assert both.enqueue_many([]) == []


def test_enqueue_many_makes_no_call_of_more_than_8_mib(both: Any, queue: Queue) -> None:
    steps = [both.step("t", "x" * 900_000) for _ in range(12)]
    queue.client.config_resetstat()
    handles = both.enqueue_many(steps)
    assert [handle.id for handle in handles] == queue.ready()
    assert looks(queue.client) >= 3


def test_enqueue_many_counts_delays_on_the_clock_of_the_server(both: Any, queue: Queue) -> None:
    before = queue.now()
    both.enqueue_many([both.step("t", id="a"), both.step("t", id="b", delay=60)])
    assert (queue.ready(), queue.where("b")) == (["a"], "scheduled")
    assert int(queue.client.zscore(queue.key("scheduled"), "b")) >= before + 60_000


def test_a_wrong_step_among_many_is_found_before_its_batch_is_sent(both: Any, client: redis.Redis) -> None:
    with pytest.raises(Invalid, match="priority"):
        both.enqueue_many([both.step("t"), both.step("t", priority=10)])
    assert client.dbsize() == 0


def test_the_members_of_a_large_group_go_in_several_calls(both: Any, queue: Queue) -> None:
    members = [both.step("t", "x" * 900_000) for _ in range(12)]
    queue.client.config_resetstat()
    handle = both.group(*members, then=both.step("sum", id="sum")).enqueue()
    assert (True, [step.id for step in members]) == (handle.accepted, queue.ready())
    assert looks(queue.client) >= 3


def test_look_gives_thousands_in_order(both: Any, queue: Queue) -> None:
    ids = [f"j{number}" for number in range(2_345)]
    queue.enqueue(*[Job(id) for id in ids[:1000]])
    views = both.look(["no", *reversed(ids)])
    assert [view.state for view in views] == [State.UNKNOWN] * 1346 + [State.READY] * 1000
    assert both.look([]) == []


def test_look_says_all_that_is_known(both: Any, queue: Queue) -> None:
    queue.enqueue(Job("later", run_at=2**50), "ended", "failed", "retried", "held")
    for verb in ("succeed", "fail", "retry"):
        end(queue, queue.take(), verb, **({"result": 85} if verb == "succeed" else {}))
    held = queue.take()
    queue.extend((held.id, held.token, b'{"percent":50}'))
    queue.enqueue("waits")
    views = both.look(["later", "ended", "failed", "retried", "held", "waits", "no"])
    states = ("scheduled", "succeeded", "failed", "scheduled", "active", "ready", "unknown")
    assert [State(state) for state in states] == [view.state for view in views]
    assert [view.attempt for view in views] == [0, 1, 1, 1, 1, 0, 0]
    assert [view.outcome and view.outcome.state.value for view in views] == [
        None,
        "succeeded",
        "failed",
        "retrying",
        None,
        None,
        None,
    ]
    assert [view.progress for view in views] == [None, None, None, None, {"percent": 50}, None, None]
    assert View(State.UNKNOWN, 0, None, None) == views[-1]
    assert (views[1].outcome and views[1].outcome.result) == 85


def test_requeue_purge_and_configure(both: Any, queue: Queue) -> None:
    ids = [f"j{number}" for number in range(1_005)]
    for first in (ids[:1000], ids[1000:]):
        queue.enqueue(*[Job(id, job(id=id)) for id in first])
    for held in queue.claim(1000).jobs + queue.claim(1000).jobs:
        queue.end(held, "fail", b"{}", 0)
    assert both.requeue(["j0", "j1", "no"]) == ["requeued"] * 2 + ["unknown"]
    assert both.purge(before_ms=1) == 0
    assert both.purge(before_ms=queue.now()) == 1_003
    both.configure("default", "paused", 1)
    assert (queue.client.hget(queue.key("control"), "paused"), queue.claim(1).ids) == (b"1", [])
    both.configure("default", "paused", None)
    assert (queue.client.hget(queue.key("control"), "paused"), queue.claim(1).ids) == (None, ["j0"])
    assert both.requeue([]) == ["requeued"] * 0


@pytest.mark.parametrize(("field", "value"), [("unknown", 1), ("max_active", 0), ("paused", 2), ("layout", 2)])
def test_a_setting_that_a_script_refuses(both: Any, field: str, value: int) -> None:
    with pytest.raises(ScriptRefused, match=r"JOBWIRE_ARGUMENT.*\[CALL-6\]"):
        both.configure("default", field, value)


def test_the_options_of_a_handler_go_with_its_jobs(both: Any, queue: Queue) -> None:
    @both.inner.job("t", queue="default", priority=9, retry=Retry(max_attempts=7))
    def handler(one: int, two: int = 2) -> int:
        return one + two

    assert (handler(1), handler(3, two=4)) == (3, 7)
    both.enqueue("t", 1, id="a")
    both.enqueue("t", 1, id="b", priority=0)
    assert queue.ready() == ["a", "b"]
    assert [queue.record(id) for id in ("a", "b")] == ["0 7 9 0 - - -", "0 7 0 0 - - -"]
    step = handler.with_options(id="c", timeout_ms=5).step(1, two=5)
    assert (
        *(step.id, step.args, step.kwargs),
        *(step.options.priority, step.options.timeout_ms),
    ) == ("c", (1,), {"two": 5}, 9, 5)
    with pytest.raises(Refused, match=r"expected one handler for 't', got a second"):
        both.inner.job("t")(handler)
    with pytest.raises(Invalid, match=r"^type"):
        both.inner.job("a b")


@CLIENTS
def test_what_a_client_refuses_from_the_start(client_of: Any) -> None:
    with pytest.raises(Invalid, match="namespace"):
        client_of("redis://x", namespace="a:b")
    with pytest.raises(Refused, match="yaml"):
        client_of("redis://x", encoding="yaml")
    assert Encoding.MSGPACK is client_of("redis://x", encoding="msgpack").encoding


@CLIENTS
def test_a_client_that_was_never_used_has_no_connection(client_of: Any) -> None:
    app = client_of("redis://127.0.0.1:1")
    assert app.chain(app.step("t"), app.step("u")) is not None
    with pytest.raises(Refused, match="expected at least one step"):
        app.chain()
    group = app.group(app.step("t"), then=app.step("u"))
    with pytest.raises(Refused, match="got a group inside"):
        app.chain(group)


@pytest.mark.parametrize("face", FACES)
def test_a_closed_client_connects_anew(face: str, server: Server, client: redis.Redis) -> None:
    with driven(face, server.url) as app:
        assert app.enqueue("t").accepted
        app.close()
        assert app.enqueue("t").accepted


def test_a_client_closes_at_the_end_of_a_with(server: Server, client: redis.Redis) -> None:
    with Jobwire(server.url) as app:
        app.enqueue("t")
    assert app._store is None


async def close_by_with(url: str) -> Any:
    async with AsyncJobwire(url) as app:
        await app.enqueue("t")
    return app._store


def test_an_asynchronous_client_closes_at_the_end_of_a_with(server: Server, client: redis.Redis) -> None:
    assert asyncio.run(close_by_with(server.url)) is None


def test_a_refused_job_is_an_error_of_the_caller() -> None:
    session = ops.Session("jobwire", Encoding.JSON, ops.ServerClock())
    operation = ops.enqueue(session, Jobwire("redis://x").step("t", id="a"))
    assert isinstance(next(operation), ops.Send)
    with pytest.raises(Refused, match=r"refused job 'a' \[PROD-5\]"):
        operation.send([[7, b"refused"]])


def test_a_job_of_another_language_is_looked_at(both: Any, queue: Queue) -> None:
    queue.enqueue(Job("a", job(later=[1])))
    assert State.READY is both.handle("a").state()
    assert not both.handle("a").accepted
