import json
import threading
from collections.abc import Callable

import pytest
import redis as redis_py

from jobwire import Jobwire, Worker, WorkerSettings, current_job
from tests.reference.cli.conftest import Call
from tests.servers import until

Work = Callable[[], None]
EMPTY = {
    "ready": 0, "scheduled": 0, "active": 0, "failed": 0, "lease_over": 0, "paused": False, "max_active": None,
    "failed_ttl_ms": None, "next_due_at": None, "oldest_failed_at": None,
}  # fmt: skip


def test_status_of_all_queues(cli: Call, app: Jobwire, work: Work) -> None:
    cli("enqueue", "boom", "--retry", '{"max_attempts":1}')
    work()
    failed_at = cli("failed", "list", "--json").json["jobs"][0]["failed_at"]
    app.enqueue("add")
    app.enqueue("add", queue="mail", run_at=4_000_000_000_000)
    told = cli("status", "--json").json
    assert told["queues"] == [
        EMPTY | {"queue": "default", "ready": 1, "failed": 1, "oldest_failed_at": failed_at},
        EMPTY | {"queue": "mail", "scheduled": 1, "next_due_at": 4_000_000_000_000},
    ]
    assert told["now"] >= failed_at
    head, default, mail = cli("status").out.splitlines()
    assert " ".join(head.split()) == "QUEUE READY SCHEDULED ACTIVE LEASE OVER FAILED NEXT DUE OLDEST FAILED SETTINGS"
    assert default.split()[:6] == ["default", "1", "0", "0", "0", "1"]
    assert default.endswith("s ago         -")
    assert "in 25" in mail
    assert "0  in" in mail


def test_status_of_named_queues(cli: Call, app: Jobwire) -> None:
    app.enqueue("add")
    told = cli("status", "--queue", "nope", "--queue", "default", "--json").json
    assert [(each["queue"], each["ready"]) for each in told["queues"]] == [("nope", 0), ("default", 1)]


def test_status_without_queues(cli: Call) -> None:
    assert cli("status", "--json").json["queues"] == []
    assert cli("status").out.count("\n") == 1


def test_other_namespaces_and_keys_are_left_out(cli: Call, db: redis_py.Redis) -> None:
    cli("--namespace", "other", "enqueue", "t", "--id", "a")
    for key in (b"jobwire:{}:control", b"jobwire:{a b}:control", b"jobwire:{a}x:control", b"jobwire:{\xff}:control"):
        db.hset(key, "layout", "1")
    assert cli("status", "--json").json["queues"] == []
    assert [each["queue"] for each in cli("--namespace", "other", "status", "--json").json["queues"]] == ["default"]
    assert cli("--namespace", "other", "status", "a", "--json").json["jobs"][0]["state"] == "ready"


def test_lease_over(cli: Call, app: Jobwire, db: redis_py.Redis) -> None:
    app.enqueue("add", id="a")
    keys = "jobwire:{default}:"
    db.zrem(f"{keys}ready", "a")
    db.hset(f"{keys}record", "a", "0 3 4 1 - aaaaaaaaaaaaaaaa 1")
    db.zadd(f"{keys}active", {"a": 1})
    assert cli("status", "--json").json["queues"][0] == EMPTY | {"queue": "default", "active": 1, "lease_over": 1}


def test_status_of_jobs(cli: Call, app: Jobwire, work: Work) -> None:
    cli("enqueue", "boom", "--id", "b", "--retry", '{"max_attempts":1}')
    app.enqueue("add", 1, id="a")
    work()
    app.enqueue("add", 1, id="c")
    told = cli("status", "a", "b", "c", "d", "--json").json
    seen = [(job["id"], job["state"], job["attempt"], job["progress"]) for job in told["jobs"]]
    assert seen == [
        ("a", "succeeded", 1, None),
        ("b", "failed", 1, None),
        ("c", "ready", 0, None),
        ("d", "unknown", 0, None),
    ]
    assert told["jobs"][0]["outcome"]["result"] == 1
    lines = cli("status", "a", "b", "c", "d").out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["ID", "STATE", "ATTEMPT"], ["a", "succeeded", "1"], ["b", "failed", "1"], ["c", "ready", "0"],
        ["d", "unknown", "-"],
    ]  # fmt: skip
    assert lines[2].endswith("handler_error: LookupError: no\\nsuch \\x1b[31muser")


def test_progress_of_a_job(cli: Call, app: Jobwire) -> None:
    @app.job("slow")
    def slow() -> None:
        job = current_job()
        job.progress(part="half")
        until(lambda: job.cancelled)

    app.enqueue("slow", id="a")
    worker = Worker(app, WorkerSettings(burst=True, lease_ms=1000))
    thread = threading.Thread(target=worker.run, kwargs={"signals": False})
    thread.start()
    until(lambda: cli("status", "a", "--json").json["jobs"][0]["progress"])
    assert cli("status", "a").out.splitlines()[1].split()[:3] == ["a", "active", "1"]
    assert "half" in cli("status", "a").out
    assert cli("cancel", "a").out == "a  requested\n"
    thread.join()


def test_an_unreadable_outcome_does_not_hide_the_rest(cli: Call, app: Jobwire, db: redis_py.Redis) -> None:
    app.enqueue("add", id="a")
    db.set("jobwire:{default}:result:b", b"\xff\x1b[31m", px=60_000)
    jobs = cli("status", "a", "b", "--json").json["jobs"]
    assert [job["state"] for job in jobs] == ["ready", "finished"]
    assert jobs[1]["outcome"]["unreadable"] == "b'\\xff\\x1b[31m'"
    assert "unreadable outcome: first byte" in cli("status", "a", "b").out


def test_pause_and_resume(cli: Call, app: Jobwire, db: redis_py.Redis) -> None:
    assert cli("pause", "mail") == (0, "queue 'mail': paused\n", "")
    assert cli("status", "--json").json["queues"][0]["paused"] is True
    assert cli("status").out.endswith("  paused\n")
    assert cli("resume", "mail") == (0, "queue 'mail': resumed\n", "")
    assert cli("status", "--json").json["queues"][0]["paused"] is False


def test_limit(cli: Call) -> None:
    assert cli("limit", "mail", "3") == (0, "queue 'mail': max_active 3\n", "")
    assert cli("status").out.endswith("  max_active=3\n")
    assert cli("limit", "mail", "none") == (0, "queue 'mail': max_active none\n", "")
    assert cli("status", "--json").json["queues"] == [EMPTY | {"queue": "mail"}]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("expected one queue beside IDs, got 2", ["status", "a", "--queue", "x", "--queue", "y"]),
        ("queue: expected 1 to 128", ["status", "--queue", "a:b"]),
        ("id: expected 1 to 128", ["status", "a b"]),
        ("queue: expected 1 to 128", ["pause", "a b"]),
        ("0 is not in the range", ["limit", "q", "0"]),
        ("'x' is not a valid integer", ["limit", "q", "x"]),
        ("Missing argument", ["resume"]),
    ],
)
@pytest.mark.parametrize("server", ["valkey"], indirect=True)
def test_what_is_refused(message: str, words: list[str], cli: Call) -> None:
    code, out, err = cli(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_another_layout(cli: Call, db: redis_py.Redis) -> None:
    db.hset("jobwire:{default}:control", "layout", "2")
    assert cli("enqueue", "t") == (1, "", "jobwire: control.layout: expected '1', got '2' [CALL-5]\n")


def test_json_is_one_line(cli: Call, app: Jobwire) -> None:
    app.enqueue("add")
    assert json.dumps(cli("status", "--json").json)
    assert cli("status", "--json").out.count("\n") == 1
