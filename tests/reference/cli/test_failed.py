import io
import json
import sys
from collections.abc import Callable

import pytest
import redis as redis_py

from jobwire import Jobwire, Retry, State
from jobwire.keys import queue_keys
from jobwire.scripts import Accept, enqueue
from tests.reference.cli.conftest import Call

Work = Callable[[], None]
ONCE = Retry(max_attempts=1)


@pytest.fixture
def failing(app: Jobwire, work: Work) -> None:
    """Let `a`, then `b`, fail, then one whose envelope is no document."""
    app.enqueue("boom", id="a", retry=ONCE)
    work()
    app.enqueue("boom", id="b", retry=ONCE)
    work()
    app.store.run([enqueue(queue_keys("jobwire", "default"), [Accept("m", b"\xff\x1b[31m", 0, 1, 4)])])
    work()


def test_list(cli: Call, failing: None) -> None:
    jobs = cli("failed", "list", "--json").json["jobs"]
    assert [(job["id"], job["type"], job["attempts"], job["error"]["code"]) for job in jobs] == [
        ("m", None, 1, "malformed"),
        ("b", "boom", 1, "handler_error"),
        ("a", "boom", 1, "handler_error"),
    ]
    head, m, b, _ = cli("failed", "list").out.splitlines()
    assert head.split() == ["ID", "FAILED", "AT", "TYPE", "ATTEMPTS", "ERROR"]
    assert m.split()[0] == "m"
    assert "malformed: first byte" in m
    assert b.endswith("boom         1  handler_error: LookupError: no\\nsuch \\x1b[31muser")
    assert [job["id"] for job in cli("failed", "list", "--limit", "1", "--json").json["jobs"]] == ["m"]


def test_list_of_none(cli: Call) -> None:
    assert cli("failed", "list", "--json").json == {"queue": "default", "jobs": []}
    assert cli("failed", "list", "--queue", "x").out.count("\n") == 1


def test_show(cli: Call, failing: None) -> None:
    shown = cli("failed", "show", "a").json
    assert shown["envelope"] == {
        "jobwire": "1.0", "id": "a", "type": "boom", "queue": "default", "retry": {"max_attempts": 1},
    }  # fmt: skip
    assert shown["outcome"]["error"]["message"] == "no\nsuch \x1b[31muser"
    said = cli("failed", "show", "m")
    assert said.json["envelope"]["unreadable"] == "b'\\xff\\x1b[31m'"
    assert "\x1b" not in said.out


def test_show_of_an_unknown_id(cli: Call) -> None:
    said = "jobwire: job 'x': expected one of the failed jobs of queue 'default', got none\n"
    assert cli("failed", "show", "x") == (1, "", said)


def test_requeue(cli: Call, app: Jobwire, failing: None) -> None:
    said = cli("failed", "requeue", "a", "x", "a")
    assert said == (1, "a  requeued\nx  unknown\n", "")
    assert app.handle("a").state() is State.READY
    assert cli("failed", "requeue", "b", "--json").json["jobs"] == [{"id": "b", "answer": "requeued"}]


def test_requeue_all(cli: Call, app: Jobwire, work: Work, failing: None) -> None:
    assert cli("failed", "requeue", "--all") == (0, "3 requeued\n", "")
    work()
    assert cli("failed", "requeue", "--all", "--json").json == {"queue": "default", "requeued": 3}
    assert cli("failed", "requeue", "--all").out == "0 requeued\n"


def test_requeue_more_than_a_call_takes(cli: Call, app: Jobwire, db: redis_py.Redis) -> None:
    ids = [handle.id for handle in app.enqueue_many(app.step("add") for _ in range(2500))]
    db.zadd("jobwire:{default}:failed", {id: 1 + number for number, id in enumerate(ids)})
    db.delete("jobwire:{default}:ready")
    assert cli("failed", "requeue", "--all").out == "2500 requeued\n"
    assert cli("status", "--json").json["queues"][0]["ready"] == 2500


def test_purge(cli: Call, failing: None) -> None:
    failed_at = {job["id"]: job["failed_at"] for job in cli("failed", "list", "--json").json["jobs"]}
    assert cli("failed", "purge", "--older-than", "1h", "--yes").out == "0 purged\n"
    assert cli("failed", "purge", "--before", str(failed_at["a"] - 1), "--yes").out == "0 purged\n"
    assert cli("failed", "purge", "--before", str(failed_at["b"]), "--yes", "--json").json["purged"] == 2
    assert cli("failed", "purge", "--older-than", "0", "--yes").out == "1 purged\n"


@pytest.mark.parametrize(("purged", "answer"), [(3, "y\n"), (0, "n\n"), (0, "")])
@pytest.mark.parametrize("server", ["valkey"], indirect=True)
def test_purge_asks(purged: int, answer: str, cli: Call, failing: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    said = cli("failed", "purge", "--older-than", "0s")
    left = len(cli("failed", "list", "--json").json["jobs"])
    assert (said.code, left) == (0 if purged else 1, 3 - purged)
    assert "Delete 3 failed jobs of queue 'default' for good?" in said.err
    assert said.out == ("3 purged\n" if purged else "")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("expected IDs or --all, got neither", ["requeue"]),
        ("expected IDs or --all, got both", ["requeue", "a", "--all"]),
        ("id: expected 1 to 128", ["requeue", "a b"]),
        ("expected one of --older-than and --before", ["purge"]),
        ("expected one of --older-than and --before", ["purge", "--older-than", "1d", "--before", "1"]),
        ("--older-than: expected an instant after 1970", ["purge", "--older-than", "99999d"]),
        ("expected less than", ["purge", "--older-than", "99999999999d"]),
        ("got 'x'", ["purge", "--before", "x"]),
        ("id: expected 1 to 128", ["show", "a b"]),
        ("--limit", ["list", "--limit", "0"]),
        ("No such command", ["nope"]),
    ],
)
@pytest.mark.parametrize("server", ["valkey"], indirect=True)
def test_what_is_refused(message: str, words: list[str], cli: Call) -> None:
    code, out, err = cli("failed", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_an_envelope_of_odd_values(cli: Call, app: Jobwire, work: Work) -> None:
    for number, envelope in enumerate([{"type": 5}, {"type": None}, {"id": ["x"]}]):
        job = Accept(f"o{number}", json.dumps(envelope).encode(), 0, 1, 4)
        app.store.run([enqueue(queue_keys("jobwire", "default"), [job])])
    work()
    assert {job["error"]["code"] for job in cli("failed", "list", "--json").json["jobs"]} == {"invalid"}
    assert cli("failed", "list").code == 0


def test_a_failed_id_without_anything(cli: Call, db: redis_py.Redis) -> None:
    db.zadd("jobwire:{default}:failed", {"a": 5, b"\xff\x1b": 6})
    assert [job["id"] for job in cli("failed", "list", "--json").json["jobs"]] == ["\\xff\x1b", "a"]
    assert "\x1b" not in cli("failed", "list").out
    assert cli("failed", "show", "a").json["envelope"] is None
    assert cli("failed", "requeue", "--all").out == "0 requeued\n"
