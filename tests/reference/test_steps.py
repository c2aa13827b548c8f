"""What a producer builds: options, clocks, chains, groups."""

import datetime
import json
import math
from typing import Any

import pytest

from jobwire.envelope import Retry, check, decode
from jobwire.errors import Invalid, JobwireError, Refused, TooLarge, ValueRefused
from jobwire.ids import new_id
from jobwire.scripts import Accept
from jobwire.steps import (
    Chain,
    Group,
    Options,
    Ready,
    Step,
    build,
    chain_of,
    ids_of,
    keeps_outcome,
    make_step,
    needs_clock,
)
from jobwire.values import MAX_BYTES, Encoding
from tests.reference.documents import LARGEST, nested, unpack

NOW = 1_795_383_432_378
UTC = datetime.UTC
PARIS = datetime.timezone(datetime.timedelta(hours=1))
SECOND = datetime.timedelta(seconds=1)
BOTH = pytest.mark.parametrize("encoding", Encoding)


def step(*args: Any, id: str = "a", **options: Any) -> Step:
    return make_step("t", args, {}, Options(id=id, **options))


def built(work: Step | Chain | Group, encoding: Encoding = Encoding.JSON) -> list[dict[str, Any]]:
    """Build, and return the documents; each must be as legal as the reader wants it."""
    ready = build(work, encoding, NOW)
    for each in ready:
        check(decode(each.job.envelope))
    return [unpack(each.job.envelope, encoding) for each in ready]


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"queue": "default"}, {}),
    ({"queue": "r"}, {"queue": "r"}),
    ({"run_at": 0}, {"run_at": 0}),
    ({"run_at": LARGEST}, {"run_at": LARGEST}),
    ({"run_at": 7000}, {"run_at": 7000.0}),
    ({"run_at": 1500}, {"run_at": datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)}),
    ({"run_at": 0}, {"run_at": datetime.datetime(1970, 1, 1, 1, tzinfo=PARIS)}),
    ({"run_at": NOW}, {"delay": 0}),
    ({"run_at": NOW + 5000}, {"delay": 5}),
    ({"run_at": NOW + 250}, {"delay": 0.25}),
    ({"run_at": NOW + 1000}, {"delay": SECOND}),
    ({"run_at": NOW - 1000}, {"delay": -SECOND}),
    ({"expires_at": 9}, {"expires_at": 9}),
    ({"expires_at": NOW + 1000}, {"expires_in": 1}),
    ({"expires_at": NOW + 1000, "run_at": 5}, {"expires_in": SECOND, "run_at": 5}),
    ({"timeout_ms": 1}, {"timeout_ms": 1}),
    ({"timeout_ms": 5000}, {"timeout_ms": 5000.0}),
    ({"priority": 0}, {"priority": 0}),
    ({"priority": 9}, {"priority": 9.0}),
    ({"retry": {"max_attempts": 1}}, {"retry": Retry(max_attempts=1)}),
    ({"retry": {"delay_ms": 5, "no_retry_on": ["E"]}}, {"retry": Retry(delay_ms=5.0, no_retry_on=["E"])}),
    ({"retry": {"factor": 3}}, {"retry": {"factor": 3}}),
    ({"result_ttl_ms": 0}, {"result_ttl_ms": 0}),
    ({"headers": {"traceparent": "00-1"}}, {"headers": {"traceparent": "00-1"}}),
    ({}, {"headers": {}}),
    ({}, {"pass_result": False}),
]


def same(expected: dict[str, Any], document: dict[str, Any]) -> bool:
    """Compare as JSON text does: 5 is not 5.0. [VAL-4]"""
    return json.dumps(expected, sort_keys=True) == json.dumps(document, sort_keys=True)


@BOTH
@pytest.mark.parametrize(("expected", "options"), OPTIONS, ids=repr)
def test_an_option_becomes_a_member(encoding: Encoding, expected: Any, options: dict[str, Any]) -> None:
    (document,) = built(step(**options), encoding)
    assert same({"jobwire": "1.0", "id": "a", "type": "t", "queue": "default"} | expected, document)


@BOTH
@pytest.mark.parametrize(("expected", "options"), OPTIONS, ids=repr)
def test_an_option_becomes_a_member_of_a_later_step(encoding: Encoding, expected: Any, options: dict[str, Any]) -> None:
    (document,) = built(Chain((step(id="z"), step(**options))), encoding)
    kept = {"pass_result": False} if options.get("pass_result") is False else {}
    assert same({"id": "a", "type": "t", "queue": "default"} | expected | kept, document["then"][0])


