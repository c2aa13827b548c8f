"""The next envelope of a chain or group."""

import json
from typing import Any

import pytest

from jobwire.envelope import check, decode
from jobwire.errors import Malformed, TooLarge, ValueRefused
from jobwire.scripts import Accept
from jobwire.values import MAX_BYTES, Encoding
from jobwire.workflow import JOIN_DEPTH, THEN_DEPTH, Next, next_of_chain, next_of_group
from tests.reference.documents import JOIN, STEP, job, nested, outcome, pack, unpack

BOTH = pytest.mark.parametrize("encoding", Encoding)
OTHER = {"id": "c", "type": "t", "queue": "r"}
# What every next envelope of job `a` has beside the members of its step.
GIVEN = {"jobwire": "1.0", "parent_id": "a", "root_id": "a"}


def chained(step: dict[str, Any], result: Any = 85, encoding: Encoding = Encoding.JSON, **members: Any) -> Next:
    return next_of_chain(check(decode(job(encoding, then=[STEP | step], **members))), result, encoding)


def grouped(step: dict[str, Any], values: list[bytes], encoding: Encoding = Encoding.JSON, **members: Any) -> Next:
    join = JOIN | {"then": [STEP | step]}
    return next_of_group(check(decode(job(encoding, join=join, **members))), values, encoding)


STEPS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"args": [85]}, {}),
    ({"args": [85, 1, "x"]}, {"args": [1, "x"]}),
    ({"args": [85]}, {"args": None}),
    ({"args": [85]}, {"pass_result": True}),
    ({"args": [85]}, {"pass_result": None}),
    ({"args": [1]}, {"pass_result": False, "args": [1]}),
    ({}, {"pass_result": False}),
    ({"args": [85], "kwargs": {"a": None}}, {"kwargs": {"a": None}}),
    ({"args": [85], "later": {"of": [None]}, "x": 1.5}, {"later": {"of": [None]}, "x": 1.5, "y": None}),
    ({"args": [85], "priority": 9, "timeout_ms": 5}, {"priority": 9.0, "timeout_ms": 5, "run_at": None}),
    ({"args": [85], "retry": {"factor": 1.5, "jitter": None}}, {"retry": {"factor": 1.5, "jitter": None}}),
    (
        {"args": [85], "headers": {"h": 1}, "run_at": 7, "expires_at": 9},
        {"headers": {"h": 1}, "run_at": 7, "expires_at": 9},
    ),
    (
        {"args": [85], "join": JOIN | {"then": [OTHER], "ttl_ms": None}},
        {"join": JOIN | {"then": [OTHER], "ttl_ms": None}},
    ),
]


@BOTH
@pytest.mark.parametrize(("expected", "step"), STEPS)
def test_the_next_envelope_is_the_step(encoding: Encoding, expected: dict[str, Any], step: dict[str, Any]) -> None:
    job = chained(step, encoding=encoding).job
    assert STEP | GIVEN | expected == unpack(job.envelope, encoding)


@BOTH
@pytest.mark.parametrize(("expected", "result"), [(None, None), ([], []), ({"a": {}}, {"a": {}}), (1e20, 10**20)])
def test_the_result_is_the_first_argument(encoding: Encoding, expected: Any, result: Any) -> None:
    assert [expected] == unpack(chained({}, result, encoding).job.envelope, encoding)["args"]


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        ({"parent_id": "a", "root_id": "a"}, {}),
        ({"parent_id": "a", "root_id": "r"}, {"root_id": "r", "parent_id": "p"}),
        ({"parent_id": "a", "root_id": "a"}, {"parent_id": "p", "root_id": None}),
        ({"jobwire": "1.3"}, {"jobwire": "1.3"}),
    ],
)
def test_origin(expected: dict[str, str], members: dict[str, Any]) -> None:
    for each in (chained({}, **members), grouped({}, [], **members)):
        written = json.loads(each.job.envelope)
        assert expected == {name: written[name] for name in expected}


