"""Commands and replies as events, and the history that keeps them."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from jobwire_conformance import binding
from jobwire_conformance.documents import write
from jobwire_conformance.wire.events import Exchange, History, now_ms
from tests.conformance.stories import NS, encoded, envelope, outcome

TOKEN = "1." + "n" * 24


def events(*parts: Any, reply: Any = ..., **members: Any) -> list[dict[str, Any]]:
    """Return the events of one exchange, without what all have."""
    command = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    exchange = Exchange("A", 1, 7, 1000.0, command, **members)
    if reply is ...:
        exchange.lost = True
    else:
        exchange.reply, exchange.replied_at = encoded(reply), 1005.0
    told = exchange.told(NS)
    assert all(event.pop("by") == "A" and event.pop("n") == 7 for event in told)
    json.dumps(told)
    return [{name: value for name, value in event.items() if name not in ("at", "replied_at")} for event in told]


def called(script: str, *arguments: Any, reply: Any = ..., ids: list[str] | None = None) -> list[dict[str, Any]]:
    keys = binding.expected_keys(NS, "q", script, ids or [])
    return events("EVALSHA", binding.SHA[script], len(keys), *keys, *arguments, reply=reply)


def test_a_batch_is_an_event_an_item() -> None:
    told = called(
        "settle", "a", TOKEN, "succeed", write(outcome("a"), "msgpack"), 600000, "b", TOKEN, "release", "", 0,
        reply=[5, "done", "lost"], ids=["a", "b"],
    )  # fmt: skip
    same = {"call": "settle", "queue": "q", "token": TOKEN}
    first = {"id": "a", "verb": "succeed", "document": outcome("a"), "encoding": "msgpack", "number": 600000}
    assert [
        {**same, **first, "answer": "done"},
        {**same, "id": "b", "verb": "release", "number": 0, "answer": "lost"},
    ] == told


def test_a_claim_tells_what_it_gave() -> None:
    reply = [5, 0, 1, "a", TOKEN, 2, b'{"a":1}', envelope("a", encoding="msgpack"), "b", TOKEN, 1, "", b"\x81"]
    claim, first, second = called("claim", "n" * 24, 15000, 10, 1, reply=reply)
    asked = {"nonce": "n" * 24, "lease_ms": 15000, "max_jobs": 10, "rescue": 1}
    assert {"call": "claim", "queue": "q", **asked, "wait_ms": 0, "taken": 1, "ids": ["a", "b"]} == claim
    same = {"call": "given", "queue": "q", "nonce": "n" * 24, "lease_ms": 15000, "taken": 1, "token": TOKEN}
    job = json.loads(envelope("a"))
    assert {**same, "id": "a", "attempt": 2, "document": {"a": 1}, "envelope": job, "encoding": "msgpack"} == first
    broken = {"undecodable": base64.b64encode(b"\x81").decode()}
    assert {**same, "id": "b", "attempt": 1, "envelope": broken, "encoding": None} == second


def test_jobs_are_given_when_the_reply_comes() -> None:
    keys = [binding.key(NS, "q", name) for name in binding.NAMES]
    parts = ["EVALSHA", binding.SHA["claim"], 10, *keys, "n" * 24, 15000, 1, 1]
    exchange = Exchange("A", 1, 1, 1000.0, [str(part).encode() for part in parts])
    exchange.reply, exchange.replied_at = encoded([5, 0, 0, "a", TOKEN, 1, "", envelope("a")]), 3000.0
    assert [1000.0, 3000.0] == [event["at"] for event in exchange.told(NS)]


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"id": "a", "run_at": 0, "max_attempts": 3, "priority": 4, "answer": "accepted"},
         called("enqueue", "a", envelope("a"), 0, 3, 4, reply=[1, "accepted"], ids=["a"])),
        ({"id": "a", "token": TOKEN, "lease_ms": 15000, "progress": {"p": 1}, "answer": "cancel"},
         called("extend", 15000, "a", TOKEN, '{"p":1}', reply=[1, "cancel"])),
        ({"id": "a", "document": {"x": 1}, "ttl_ms": 5, "answer": "requested"},
         called("cancel", "a", '{"x":1}', 5, reply=[1, "requested"], ids=["a"])),
        ({"id": "a", "state": "failed", "attempt": 3, "document": {"x": 1}},
         called("look", "a", reply=[1, "failed", 3, '{"x":1}', ""], ids=["a"])),
        ({"id": "a", "answer": "requeued"}, called("requeue", "a", reply=[1, "requeued"])),
        ({"field": "paused", "amount": "1", "answer": "ok"}, called("configure", "paused", 1, reply=[1, "ok"])),
        ({"before_ms": 5, "limit": 9, "count": 2}, called("purge", 5, 9, reply=[1, 2])),
        ({"id": "a", "error": "ERR no"}, called("look", "a", reply=Exception("ERR no"), ids=["a"])),
        ({"id": "a", "lost": True}, called("look", "a", ids=["a"])),
        ({"nonce": "short", "lease_ms": "x"}, called("claim", "short", "x", reply=Exception("ERR no"))),
    ],
)  # fmt: skip
def test_each_script_is_told(expected: dict[str, Any], told: list[dict[str, Any]]) -> None:
    (event,) = told
    assert expected == {name: event[name] for name in expected}
    assert "q" == event["queue"]


def test_join_tells_how_many_there_are() -> None:
    key = binding.join_key(NS, "q", "g")
    (event,) = events("EVALSHA", binding.SHA["join"], 1, key, 0, 2, '{"x":1}', 9, reply=[1, 2, 2, "{}", "{}"])
    expected = {"group": "g", "index": 0, "size": 2, "value": {"x": 1}, "ttl_ms": 9, "answer": 2, "complete": True}
    assert expected == {name: event[name] for name in expected}


@pytest.mark.parametrize(
    ("expected", "parts", "reply"),
    [
        ({"call": "blpop", "queues": ["q", "r"], "timeout_ms": 500.0, "queue": "q"},
         ["BLPOP", f"{NS}:{{q}}:wake", f"{NS}:{{r}}:wake", "0.5"], [f"{NS}:{{q}}:wake", "1"]),
        ({"call": "blpop", "queues": [None], "timeout_ms": None, "queue": None}, ["BLPOP", "elsewhere", "x"], None),
        ({"call": "script load", "script": "look"}, ["SCRIPT", "LOAD", binding.SCRIPTS["look"]], "sha"),
        ({"call": "script load", "script": None}, ["script", "load", "return 1"], "sha"),
        ({"call": "ssubscribe", "channel": "c"}, ["SSUBSCRIBE", "c"], ["ssubscribe", "c", 1]),
        ({"call": "set", "args": ["k", "\\xff"], "answer": "OK"}, ["SET", "k", b"\xff"], "OK"),
        ({"call": "evalsha", "args": ["0", "0"]}, ["EVALSHA", "0", "0"], None),
        ({"call": "evalsha", "args": []}, ["EVALSHA"], Exception("ERR wrong number")),
    ],
)  # fmt: skip
def test_other_commands_are_told(expected: dict[str, Any], parts: list[Any], reply: Any) -> None:
    (event,) = events(*parts, reply=reply)
    assert expected == {name: event.get(name) for name in expected}


def test_problems_of_a_document_are_told() -> None:
    (event,) = called("cancel", "a", '{"x":1,"x":2}', 5, reply=[1, "requested"], ids=["a"])
    assert ["VAL-6"] == [problem.partition(":")[0] for problem in event["document_problems"]]


def test_the_history_is_in_the_order_of_time() -> None:
    history = History()
    for at, name in [(5, "b"), (9, "d"), (1, "a"), (5, "c")]:
        history.add({"mark": name, "at": at})
    assert ["a", "b", "c", "d"] == [event["mark"] for event in history.events]
    history.add({"mark": "now"})
    assert abs(history.events[-1]["at"] - now_ms()) < 5000


@pytest.mark.asyncio
async def test_a_change_ends_a_wait() -> None:
    history = History()
    waiting = asyncio.create_task(history.wait(60))
    await asyncio.sleep(0)
    history.add({"mark": "x"})
    await asyncio.wait_for(waiting, 10)
    await history.wait(0)


def test_a_long_value_is_cut_in_a_record() -> None:
    exchange = Exchange("A", 1, 1, 5.0, [b"SET", b"k", b"x" * 9000], b"+OK\r\n", 6.0)
    record = exchange.record(limit=10)
    assert ["SET", "k", "xxxxxxxxxx… (9000 bytes)"] == record["command"]
    assert "+OK\r\n" == record["reply"]
