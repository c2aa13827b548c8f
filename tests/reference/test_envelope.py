"""Reading, checking and writing envelopes: classes, fields, messages, defaults."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import NODEFAULT

from jobwire import envelope as envelopes
from jobwire.envelope import Envelope, Join, Retry, Step, check, check_namespace, convert, decode, write
from jobwire.errors import Invalid, Malformed, Rejected, TooLarge, UnsupportedVersion, ValueRefused
from jobwire.values import Encoding
from tests.reference.documents import ABSENT, JOB, JOIN, LARGEST, STEP, job, nested, pack, unpack, without_absent
from tests.schemas.documents import SCHEMAS, examples
from tests.spec.text import section, table

BOTH = pytest.mark.parametrize("encoding", Encoding)
OTHER = {"id": "c", "type": "t", "queue": "q"}
JOINED = STEP | {"join": JOIN | {"then": [OTHER]}}


def read(data: bytes) -> Envelope:
    return check(decode(data))


def verdict(data: bytes) -> tuple[str, str | None]:
    """Return class and field of what is wrong with an envelope; ok for nothing."""
    try:
        read(data)
    except Rejected as error:
        return error.code, error.field
    return "ok", None


INVALID = [
    ("jobwire", {"jobwire": ABSENT}),
    ("jobwire", {"jobwire": None}),
    ("jobwire", {"jobwire": 1.0}),
    ("jobwire", {"jobwire": "1"}),
    ("jobwire", {"jobwire": "1.0\n"}),
    ("jobwire", {"jobwire": "1.0.0"}),
    ("jobwire", {"jobwire": "١.٠"}),
    ("jobwire", {"jobwire": ""}),
    ("id", {"id": ABSENT}),
    ("id", {"id": None}),
    ("id", {"id": 5}),
    ("id", {"id": ""}),
    ("id", {"id": "a\n"}),
    ("id", {"id": "a" * 129}),
    ("id", {"id": "-a"}),
    ("id", {"id": "é"}),
    ("type", {"type": "a b"}),
    ("queue", {"queue": "a:b"}),
    ("queue", {"queue": "a\n"}),
    ("queue", {"queue": "{q}"}),
    ("args", {"args": {}}),
    ("args", {"args": "x"}),
    ("kwargs", {"kwargs": []}),
    ("headers", {"headers": "x"}),
    ("created_at", {"created_at": -1}),
    ("run_at", {"run_at": LARGEST + 1}),
    ("run_at", {"run_at": "2026-01-01T00:00:00Z"}),
    ("expires_at", {"expires_at": 1.5}),
    ("timeout_ms", {"timeout_ms": 0}),
    ("timeout_ms", {"timeout_ms": True}),
    ("priority", {"priority": 10}),
    ("priority", {"priority": "4"}),
    ("result_ttl_ms", {"result_ttl_ms": -1}),
    ("root_id", {"root_id": "a b"}),
    ("parent_id", {"parent_id": "a" * 129}),
    ("retry", {"retry": []}),
    ("retry.max_attempts", {"retry": {"max_attempts": 0}}),
    ("retry.delay_ms", {"retry": {"delay_ms": 0.5}}),
    ("retry.factor", {"retry": {"factor": 0.5}}),
    ("retry.factor", {"retry": {"factor": "2"}}),
    ("retry.max_delay_ms", {"retry": {"max_delay_ms": -1}}),
    ("retry.jitter", {"retry": {"jitter": 1.01}}),
    ("retry.no_retry_on", {"retry": {"no_retry_on": "x"}}),
    ("retry.no_retry_on.1", {"retry": {"no_retry_on": ["a", 5]}}),
    ("then", {"then": {}}),
    ("then.0", {"then": ["x"]}),
    ("then.0.id", {"then": [{"type": "t", "queue": "q"}]}),
    ("then.0.id", {"then": [STEP | {"id": "a"}]}),
    ("then.1.id", {"then": [STEP, STEP]}),
    ("then.0.type", {"then": [STEP | {"type": ""}]}),
    ("then.0.queue", {"then": [STEP | {"queue": "a:b"}]}),
    ("then.0.priority", {"then": [STEP | {"priority": 10}]}),
    ("then.0.headers", {"then": [STEP | {"headers": 5}]}),
    ("then.0.pass_result", {"then": [STEP | {"pass_result": 1}]}),
    ("then.0.retry.factor", {"then": [STEP | {"retry": {"factor": 0}}]}),
    ("then.0.then", {"then": [STEP | {"then": []}]}),
    ("then.0.jobwire", {"then": [STEP | {"jobwire": "1.0"}]}),
    ("then.0.root_id", {"then": [STEP | {"root_id": "a"}]}),
    ("then.0.parent_id", {"then": [STEP | {"parent_id": "a"}]}),
    ("then.0.join", {"then": [JOINED, OTHER | {"id": "d"}]}),
    ("then.0.join.then.0.id", {"then": [JOINED | {"join": JOIN}]}),
    ("then.0.join.index", {"then": [JOINED | {"join": JOIN | {"index": 2, "then": [OTHER]}}]}),
    ("join", {"join": []}),
    ("join", {"join": JOIN, "then": [OTHER]}),
    ("join.group", {"join": JOIN | {"group": "a b"}}),
    ("join.group", {"join": without_absent(JOIN | {"group": ABSENT})}),
    ("join.index", {"join": JOIN | {"index": 2}}),
    ("join.index", {"join": JOIN | {"index": None}}),
    ("join.size", {"join": JOIN | {"size": 1001}}),
    ("join.then", {"join": JOIN | {"then": []}}),
    ("join.then", {"join": JOIN | {"then": None}}),
    ("then.0.then", {"then": [STEP | {"then": None}]}),
    ("join.then.0.id", {"join": JOIN | {"then": [STEP | {"id": "a"}]}}),
    ("join.ttl_ms", {"join": JOIN | {"ttl_ms": 0}}),
]


@BOTH
@pytest.mark.parametrize(("field", "members"), INVALID)
def test_an_invalid_envelope_names_its_field(encoding: Encoding, field: str, members: dict[str, Any]) -> None:
    assert verdict(job(encoding, **members)) == ("invalid", field)


VALID = [
    ("id", "a" * 128, "a" * 128),
    ("id", "0_.:-Z", "0_.:-Z"),
    ("queue", "q.r_s-T", "q.r_s-T"),
    ("jobwire", "1.7", "1.7"),
    ("jobwire", "01.0", "01.0"),
    ("args", [1, "x", None, [True]], [1, "x", None, [True]]),
    ("args", [], None),
    ("kwargs", {"a": {"b": []}}, {"a": {"b": []}}),
    ("kwargs", {}, None),
    ("headers", {}, None),
    ("run_at", 0, 0),
    ("run_at", 5000, 5000.0),
    ("run_at", LARGEST, LARGEST),
    ("run_at", None, None),
    ("timeout_ms", 1, 1.0),
    ("priority", 0, 0),
    ("priority", 0, -0.0),
    ("priority", 4, None),
    ("result_ttl_ms", 0, 0),
    ("result_ttl_ms", 600_000, None),
    ("retry", None, None),
    ("retry", Retry(), {}),
    ("retry", Retry(), {"max_attempts": None, "unknown": None}),
    ("retry", Retry(max_attempts=1000, factor=1), {"max_attempts": 1000.0, "factor": 1}),
    ("retry", Retry(jitter=1, factor=1.5), {"jitter": 1, "factor": 1.5}),
    ("root_id", None, None),
    ("parent_id", "p", "p"),
    ("then", [], None),
    ("then", [STEP, JOINED | {"id": "d"}], [STEP, JOINED | {"id": "d"}]),
    ("then", [STEP | {"args": None, "priority": 5.0}], [STEP | {"args": None, "priority": 5.0}]),
    ("join", None, None),
    ("join", Join(group="g", index=0, size=2, then=[STEP]), JOIN | {"ttl_ms": None, "later": 1}),
]


@BOTH
@pytest.mark.parametrize(("expected", "name", "value"), [(expected, name, value) for name, expected, value in VALID])
def test_a_member_is_read(encoding: Encoding, expected: Any, name: str, value: Any) -> None:
    envelope = read(job(encoding, **{name: value}))
    assert expected == getattr(envelope, name)


@BOTH
def test_unknown_members_are_ignored_at_every_level(encoding: Encoding) -> None:
    later = {"later": {"of": [1.5]}}
    known = job(encoding, retry={}, then=[STEP])
    assert read(known) == read(job(encoding, **later, retry=later, then=[STEP])) == read(known)
    assert read(job(encoding, join=JOIN | later)).join == Join(group="g", index=0, size=2, then=[STEP])


@BOTH
@pytest.mark.parametrize("version", ["0.9", "2.0", "10.0", "00.1", "11.0"])
def test_another_major_version_comes_before_all_fields(encoding: Encoding, version: str) -> None:
    assert verdict(pack({"jobwire": version, "id": 5, "retry": "x"}, encoding)) == ("unsupported_version", None)


MALFORMED = {
    "empty": b"",
    "blank": b" " + job(),
    "byte order mark": b"\xef\xbb\xbf" + job(),
    "array": b"[]",
    "string": b'"x"',
    "null": b"null",
    "msgpack nil": b"\xc0",
    "msgpack array": b"\x90",
    "msgpack bin": b"\xc4\x01a",
    "comment": b"// x\n{}",
    "open": b"{",
    "two": b"{}{}",
    "trailing comma": b'{"a":1,}',
    "single quotes": b"{'jobwire':'1.0'}",
    "truncated map16": b"\xde\x00",
    "truncated map32": b"\xdf\x00\x00\x00",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed(data: bytes) -> None:
    assert verdict(data) == ("malformed", None)


@BOTH
def test_examples(encoding: Encoding) -> None:
    valid, invalid = examples("job", "valid"), examples("job", "invalid")
    assert {file: verdict(pack(valid[file], encoding)) for file in valid if wrong(valid[file], {"ok"}, encoding)} == {}
    assert [file for file in invalid if wrong(invalid[file], classes(invalid[file]), encoding)] == []


def wrong(document: Any, expected: set[str], encoding: Encoding) -> bool:
    return verdict(pack(document, encoding))[0] not in expected


def classes(document: Any) -> set[str]:
    """Say which classes an invalid document can have."""
    if not isinstance(document, dict):
        return {"malformed"}
    return {"unsupported_version", "invalid"} if document.get("jobwire") != "1.0" else {"invalid"}


@BOTH
def test_examples_of_a_step(encoding: Encoding) -> None:
    found = {
        (folder, file): verdict(job(encoding, id="the-first", then=[step]))[0]
        for folder in ("valid", "invalid")
        for file, step in examples("step", folder).items()
    }
    # One example has an id twice, which is nothing that a schema can say.
    assert found == {(folder, file): "ok" if folder == "valid" else "invalid" for folder, file in found}


@pytest.mark.parametrize(
    ("expected", "members"),
    [
        (
            "retry.factor: expected `float` >= 1.0, got 0.5 [FIELD-5]",
            {"retry": {"factor": 0.5}},
        ),
        ("id: expected a value, got none [FIELD-5]", {"id": ABSENT}),
        (
            "id: expected 1 to 128 of A-Z a-z 0-9 _ . : - after a letter or digit, got 'a b' [FIELD-5]",
            {"id": "a b"},
        ),
        ("then.0.then: expected no such member in a step [FLOW-1]", {"then": [STEP | {"then": []}]}),
        (
            "then.0.id: expected an id that no other job of the workflow has, got 'a' [FLOW-2]",
            {"then": [STEP | {"id": "a"}]},
        ),
        ("join.index: expected less than size 2, got 2 [FIELD-5]", {"join": JOIN | {"index": 2}}),
        ("jobwire: expected a version such as '1.0', got None [FIELD-4]", {"jobwire": ABSENT}),
        ("jobwire: expected major version 1, got '2.0' [FIELD-3]", {"jobwire": "2.0"}),
    ],
)
def test_a_message_says_what_was_wanted_what_came_and_which_rule(expected: str, members: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        read(job(**members))
    assert expected == str(caught.value)


def test_messages_stay_short() -> None:
    for members in ({"id": "x" * 100_000}, {"args": "x" * 100_000}, {"jobwire": "x" * 100_000}, {"queue": [1] * 9999}):
        with pytest.raises(Invalid) as caught:
            read(job(**members))
        assert len(str(caught.value)) < 300


NUMBERS = [
    ([2.0**53], b"9007199254740993"),
    ([-(2.0**53)], b"-9007199254740993"),
    ([LARGEST], b"9007199254740991"),
    ([1e20], b"100000000000000000000"),
    ([1e308], b"1" + b"0" * 308),
    ([0.0], b"0." + b"0" * 400 + b"1"),
    ([1.1], b"1.1" + b"0" * 5000),
    ([1e5], b"1e5"),
    ([0], b"-0"),
]


@pytest.mark.parametrize(("expected", "digits"), NUMBERS, ids=lambda value: f"{value!r:.30}")
def test_a_number_means_the_nearest_double(expected: list[float], digits: bytes) -> None:
    envelope = read(job().replace(b"}", b', "args": [' + digits + b"]}"))
    assert expected == envelope.args


@BOTH
def test_large_integers_are_rounded_wherever_values_stand(encoding: Encoding) -> None:
    large, near = 2**63 + 1, float(2**63)
    envelope = decode(job(encoding, args=[[large]], kwargs={"a": large}, headers={"b": {"c": large}}, join=JOIN))
    assert (envelope.args, envelope.kwargs, envelope.headers) == ([[near]], {"a": near}, {"b": {"c": near}})
    step = STEP | {"args": [large]}
    assert decode(job(encoding, then=[step])).then[0]["args"] == [near]
    joined = decode(job(encoding, join=JOIN | {"then": [step]})).join
    assert joined is not None
    assert joined.then[0]["args"] == [near]


def make(**members: Any) -> Envelope:
    return Envelope(**(JOB | members))


WRITES = [
    ({}, make()),
    ({"args": [1]}, make(args=[1])),
    ({}, make(args=[], kwargs={}, headers={}, then=[], priority=4, run_at=None)),
    ({"retry": {"max_attempts": 5}}, make(retry=Retry(max_attempts=5, no_retry_on=[]))),
    ({"retry": {}}, make(retry=Retry())),
    ({"join": JOIN}, make(join=Join(group="g", index=0, size=2, then=[STEP]))),
    ({"run_at": LARGEST}, make(run_at=LARGEST)),
]


@BOTH
@pytest.mark.parametrize(("expected", "envelope"), WRITES)
def test_a_writer_leaves_out_what_says_nothing(encoding: Encoding, expected: Any, envelope: Envelope) -> None:
    assert JOB | expected == unpack(write(envelope, encoding), encoding)


@BOTH
@pytest.mark.parametrize(
    ("error", "envelope"),
    [
        (Invalid, make(id="a b")),
        (Invalid, make(root_id="")),
        (Invalid, make(then=[STEP, STEP])),
        (ValueRefused, make(args=[LARGEST + 1])),
        (ValueRefused, make(args=[float("nan")])),
        (ValueRefused, make(args=[float("-inf")])),
        (ValueRefused, make(args=[b"x"])),
        (ValueRefused, make(args=["\ud800"])),
        (ValueRefused, make(kwargs={"\udfff": 1})),
        (ValueRefused, make(kwargs={1: 1})),
        (ValueRefused, make(headers={"Key": 1, "key": 2})),
        (ValueRefused, make(args=nested(32))),
        (ValueRefused, make(then=[STEP | {"args": nested(30)}])),
        (ValueRefused, make(join=Join(group="g", index=0, size=2, then=[STEP | {"args": nested(29)}]))),
        (TooLarge, make(args=["x" * 1_048_576])),
    ],
    ids=lambda value: getattr(value, "__name__", f"{value!r:.60}"),
)
def test_a_writer_refuses(encoding: Encoding, error: type[Exception], envelope: Envelope) -> None:
    with pytest.raises(error):
        write(envelope, encoding)


@BOTH
@pytest.mark.parametrize(
    "envelope",
    [
        make(args=nested(31)),
        make(then=[STEP | {"args": nested(29)}]),
        make(join=Join(group="g", index=0, size=2, then=[STEP | {"args": nested(28)}])),
        make(headers={"straße": 1, "STRASSE": 2, "É": 3, "é": 4}),
    ],
    ids=["args", "then", "join", "case beyond ASCII"],
)
def test_a_writer_writes_what_is_just_allowed(encoding: Encoding, envelope: Envelope) -> None:
    assert envelope == read(write(envelope, encoding))


@BOTH
def test_the_limit_of_bytes_is_exact(encoding: Encoding) -> None:
    spare = 1_048_576 - len(write(make(args=["x" * 70_000]), encoding)) + 70_000
    assert len(write(make(args=["x" * spare]), encoding)) == 1_048_576
    with pytest.raises(TooLarge, match=r"expected at most 1048576 bytes, got 1048577 \[VAL-10\]"):
        write(make(args=["x" * (spare + 1)]), encoding)


def test_convert_reads_plain_values_as_decode_does_bytes() -> None:
    value = json.loads(job(priority=5.0, retry=None))
    assert decode(job(priority=5)) == convert(value)


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "{a}", "a\n", "a:b", "é", 5])
def test_a_namespace_is_refused(name: Any) -> None:
    with pytest.raises(Invalid, match="namespace: expected 1 to 64"):
        check_namespace(name)


@pytest.mark.parametrize("name", ["a", "a" * 64, "-._", "0"])
def test_a_namespace_is_taken(name: str) -> None:
    assert name == check_namespace(name)


def defaults(shape: Any) -> dict[str, Any]:
    """Return the defaults of a struct, with those of the policy that no policy means."""
    found = dict(zip(shape.__struct_fields__, fields_of(shape), strict=True))
    return {name: default for name, default in found.items() if default not in (None, NODEFAULT)}


def fields_of(shape: Any) -> list[Any]:
    fields = msgspec.structs.fields(shape)
    return [field.default if field.default_factory is NODEFAULT else field.default_factory() for field in fields]


JOB_SCHEMA, STEP_SCHEMA = SCHEMAS["job"], SCHEMAS["step"]
TABLES = [
    (Envelope, JOB_SCHEMA, table(section("4.2"), "field")),
    (Retry, JOB_SCHEMA["$defs"]["retry"], table(section("4.2"), "member of `retry`")),
    (Join, JOB_SCHEMA["$defs"]["join"], table(section("10."), "member of `join`")),
]


@pytest.mark.parametrize(("shape", "schema", "rows"), TABLES, ids=lambda value: getattr(value, "__name__", ""))
def test_defaults_are_those_of_the_tables_and_of_the_schemas(shape: Any, schema: Any, rows: Any) -> None:
    told = {next(iter(row.values())).strip("`"): row.get("default", "").strip("`") for row in rows}
    in_spec = {name: json.loads(text) for name, text in told.items() if text not in ("", "now", "never", "none")}
    in_schema = {name: member["default"] for name, member in schema["properties"].items() if "default" in member}
    # An envelope without `retry` has no policy of its own; `policy` gives the default one.
    ours = defaults(shape) | ({"retry": {}} if shape is Envelope else {})
    assert list(told) == list(schema["properties"])
    assert in_spec == in_schema == ours
    assert set(shape.__struct_fields__) == set(told)


def test_a_step_has_the_defaults_of_an_envelope_and_passes_its_result() -> None:
    shared = defaults(Envelope)
    del shared["then"]
    assert shared | {"pass_result": STEP_SCHEMA["properties"]["pass_result"]["default"]} == defaults(Step)


def test_an_envelope_without_policy_has_the_default_one() -> None:
    assert Retry() == make().policy == envelopes.DEFAULT_RETRY


def test_too_deep_steps_are_malformed(deep_steps: Envelope) -> None:
    with pytest.raises(Malformed, match=r"less depth.*\[VAL-12\]"):
        check(deep_steps)


@pytest.fixture
def deep_steps() -> Envelope:
    join: dict[str, Any] = JOIN
    for number in range(2000):
        join = JOIN | {"then": [STEP | {"id": f"s{number}", "join": join}]}
    return make(join=Join(**join))


def test_versions_are_told_apart() -> None:
    with pytest.raises(UnsupportedVersion):
        convert(JOB | {"jobwire": "2.0"})