WRONG: list[tuple[type[JobwireError], str, dict[str, Any]]] = [
    (Invalid, "id", {"id": ""}),
    (Invalid, "id", {"id": "a b"}),
    (Invalid, "id", {"id": 5}),
    (Invalid, "queue", {"queue": ""}),
    (Invalid, "queue", {"queue": "a:b"}),
    (Invalid, "queue", {"queue": ["a"]}),
    (Invalid, "run_at", {"run_at": -1}),
    (Invalid, "run_at", {"run_at": 1.5}),
    (Invalid, "run_at", {"run_at": "2026-01-01"}),
    (Invalid, "run_at", {"run_at": True}),
    (Invalid, "run_at", {"run_at": SECOND}),
    (Invalid, "run_at", {"run_at": datetime.datetime(1969, 1, 1, tzinfo=UTC)}),
    (Refused, "run_at", {"run_at": datetime.datetime(2026, 1, 1)}),
    (Refused, "expires_at", {"expires_at": datetime.datetime(2026, 1, 1)}),
    (Refused, "run_at", {"run_at": 5, "delay": 5}),
    (Refused, "expires_at", {"expires_at": 5, "expires_in": 5}),
    (Refused, "delay", {"delay": math.nan}),
    (Refused, "delay", {"delay": math.inf}),
    (Refused, "delay", {"delay": "5"}),
    (Refused, "expires_in", {"expires_in": [5]}),
    (Invalid, "run_at", {"delay": -1e10}),
    (Invalid, "run_at", {"delay": 1e300}),
    (Invalid, "timeout_ms", {"timeout_ms": 0}),
    (Invalid, "timeout_ms", {"timeout_ms": "5"}),
    (Invalid, "priority", {"priority": 10}),
    (Invalid, "priority", {"priority": True}),
    (Invalid, "result_ttl_ms", {"result_ttl_ms": -1}),
    (Invalid, "retry.max_attempts", {"retry": Retry(max_attempts=0)}),
    (Invalid, "retry.factor", {"retry": Retry(factor=math.nan)}),
    (Invalid, "retry.jitter", {"retry": Retry(jitter=2)}),
    (Invalid, "retry.no_retry_on.0", {"retry": Retry(no_retry_on=[5])}),  # type: ignore[list-item]
    (Invalid, "retry", {"retry": 5}),
    (Invalid, "headers", {"headers": 5}),
    (Invalid, "headers", {"headers": [("a", 1)]}),
    (ValueRefused, "headers", {"headers": {"a": ...}}),
    (ValueRefused, "headers", {"headers": {"a": SECOND}}),
    (ValueRefused, "headers", {"headers": {"a": 1, "A": 1}}),
]


@pytest.mark.parametrize(("error", "name", "options"), WRONG, ids=repr)
def test_a_wrong_option_is_named(error: type[JobwireError], name: str, options: dict[str, Any]) -> None:
    with pytest.raises(error, match=rf"^(t: )?{name}\b"):
        built(step(**options))
    with pytest.raises(error, match=rf"^(t: |then\.0\.)?{name}\b"):
        built(Chain((step(id="z"), step(**options))))


