"""The arguments and replies of each call, and the digests of the scripts."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobwire import scripts
from jobwire.keys import QueueKeys
from jobwire.scripts import Accept, Call, Claimed, ClaimReply, JoinReply, Look, Settle

LUA = Path(__file__).parents[2] / "lua"
KEYS = QueueKeys("jobwire", "q")
BASE = KEYS.base
RESULTS = ("jobwire:{q}:result:a", "jobwire:{q}:result:b")
JOBS = [Accept("a", b"{1}", 0, 3, 4), Accept("b", b"{2}", 9, 1, 0)]
SETTLES = [Settle("a", "1.n", "succeed", b"D", 60), Settle("b", "2.n", "release", b"", 0)]

CALLS = [
    (Call("enqueue", (*BASE, *RESULTS), ["a", b"{1}", 0, 3, 4, "b", b"{2}", 9, 1, 0]), scripts.enqueue(KEYS, JOBS)),
    (Call("pass", (*BASE, RESULTS[0]), ["a", b"{1}", 0, 3, 4]), scripts.enqueue(KEYS, JOBS[:1], "pass")),
    (Call("claim", BASE, ("n", 15_000, 10, 1)), scripts.claim(KEYS, "n", 15_000, 10, True)),
    (Call("claim", BASE, ("n", 15_000, 0, 0)), scripts.claim(KEYS, "n", 15_000, 0, False)),
    (
        Call("extend", BASE, [15_000, "a", "1.n", b"", "b", "2.n", b"{}"]),
        scripts.extend(KEYS, 15_000, [("a", "1.n", b""), ("b", "2.n", b"{}")]),
    ),
    (
        Call("settle", (*BASE, *RESULTS), ["a", "1.n", "succeed", b"D", 60, "b", "2.n", "release", b"", 0]),
        scripts.settle(KEYS, SETTLES),
    ),
    (Call("cancel", (*BASE, RESULTS[0]), ("a", b"C", 60)), scripts.cancel(KEYS, "a", b"C", 60)),
    (Call("look", (*BASE, *RESULTS), ["a", "b"]), scripts.look(KEYS, ["a", "b"])),
    (Call("join", ("jobwire:{q}:join:g",), (1, 2, b"V", 60)), scripts.join(KEYS, "g", 1, 2, b"V", 60)),
    (Call("requeue", BASE, ["a", "b"]), scripts.requeue(KEYS, ["a", "b"])),
    (Call("purge", BASE, (7, 1000)), scripts.purge(KEYS, 7, 1000)),
    (Call("configure", BASE, ("max_active", "")), scripts.configure(KEYS, "max_active", "")),
]


@pytest.mark.parametrize(("expected", "call"), CALLS, ids=lambda call: call.script)
def test_call(expected: Call, call: Call) -> None:
    assert expected == call


def test_every_script_has_a_call() -> None:
    assert set(scripts.scripts()) == {call.script for _, call in CALLS}


def read(claimed: ClaimReply) -> tuple[Any, ...]:
    return claimed.now, claimed.wait_ms, claimed.taken, claimed.count, claimed.jobs


REPLIES: list[tuple[Any, Any]] = [
    (["accepted", "duplicate"], scripts.words([1, b"accepted", b"duplicate"])),
    ([], scripts.words([1])),
    ((1, 2000, False, 0, []), read(scripts.claimed([1, 2000, 0]))),
    (
        (1, 0, True, 1, [Claimed("a", "3.n", 2, b"D", b"{}")]),
        read(scripts.claimed([1, 0, 1, b"a", b"3.n", 2, b"D", b"{}"])),
    ),
    (
        ["a", "b"],
        [
            job.id
            for job in scripts.claimed([1, 0, 0, *[b"a", b"1.n", 1, b"", b"{"], *[b"b", b"1.n", 1, b"", b""]]).jobs
        ],
    ),
    (
        [Look("active", 2, b"", b"{}"), Look("unknown", 0, b"", b"")],
        scripts.looked([1, b"active", 2, b"", b"{}", b"unknown", 0, b"", b""]),
    ),
    (JoinReply(1, 2, []), scripts.joined([7, 1, 2])),
    (JoinReply(2, 2, [b"v", b"w"]), scripts.joined([7, 2, 2, b"v", b"w"])),
    (JoinReply(-1, 2, []), scripts.joined([7, -1, 2])),
]


@pytest.mark.parametrize(("expected", "read"), REPLIES)
def test_reply(expected: Any, read: Any) -> None:
    assert expected == read


def test_names_bytes_and_digests_are_those_of_the_repository() -> None:
    listed = {entry["name"]: entry["sha1"] for entry in json.loads((LUA / "scripts.json").read_bytes())}
    assert listed == {name: script.sha1 for name, script in scripts.scripts().items()}
    on_disk = {path.stem: path.read_bytes() for path in LUA.glob("*.lua")}
    assert on_disk == {name: script.text for name, script in scripts.scripts().items()}


def test_keys_and_arguments_are_those_that_each_script_declares() -> None:
    for entry in json.loads((LUA / "scripts.json").read_bytes()):
        call = next(call for call, _ in CALLS if call.script == entry["name"])
        declared = [name for name in entry["keys"] if not name.startswith(("result:", "join:"))]
        assert tuple(KEYS.prefix + name for name in declared) == call.keys[: len(declared)]
