"""A script that does not like its arguments, or the layout that it finds, says so before it writes anything."""

import pytest
import redis

from tests.lua.binding import SCRIPTS, Queue, dump
from tests.lua.scenario import NONCE, RIGHT, furnish, keys

MIB = 1_048_576
NOT_NUMBERS = [
    "nan",
    "inf",
    "-inf",
    "0x10",
    "1e999",
    "1e3",
    " 7 ",
    "7 ",
    "-5",
    "",
    "1.0",
    "+1",
    "7x",
    "x7",
    "7\n",
    "7\0",
]
TOO_LONG = "00000000000000001"
WRONG: dict[tuple[str, int], list[str]] = {
    ("cancel", 1): ["", "D" * (MIB + 1)],
    ("cancel", 2): [*NOT_NUMBERS, TOO_LONG, "9007199254740992"],
    ("claim", 0): ["", NONCE[:15], "a" * 65, NONCE + ".", NONCE + " ", NONCE + "\n", "é" * 16, NONCE + "\0"],
    ("claim", 1): [*NOT_NUMBERS, TOO_LONG, "0", "999", "86400001"],
    ("claim", 2): [*NOT_NUMBERS, TOO_LONG, "1001"],
    ("claim", 3): [*NOT_NUMBERS, TOO_LONG, "2"],
    ("configure", 0): ["", "layout", "seq", "Paused", "paused ", "PAUSED\0"],
    ("configure", 1): [*[text for text in NOT_NUMBERS if text], TOO_LONG, "0", "1000000001"],
    ("extend", 0): [*NOT_NUMBERS, TOO_LONG, "0", "999", "86400001"],
    ("join", 0): [*NOT_NUMBERS, TOO_LONG, "2", "1000"],
    ("join", 1): [*NOT_NUMBERS, TOO_LONG, "0", "1001"],
    ("join", 2): [""],
    ("join", 3): [*NOT_NUMBERS, TOO_LONG, "0", "9007199254740992"],
    ("purge", 0): [*NOT_NUMBERS, TOO_LONG, "9007199254740992"],
    ("purge", 1): [*NOT_NUMBERS, TOO_LONG, "0", "1001"],
}


@pytest.fixture
def furnished(queue: Queue) -> Queue:
    furnish(queue)
    return queue


@pytest.mark.parametrize("script", SCRIPTS)
def test_right_arguments_are_taken(furnished: Queue, script: str) -> None:
    before = dump(furnished.client)
    furnished.run(script, keys(furnished, script, RIGHT[script]), RIGHT[script])
    assert (dump(furnished.client) == before) == (script == "look")


@pytest.mark.parametrize(("script", "position"), WRONG)
def test_a_wrong_argument_is_refused_before_any_write(furnished: Queue, script: str, position: int) -> None:
    before = dump(furnished.client)
    for text in WRONG[script, position]:
        argv = [*RIGHT[script][:position], text, *RIGHT[script][position + 1 :]]
        with pytest.raises(redis.ResponseError, match=r"^JOBWIRE_ARGUMENT "):
            furnished.run(script, keys(furnished, script, RIGHT[script]), argv)
    assert dump(furnished.client) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_counts_must_fit(furnished: Queue, script: str) -> None:
    before = dump(furnished.client)
    right_keys, right = keys(furnished, script, RIGHT[script]), RIGHT[script]
    calls = [
        (right_keys, []),
        (right_keys, [*right, "more"]),
        (right_keys[:-1], right),
        ([*right_keys, furnished.key("result:more")], right),
        ([], right),
        ([], []),
    ]
    # One id more is right for a script that takes many; look and requeue take any number.
    if script == "requeue":
        calls.remove((right_keys, [*right, "more"]))
    for call_keys, argv in calls:
        with pytest.raises(redis.ResponseError, match=r"^JOBWIRE_ARGUMENT counts of KEYS and ARGV"):
            furnished.run(script, call_keys, argv)
    assert dump(furnished.client) == before


@pytest.mark.parametrize(
    ("script", "head"), [("enqueue", 0), ("pass", 0), ("settle", 0), ("look", 0), ("requeue", 0), ("extend", 1)]
)
def test_a_batch_holds_at_most_1000(furnished: Queue, script: str, head: int) -> None:
    before = dump(furnished.client)
    argv = RIGHT[script][:head] + RIGHT[script][head:] * 1001
    with pytest.raises(redis.ResponseError, match=r"^JOBWIRE_ARGUMENT counts of KEYS and ARGV"):
        furnished.run(script, keys(furnished, script, argv), argv)
    assert dump(furnished.client) == before


@pytest.mark.parametrize("layout", ["2", "", "1 ", "nonsense"])
@pytest.mark.parametrize("script", sorted(SCRIPTS.keys() - {"join"}))
def test_another_layout_is_left_alone(furnished: Queue, script: str, layout: str) -> None:
    furnished.client.hset(furnished.key("control"), "layout", layout)
    before = dump(furnished.client)
    with pytest.raises(redis.ResponseError, match=f"^JOBWIRE_LAYOUT {layout}".rstrip()):
        furnished.run(script, keys(furnished, script, RIGHT[script]), RIGHT[script])
    assert dump(furnished.client) == before