@BOTH
@pytest.mark.parametrize(
    ("error", "args"),
    [
        (ValueRefused, (datetime.datetime(2026, 1, 1, tzinfo=UTC),)),
        (ValueRefused, ({1, 2},)),
        (ValueRefused, (b"x",)),
        (ValueRefused, ("\ud800",)),
        (ValueRefused, (2**53,)),
        (ValueRefused, ({1: 1},)),
        (ValueRefused, (math.inf,)),
        (ValueRefused, (nested(31),)),
        (TooLarge, ("x" * MAX_BYTES,)),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_what_is_no_value_is_refused_in_every_step(
    encoding: Encoding, error: type[JobwireError], args: tuple[Any]
) -> None:
    for work in (
        step(*args),
        Chain((step(id="z"), step(*args))),
        Group((step(id="z"), step(*args)), Chain((step(id="y"),))),
        Group((step(id="z"),), Chain((step(*args),))),
    ):
        with pytest.raises(error):
            build(work, encoding, NOW)


def test_a_type_is_checked() -> None:
    for kind in ("", "a b", 5):
        with pytest.raises(Invalid, match=r"^type: expected 1 to 128"):
            build(Step(kind), Encoding.JSON, NOW)  # type: ignore[arg-type]


def test_a_step_has_an_id_from_the_start() -> None:
    one, other = make_step("t", [], {}, Options()), make_step("t", [], {}, Options())
    assert one.id != other.id
    assert built(one)[0]["id"] == one.id == built(one)[0]["id"]


def test_arguments_are_copied() -> None:
    kwargs = {"a": 1}
    made = make_step("t", [1], kwargs, Options())
    kwargs["a"] = 2
    assert (made.args, made.kwargs) == ((1,), {"a": 1})


def test_ready_says_what_enqueue_is_told() -> None:
    (ready,) = build(step(queue="r", run_at=7, priority=9, retry=Retry(max_attempts=5)), Encoding.JSON, NOW)
    assert Ready("r", Accept("a", ready.job.envelope, 7, 5, 9)) == ready
    assert build(step(), Encoding.JSON, NOW)[0].job[2:] == (0, 3, 4)


@pytest.mark.parametrize(
    ("expected", "options", "base"),
    [
        (Options(), Options(), Options()),
        (Options(queue="b"), Options(), Options(queue="b")),
        (Options(queue="a"), Options(queue="a"), Options(queue="b")),
        (Options(priority=0, timeout_ms=5), Options(priority=0), Options(priority=9, timeout_ms=5)),
        (Options(pass_result=False), Options(pass_result=False), Options(pass_result=True)),
        (Options(headers={}), Options(headers={}), Options(headers={"a": 1})),
    ],
)
def test_options_over_others(expected: Options, options: Options, base: Options) -> None:
    assert expected == options.over(base)


@pytest.mark.parametrize(
    ("expected", "work"),
    [
        (False, step()),
        (False, step(run_at=5)),
        (True, step(delay=0)),
        (True, step(expires_in=5)),
        (True, Chain((step(), step(delay=1)))),
        (False, Group((step(),), Chain((step(id="b"),)))),
        (True, Group((step(), Chain((step(id="c", delay=1),))), Chain((step(id="b"),)))),
        (True, Group((step(),), Chain((step(id="b", delay=1),)))),
    ],
)
def test_the_clock_is_needed_for_what_is_relative(expected: bool, work: Any) -> None:
    assert expected == needs_clock(work)


@pytest.mark.parametrize(
    ("expected", "work"),
    [
        (True, step()),
        (True, step(result_ttl_ms=1)),
        (False, step(result_ttl_ms=0)),
        (False, Chain((step(result_ttl_ms=0),))),
        (True, Chain((step(), step(id="b", result_ttl_ms=0)))),
        (True, Group((step(result_ttl_ms=0),), Chain((step(id="b", result_ttl_ms=0),)))),
    ],
)
def test_an_outcome_to_wait_for(expected: bool, work: Any) -> None:
    assert expected == keeps_outcome(work)


def test_a_chain_carries_its_later_steps() -> None:
    work = chain_of([step(1, id="a"), Chain((step(2, id="b", queue="r"), step(id="c"))), step(id="d")])
    (document,) = built(work)
    assert ([document["id"], *(each["id"] for each in document["then"])], document["args"]) == (
        ["a", "b", "c", "d"],
        [1],
    )
    assert ids_of(work) == [("default", "a"), ("r", "b"), ("default", "c"), ("default", "d")]
    assert "join" not in document


@BOTH
def test_a_group_gives_each_member_its_place(encoding: Encoding) -> None:
    then = chain_of([step(id="sum"), step(id="after", queue="r")])
    work = Group((step(id="m0"), chain_of([step(id="m1"), step(id="m1b")])), then, "g", 5)
    first, second = built(work, encoding)
    shared = {"group": "g", "size": 2, "ttl_ms": 5, "then": [{"id": "sum", "type": "t", "queue": "default"}]}
    shared["then"].append({"id": "after", "type": "t", "queue": "r"})
    assert (shared | {"index": 0}, None) == (first["join"], first.get("then"))
    assert (shared | {"index": 1}, None) == (second["then"][-1]["join"], second.get("join"))
    assert [id for _, id in ids_of(work)] == ["m0", "m1", "m1b", "sum", "after"]


def test_a_group_has_a_name_and_a_life_of_its_own() -> None:
    groups = [Group((step(),), Chain((step(id="b"),))) for _ in range(2)]
    assert groups[0].group != groups[1].group
    assert "ttl_ms" not in built(groups[0])[0]["join"]


def members(count: int) -> tuple[Step, ...]:
    return tuple(step(id=new_id()) for _ in range(count))


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("chain: expected at least one step, got none", lambda: Chain(())),
        ("chain: expected at least one step, got none", lambda: chain_of([])),
        ("group: expected at most 1000 members, got 1001", lambda: Group(members(1001), Chain((step(),)))),
        ("group: expected ttl_ms of at least 1, got 0", lambda: Group((step(),), Chain((step(id="b"),)), ttl_ms=0)),
        ("group: expected another id for each job", lambda: Group((step(), step()), Chain((step(id="b"),)))),
        ("group: expected another id for each job", lambda: Group((step(),), Chain((step(),)))),
    ],
)
def test_what_makes_no_workflow(message: str, make: Any) -> None:
    with pytest.raises(Refused, match=rf"^{message}"):
        make()


def test_the_largest_group() -> None:
    assert len(build(Group(members(1000), Chain((step(id="b"),))), Encoding.JSON, NOW)) == 1000


def test_an_id_twice_in_a_chain_is_invalid() -> None:
    with pytest.raises(Invalid, match=r"^then\.0\.id: expected an id that no other"):
        build(Chain((step(), step())), Encoding.JSON, NOW)
