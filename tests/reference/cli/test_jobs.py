import json
import time
from collections.abc import Callable

import pytest

from jobwire import Jobwire, State
from tests.reference.cli.conftest import Call
from tests.servers import until

Work = Callable[[], None]


def test_enqueue_prints_the_id(cli: Call, app: Jobwire) -> None:
    said = cli("enqueue", "add", "1")
    assert (said.code, said.err) == (0, "")
    assert app.handle(said.out.strip()).state() is State.READY


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ([5, 1.5, True, None], {}, ["5", "1.5", "true", "null"]),
        ([["a"], {"b": 1}, "quoted"], {}, ['["a"]', '{"b":1}', '"quoted"']),
        (["plain", "007", "NaN", "[1", ""], {}, ["plain", "007", "NaN", "[1", ""]),
        (["5", "null"], {"n": "1"}, ["--raw", "5", "null", "--kwarg", "n=1"]),
        ([-1, "--x"], {}, ["--", "-1", "--x"]),
        ([], {"a": 1, "b": "x=y", "c": ""}, ["--kwarg", "a=1", "--kwarg", "b=x=y", "--kwarg", "c="]),
        ([], {"a": 2, "b": [1]}, ["--kwargs", '{"a":1,"b":[1]}', "--kwarg", "a=2"]),
    ],
)
def test_arguments(
    args: list[object], kwargs: dict[str, object], words: list[str], cli: Call, app: Jobwire, work: Work
) -> None:
    id = cli("enqueue", "echo", "--id", "a", *words).out.strip()
    work()
    assert app.handle(id).result() == [args, kwargs]


def test_every_option_reaches_the_envelope(cli: Call, app: Jobwire) -> None:
    retry = {"max_attempts": 5, "delay_ms": 10}
    said = cli(
        "enqueue", "t", "--queue", "mail", "--id", "a", "--run-at", "4000000000000", "--priority", "7",
        "--expires-at", "2100-01-01T00:00:00Z", "--timeout-ms", "9", "--retry", json.dumps(retry),
        "--result-ttl-ms", "8", "--header", "h=1", "--json",
    )  # fmt: skip
    assert said.json == {"id": "a", "queue": "mail", "answer": "accepted"}
    envelope = json.loads(app.store.read("HGET", "jobwire:{mail}:jobs", "a"))
    assert envelope == {
        "jobwire": "1.0", "id": "a", "type": "t", "queue": "mail", "run_at": 4_000_000_000_000, "priority": 7,
        "expires_at": 4_102_444_800_000, "timeout_ms": 9, "retry": retry, "result_ttl_ms": 8, "headers": {"h": "1"},
    }  # fmt: skip


def test_delay_counts_from_now(cli: Call, app: Jobwire) -> None:
    cli("enqueue", "t", "--id", "a", "--delay", "1h", "--expires-in", "2h")
    envelope = json.loads(app.store.read("HGET", "jobwire:{default}:jobs", "a"))
    assert abs(envelope["run_at"] - time.time() * 1000 - 3_600_000) < 60_000
    assert envelope["expires_at"] - envelope["run_at"] == 3_600_000
    assert app.handle("a").state() is State.SCHEDULED


def test_encoding(cli: Call, app: Jobwire) -> None:
    cli("enqueue", "t", "--id", "a", "--encoding", "msgpack")
    assert app.store.read("HGET", "jobwire:{default}:jobs", "a").startswith(b"\x84")


def test_known_ids(cli: Call, app: Jobwire, work: Work) -> None:
    cli("enqueue", "add", "1", "--id", "a")
    duplicate = cli("enqueue", "add", "1", "--id", "a")
    work()
    finished = cli("enqueue", "add", "1", "--id", "a", "--json")
    cli("enqueue", "boom", "--id", "b", "--retry", '{"max_attempts":1}')
    work()
    failed = cli("enqueue", "boom", "--id", "b")
    known = "jobwire: job {!r} of queue 'default' was known already: {}\n"
    assert duplicate == (0, "a\n", known.format("a", "duplicate"))
    assert (finished.code, finished.json["answer"], finished.err) == (0, "finished", known.format("a", "finished"))
    assert failed == (1, "b\n", known.format("b", "failed"))


def test_wait(cli: Call, app: Jobwire, work: Work) -> None:
    cli("enqueue", "add", "1", "--kwarg", "b=2", "--id", "a")
    work()
    assert cli("enqueue", "add", "--id", "a", "--wait").out == "a\n3\n"
    told = cli("enqueue", "add", "--id", "a", "--wait", "--json").json
    assert told | {"finished_at": 0} == {
        "id": "a", "queue": "default", "answer": "finished", "jobwire": "1.0", "state": "succeeded", "attempt": 1,
        "result": 3, "worker": "w", "finished_at": 0,
    }  # fmt: skip


