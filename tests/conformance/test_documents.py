"""The strict reader, and the rules for what is written."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobwire_conformance.documents import Kind, Unreadable, complaints, read, violations, write

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"

DEEP_JSON = b'{"a":' + b"[" * 100_000
DEEP_MSGPACK = b"\x81\xa1a" + b"\x91" * 100_000

CLEAN = [
    {},
    {"a": [1, 2.5, -3, True, None, "é€😀"], "b": {"c": {}}},
    {"n": 9007199254740991},
]


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
@pytest.mark.parametrize("value", CLEAN)
def test_what_is_written_reads_the_same_and_has_no_problem(value: Any, encoding: str) -> None:
    document = read(write(value, encoding))
    assert (value, encoding, ()) == (document.value, document.encoding, document.problems)


@pytest.mark.parametrize(
    ("requirement", "data"),
    [
        ("VAL-5", b'{"a":NaN}'),
        ("VAL-5", b'{"a":-Infinity}'),
        ("VAL-5", b'{"a":1e999}'),
        ("VAL-5", b"\x81\xa1a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"),
        ("VAL-6", b'{"a":{"b":1,"b":1}}'),
        ("VAL-6", b'{"a":{"b":1,"B":1}}'),
        ("VAL-6", b"\x82\xa1a\x01\xa1a\x02"),
        ("VAL-7", b'{"a":"\\ud800"}'),
        ("VAL-7", b'{"\\udfff":1}'),
        ("VAL-7", b'{"a":"\xff"}'),
        ("VAL-7", b'{"a":"\xed\xa0\x80"}'),
        ("VAL-7", b"\x81\xa1a\xa1\xff"),
        ("VAL-8", b"\x81\xa1a\xc4\x01x"),
        ("VAL-8", b"\x81\xa1a\xd4\x05x"),
        ("VAL-8", b"\x81\xa1a\xd6\xff\x00\x00\x00\x00"),
        ("VAL-8", b"\x81\x01\x02"),
        ("VAL-9", b'{"a":' + b"[" * 32 + b"]" * 32 + b"}"),
        ("VAL-10", b'{"a":"' + b"x" * 1048576 + b'"}'),
        ("VAL-12", b"{} x"),
        ("VAL-12", b"\x80\x00"),
    ],
)
def test_what_a_writer_must_not_write_is_a_problem(requirement: str, data: bytes) -> None:
    assert [requirement] == [name for name, _ in complaints(read(data))]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"\xc4\xb0":1,"i":2,"\xc3\x89":3,"\xc3\xa9":4}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":1.0e2,"b":123456789012345678901234567890}',
        b"{}\n",
        b"\xde\x00\x01\xd9\x01a\xd3\x00\x00\x00\x00\x00\x00\x00\x01",
    ],
)
def test_what_a_writer_may_write_is_none(data: bytes) -> None:
    assert () == read(data).problems


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[1]",
        b" {}",
        b"\xef\xbb\xbf{}",
        b'{"a":',
        b"{'a':1}",
        b"\x81\xa1a",
        b"\x81\xa1a\xc1",
        b"\x93\x01",
        DEEP_JSON,
        DEEP_MSGPACK,
    ],
)
def test_what_nobody_can_read_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        read(data)


@pytest.mark.parametrize("kind", ["job", "outcome", "step"])
def test_the_examples_of_the_schemas_are_judged_as_they_are_named(kind: Kind) -> None:
    for path in (EXAMPLES / kind / "invalid").iterdir():
        assert violations(kind, json.loads(path.read_bytes())), path.name
    for path in (EXAMPLES / kind / "valid").iterdir():
        found = {requirement for requirement, _ in violations(kind, json.loads(path.read_bytes()))}
        # A reader takes these, a writer does not write them.
        assert found <= {"FIELD-10", "VAL-4", "VER-1"}, path.name


JOB = {"jobwire": "1.0", "id": "a", "type": "t", "queue": "q"}
STEP = {"id": "b", "type": "t", "queue": "q"}
JOIN = {"group": "g", "index": 0, "size": 1, "then": [STEP]}
OUTCOME = {"jobwire": "1.0", "id": "a", "state": "succeeded", "attempt": 1, "finished_at": 5}
FAILED = {**OUTCOME, "state": "failed"}


def error(**members: Any) -> dict[str, Any]:
    return {**FAILED, "error": {"code": "handler_error", "message": "m", **members}}


@pytest.mark.parametrize(
    ("requirement", "kind", "value"),
    [
        ("FIELD-5", "job", {**JOB, "priority": 10}),
        ("FIELD-5", "job", {**JOB, "id": "a\n"}),
        ("FIELD-10", "job", {**JOB, "retry": {"factor": None}}),
        ("FIELD-10", "job", {**JOB, "then": [{**STEP, "run_at": None}]}),
        ("VER-1", "job", {"id": "a", "type": "t", "queue": "q"}),
        ("FLOW-1", "job", {**JOB, "then": [{**STEP, "id": "c"}], "join": JOIN}),
        (
            "FLOW-1",
            "job",
            {
                **JOB,
                "then": [{**STEP, "id": "c", "join": JOIN}, {**STEP, "id": "d"}],
            },
        ),
        ("FLOW-2", "job", {**JOB, "then": [{**STEP, "id": "a"}]}),
        ("FLOW-2", "job", {**JOB, "then": [{**STEP, "priority": -1}]}),
        ("FLOW-2", "job", {**JOB, "join": {**JOIN, "index": 1}}),
        ("OUT-1", "outcome", FAILED),
        ("OUT-1", "outcome", error(code="odd")),
        ("OUT-4", "outcome", error(message="é" * 2049)),
        ("OUT-4", "outcome", error(type="x" * 257)),
        ("OUT-4", "outcome", error(stack="é" * 8193)),
        ("RETRY-1", "outcome", error(code="timeout", type="T")),
        ("FIELD-10", "outcome", error(details=None)),
        ("FIELD-10", "outcome", {**OUTCOME, "result": None}),
        ("VAL-4", "outcome", {**OUTCOME, "attempt": 1.0}),
        ("VER-1", "outcome", {**OUTCOME, "jobwire": "1.1"}),
    ],
)
def test_a_violation_has_its_requirement(requirement: str, kind: Kind, value: Any) -> None:
    assert {requirement} == {name for name, _ in violations(kind, value)}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("job", {**JOB, "then": [STEP, {**STEP, "id": "c"}], "unknown": None}),
        ("job", {**JOB, "args": [None], "kwargs": {"a": None}, "headers": {"a": None}}),
        ("outcome", {**OUTCOME, "result": 0}),
        ("outcome", error(message="é" * 2048, details={"field": None})),
    ],
)
def test_right_documents_have_none(kind: Kind, value: Any) -> None:
    assert [] == violations(kind, value)


def test_a_job_that_was_handed_over_keeps_the_nulls_of_its_step() -> None:
    nested = {**JOB, "retry": {"factor": None}, "then": [{**STEP, "run_at": None}]}
    assert [] == violations("job", nested, handed_over=True)
    assert ["FIELD-10"] == [name for name, _ in violations("job", {**JOB, "args": None}, handed_over=True)]