def test_the_remaining_steps_go_along_as_they_are() -> None:
    rest = [OTHER | {"later": 1, "args": []}, STEP | {"id": "d"}]
    written = json.loads(next_of_chain(decode(job(then=[STEP, *rest])), 1, Encoding.JSON).job.envelope)
    assert rest == written["then"]
    last = json.loads(next_of_chain(decode(job(then=[STEP])), 1, Encoding.JSON).job.envelope)
    assert "then" not in last


def test_the_steps_behind_a_callback_become_its_chain() -> None:
    envelope = decode(job(join=JOIN | {"then": [STEP, OTHER]}))
    assert json.loads(next_of_group(envelope, [], Encoding.JSON).job.envelope)["then"] == [OTHER]


def test_a_chain_that_ends_in_a_group_hands_its_join_over() -> None:
    last = OTHER | {"join": JOIN}
    envelope = decode(job(then=[{"id": "x", "type": "t", "queue": "q"}, last]))
    second = decode(next_of_chain(envelope, 1, Encoding.JSON).job.envelope)
    third = decode(next_of_chain(second, 2, Encoding.JSON).job.envelope)
    assert (third.id, third.join and third.join.then, third.root_id, third.parent_id) == ("c", [STEP], "a", "x")


@BOTH
def test_the_outcomes_of_members_are_the_first_argument_in_whatever_encoding_they_came(encoding: Encoding) -> None:
    values = [outcome(Encoding.JSON, result=[1]), outcome(Encoding.MSGPACK, id="b", later={"x": None})]
    expected = [unpack(value, each) for value, each in zip(values, Encoding, strict=True)]
    assert [expected, 5] == unpack(grouped({"args": [5]}, values, encoding).job.envelope, encoding)["args"]


def test_a_callback_can_leave_the_outcomes_out() -> None:
    assert b"args" not in grouped({"pass_result": False}, [outcome()]).job.envelope


@pytest.mark.parametrize("value", [b"", b"5", b"[1]", b"{", b"\x81"])
def test_a_value_that_is_no_document_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        grouped({}, [outcome(), value])


def test_a_job_outside_of_a_group_has_no_callback() -> None:
    with pytest.raises(Malformed, match="FLOW-8"):
        next_of_group(decode(job()), [], Encoding.JSON)


@pytest.mark.parametrize(
    ("expected", "step"),
    [
        (("q", "b", 0, 3, 4), {}),
        (("r", "b", 7, 9, 0), {"queue": "r", "run_at": 7, "retry": {"max_attempts": 9}, "priority": 0}),
        (("q", "b", 7, 3, 9), {"run_at": 7.0, "retry": {"max_attempts": None}, "priority": 9.0}),
    ],
)
def test_what_pass_is_told(expected: tuple[Any, ...], step: dict[str, Any]) -> None:
    queue, accept = chained(step)
    assert expected == (queue, accept.id, accept.run_at, accept.max_attempts, accept.priority)
    assert isinstance(accept, Accept)
    assert {int} == {type(number) for number in accept[2:]}


@BOTH
def test_the_deepest_results(encoding: Encoding) -> None:
    check(decode(chained({}, nested(THEN_DEPTH), encoding).job.envelope))
    with pytest.raises(ValueRefused, match="VAL-9"):
        chained({}, nested(THEN_DEPTH + 1), encoding)
    check(decode(grouped({}, [outcome(encoding, result=nested(JOIN_DEPTH))], encoding).job.envelope))
    with pytest.raises(ValueRefused, match="VAL-9"):
        grouped({}, [outcome(encoding, result=nested(JOIN_DEPTH + 1))], encoding)


@BOTH
def test_the_largest_results(encoding: Encoding) -> None:
    spare = MAX_BYTES - len(chained({}, "x" * 70_000, encoding).job.envelope) + 70_000
    assert len(chained({}, "x" * spare, encoding).job.envelope) == MAX_BYTES
    with pytest.raises(TooLarge):
        chained({}, "x" * (spare + 1), encoding)
    with pytest.raises(TooLarge):
        grouped({}, [pack({"result": "x" * MAX_BYTES}, encoding)], encoding)
