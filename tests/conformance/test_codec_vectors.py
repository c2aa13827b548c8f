"""The vectors say what SPEC.md and the schemas say; each that is rejected differs in one place from one that is not."""

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jobwire_conformance.codec.export import copy
from jobwire_conformance.codec.files import VectorFileError, linked, load_vectors, read_file, vector_files
from jobwire_conformance.codec.inputs import addressed
from jobwire_conformance.codec.jobs import JOB, JOIN, RETRY, STEP
from jobwire_conformance.codec.vectors import Vector
from jobwire_conformance.documents import Unreadable, read, violations
from tests.schemas.documents import SCHEMAS, changes
from tests.spec.text import section, table

VECTORS = load_vectors()
BY_ID = {vector.id: vector for vector in VECTORS}
REFUSED = [vector for vector in VECTORS if vector.verdict in ("reject", "refuse")]
TOPICS = {
    *("version", "fields", "limits", "values", "numbers", "strings", "structure", "steps", "join", "retry"),
    *("survive", "encode", "encode-steps", "delay"),
}


def test_topics() -> None:
    assert {path.stem for path in vector_files()} == TOPICS


def test_both_encodings() -> None:
    found = Counter(vector.encoding for vector in VECTORS if vector.op == "decode")
    assert min(found["json"], found["msgpack"]) >= 700


def test_twins_differ_in_one_place() -> None:
    assert [vector.id for vector in REFUSED if vector.twin is None or places(vector, BY_ID[vector.twin]) != 1] == []


def test_twins_end_with_one_that_a_null_implementation_does_not_pass() -> None:
    for vector in VECTORS:
        seen = [vector]
        while seen[-1].twin is not None:
            seen.append(BY_ID[seen[-1].twin])
            assert len(seen) < 6, vector.id
        last = seen[-1]
        assert last.verdict in ("accept", "write", "survive", "delay"), vector.id
        assert last.verdict == vector.verdict if last.verdict == "survive" else True, vector.id
        assert last.expected != [0, 0], vector.id


def places(vector: Vector, twin: Vector) -> int:
    """Count the places in which two inputs differ."""
    if vector.op == "encode":
        one, other = (json.dumps(each.request["job"]).encode() for each in (vector, twin))
        return 1 if is_one_change(one, other) else len(list(changes(vector.request["job"], twin.request["job"])))
    if is_one_change(vector.data, twin.data):
        return 1
    return len(list(changes(read(vector.data).value, read(twin.data).value)))


def is_one_change(one: bytes, other: bytes) -> bool:
    """Tell whether bytes were only put in or left out, or a few changed; behind a bad first byte nothing counts."""
    if one.replace(b"\0", b"") == other:
        return True  # UTF-16
    start = next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), None)
    if start is None or start == 0:
        return True
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = len(one) - start - end, len(other) - start - end
    return min(left, right) == 0 or max(left, right) <= 20


def test_accepted() -> None:
    for vector in [vector for vector in VECTORS if vector.verdict == "accept"]:
        document = read(vector.data)
        assert document.problems == (), vector.id
        assert [said for label, said in violations("job", without_nulls(document.value)) if label != "VER-1"] == []


def test_invalid() -> None:
    for vector in [vector for vector in VECTORS if vector.code == "invalid"]:
        value = vector.request["job"] if vector.op == "encode" else read(vector.data).value
        assert violations("job", without_nulls(value, required=True)), vector.id


def test_malformed() -> None:
    readable = [vector.id for vector in VECTORS if vector.code == "malformed" and is_readable(vector.data)]
    assert readable == []


def is_readable(data: bytes) -> bool:
    try:
        read(data)
    except Unreadable:
        return False
    return True


def without_nulls(value: Any, required: bool = False) -> Any:
    """Leave out what is null, as a reader does; if `required`, only where null means absence."""
    if isinstance(value, dict):
        kept = (
            ("jobwire", "id", "type", "queue", "root_id", "parent_id", "group", "index", "size", "then")
            if required
            else ()
        )
        return {
            name: member if name in ("args", "kwargs", "headers") else without_nulls(member, required)
            for name, member in value.items()
            if member is not None or name in kept
        }
    return [without_nulls(member, required) for member in value] if isinstance(value, list) else value