def test_result(cli: Call, app: Jobwire, work: Work) -> None:
    app.enqueue("echo", "ü", "\x9b31m", id="a")
    app.enqueue("boom", id="b", retry=None)
    app.enqueue("boom", id="c")
    app.handle("c").cancel()
    app.enqueue("add", 1, id="d", expires_at=1)
    work()
    assert cli("result", "a") == (0, '[["ü","\\u009b31m"],{}]\n', "")
    app.enqueue("boom", id="e")
    cancelled = cli("result", "c")
    assert cancelled == (1, "", "jobwire: job 'c': cancelled: cancelled on request\n")
    expired = cli("result", "d", "--json")
    assert (expired.code, expired.json["state"], expired.json["error"]["code"]) == (1, "expired", "expired")
    late = cli("result", "e", "--timeout", "50ms")
    assert late == (1, "", "jobwire: job 'e': expected an outcome within 0.05 s, got none [WAIT-3]\n")


def test_result_of_a_failed_job(cli: Call, app: Jobwire, work: Work) -> None:
    cli("enqueue", "boom", "--id", "b", "--retry", '{"max_attempts":1}')
    work()
    assert cli("result", "b") == (1, "", "jobwire: job 'b': handler_error: LookupError: no\\nsuch \\x1b[31muser\n")
    said = cli("result", "b", "--json")
    assert (said.code, said.json["error"]["type"], said.json["queue"]) == (1, "LookupError", "default")


def test_result_without_a_value_is_null(cli: Call, app: Jobwire, work: Work) -> None:
    app.job("none")(lambda: None)
    app.enqueue("none", id="a")
    work()
    assert cli("result", "a").out == "null\n"
    assert cli("result", "a", "--json").json["result"] is None


def test_cancel(cli: Call, app: Jobwire, work: Work) -> None:
    app.enqueue("add", 1, id="done")
    work()
    app.enqueue("add", 1, id="waiting")
    said = cli("cancel", "waiting", "done", "nope", "--json")
    words = {"waiting": "cancelled", "done": "finished", "nope": "unknown"}
    assert said.code == 1
    assert said.json == {"queue": "default", "jobs": [{"id": id, "answer": word} for id, word in words.items()]}
    assert cli("cancel", "done") == (0, "done  finished\n", "")
    until(lambda: app.handle("waiting").state() is State.CANCELLED)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("--kwargs", ["enqueue", "t", "--kwargs", "[1]"]),
        ("expected a JSON object, got '{'", ["enqueue", "t", "--kwargs", "{"]),
        ("--kwarg: expected NAME=VALUE, got 'x'", ["enqueue", "t", "--kwarg", "x"]),
        ("--header: expected NAME=VALUE, got '=x'", ["enqueue", "t", "--header", "=x"]),
        ("--retry: expected members max_attempts", ["enqueue", "t", "--retry", '{"max":1}']),
        ("retry.factor: expected", ["enqueue", "t", "--retry", '{"factor":0.5}']),
        ("priority: expected", ["enqueue", "t", "--priority", "10"]),
        ("id: expected 1 to 128", ["enqueue", "t", "--id", "a b"]),
        ("type: expected 1 to 128", ["enqueue", "t t"]),
        ("queue: expected 1 to 128", ["enqueue", "t", "--queue", "a:b"]),
        ("--timeout: expected --wait beside it", ["enqueue", "t", "--timeout", "5"]),
        ("run_at: expected run_at or delay, got both", ["enqueue", "t", "--run-at", "5", "--delay", "5"]),
        ("got '2026-01-01'", ["enqueue", "t", "--run-at", "2026-01-01"]),
        ("got '5x'", ["enqueue", "t", "--delay", "5x"]),
        ("Missing argument 'TYPE'", ["enqueue"]),
        ("expected an integer within", ["enqueue", "t", "99999999999999999999"]),
        ("id: expected 1 to 128", ["cancel", "a b"]),
        ("Missing argument", ["cancel"]),
        ("[WAIT-6]", ["enqueue", "t", "--result-ttl-ms", "0", "--wait"]),
    ],
)
@pytest.mark.parametrize("server", ["valkey"], indirect=True)
def test_what_is_refused(message: str, words: list[str], cli: Call) -> None:
    said = cli(*words)
    assert said.code == 2
    assert said.err.startswith("jobwire: ")
    assert said.err.count("\n") == 1
    assert message in said.err