FIELDS = [
    *SCHEMAS["job"]["properties"],
    *(f"retry.{name}" for name in SCHEMAS["job"]["$defs"]["retry"]["properties"]),
    *(f"join.{name}" for name in SCHEMAS["job"]["$defs"]["join"]["properties"]),
    *(f"then.0.{name}" for name in SCHEMAS["step"]["properties"] if name != "join"),
]


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_rejected_somewhere(field: str, encoding: str) -> None:
    assert [vector for vector in VECTORS if vector.encoding == encoding and field in vector.fields]


def test_tables_of_fields() -> None:
    job = SCHEMAS["job"]
    assert set(job["properties"]) == set(JOB)
    assert set(SCHEMAS["step"]["properties"]) - {"jobwire", "then", "root_id", "parent_id"} == set(STEP)
    for shape, schema in ((JOB, job), (RETRY, job["$defs"]["retry"]), (JOIN, job["$defs"]["join"])):
        defaults = {name: member["default"] for name, member in schema["properties"].items() if "default" in member}
        assert {name: value for name, value in shape.items() if value is not None and name != "then"} == {
            name: value for name, value in defaults.items() if name != "then"
        }


@pytest.mark.parametrize("row", table(section("Appendix C"), "`factor`"), ids=lambda row: " ".join(row.values()))
def test_delays_of_appendix_c(row: dict[str, str]) -> None:
    policy = {name: float(row[f"`{name}`"]) for name in ("delay_ms", "factor", "max_delay_ms", "jitter")}
    for attempt in range(1, 7):
        wanted = [int(bound) for bound in row[str(attempt)].split("–")]
        request = {"op": "delay", "retry": policy, "attempt": attempt}
        assert [[wanted[0], wanted[-1]]] == [vector.expected for vector in VECTORS if vector.request == request]


def test_another_address() -> None:
    for vector in (BY_ID["codec/structure/json"], BY_ID["codec/structure/msgpack"]):
        found = read(addressed(vector.data, "id-1", "echo", "default")).value
        assert found == {"jobwire": "1.0", "id": "id-1", "type": "echo", "queue": "default"}


def test_copy(tmp_path: Path) -> None:
    assert copy(tmp_path / "vectors.json") == len(VECTORS)
    found = json.loads((tmp_path / "vectors.json").read_text())
    assert [entry["id"] for entry in found] == [vector.id for vector in VECTORS]
    entry = next(entry for entry in found if entry["id"] == "codec/limits/priority-above-json")
    assert json.loads(base64.b64decode(entry["request"]["bytes"]))["priority"] == 10
    assert (entry["reject"], entry["twin"]) == (
        {"code": "invalid", "field": ["priority"]},
        "codec/limits/priority-least-json",
    )


HEAD = {"about": "Some.", "profile": "core", "requirements": ["FIELD-5"]}
GOOD = {"name": "a", "json": "{}", "accept": {}}
REJECTED = {"name": "r", "json": "{}", "twin": "b"}


@pytest.mark.parametrize(
    ("problem", "entries"),
    [
        ("acept", [{"name": "a", "json": "{}", "acept": {}}]),
        ("not valid under any|is not valid", [{"name": "a", "json": "{}"}]),
        ("is valid under each", [GOOD | {"survive": True}]),
        ("'twin' is a required property", [{"name": "a", "json": "{}", "reject": {"code": "malformed"}}]),
        ("'field' is a required property", [GOOD | {"name": "b"}, REJECTED | {"reject": {"code": "invalid"}}]),
        ("stand twice", [GOOD, GOOD]),
        ("there is no vector", [REJECTED | {"reject": {"code": "malformed"}}]),
        ("not in SPEC.md", [GOOD | {"requirements": ["FIELD-99"]}]),
        ("does not match", [GOOD | {"requirements": ["field"]}]),
        ("rejekts", [{"at": "id", "accepts": {"b": "b"}, "rejekts": {"c": ""}}]),
    ],
)
def test_bad_file(problem: str, entries: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text(json.dumps({**HEAD, "vectors": entries}))
    with pytest.raises(VectorFileError, match=problem):
        linked(read_file(path))


def test_member_twice_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_text('{"about":"Some.","about":"Some."}')
    with pytest.raises(VectorFileError, match="about"):
        read_file(path)
