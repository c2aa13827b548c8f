"""The tables of fields in SPEC.md and the schemas say the same."""

import json
from typing import Any

import pytest

from tests.schemas.documents import SCHEMAS
from tests.spec.text import code_words, section, table

LARGEST = 9007199254740991
JOB, STEP, OUTCOME, ERROR = SCHEMAS.values()
NAMES = {"id": "id", "queue": "queue", "instant": "instant", "version": "string"}
TABLES = {
    "field": (JOB, table(section("4.2"), "field")),
    "member of `retry`": (JOB["$defs"]["retry"], table(section("4.2"), "member of `retry`")),
    "member of `join`": (JOB["$defs"]["join"], table(section("10."), "member of `join`")),
    "outcome": (OUTCOME, table(section("5."), "field")),
    "field of an error": (ERROR, table(section("5."), "field of an error")),
}
ROWS = [(schema, row) for schema, rows in TABLES.values() for row in rows]


def name_of(row: dict[str, str]) -> str:
    return code_words(next(iter(row.values())))[0]


@pytest.mark.parametrize(("schema", "rows"), TABLES.values(), ids=TABLES)
def test_names(schema: dict[str, Any], rows: list[dict[str, str]]) -> None:
    assert list(schema["properties"]) == [name_of(row) for row in rows]


@pytest.mark.parametrize(("schema", "rows"), TABLES.values(), ids=TABLES)
def test_required(schema: dict[str, Any], rows: list[dict[str, str]]) -> None:
    assert schema.get("required", []) == [name_of(row) for row in rows if row.get("required") == "yes"]


@pytest.mark.parametrize(("schema", "row"), ROWS, ids=lambda value: name_of(value) if "meaning" in value else "")
def test_type_and_range(schema: dict[str, Any], row: dict[str, str]) -> None:
    wanted = row["type"].replace("0 to size − 1", "0–999").replace("integer,", "integer").partition(" `\\A")[0]
    assert described(schema["properties"][name_of(row)]) == wanted


@pytest.mark.parametrize(("schema", "row"), ROWS, ids=lambda value: name_of(value) if "meaning" in value else "")
def test_default(schema: dict[str, Any], row: dict[str, str]) -> None:
    text = row.get("default", "").strip("`")
    wanted = None if text in ("", "now", "never", "none") else json.loads(text)
    assert schema["properties"][name_of(row)].get("default") == wanted


@pytest.mark.parametrize(("schema", "row"), ROWS, ids=lambda value: name_of(value) if "meaning" in value else "")
def test_null_is_allowed_where_it_means_absence(schema: dict[str, Any], row: dict[str, str]) -> None:
    is_optional = row.get("required", "no") != "yes"
    assert takes_null(schema["properties"][name_of(row)]) == is_optional


def test_outcome_without_success_has_an_error() -> None:
    assert (OUTCOME["if"]["properties"]["state"]["const"], OUTCOME["else"]["required"]) == ("succeeded", ["error"])


def test_a_step_has_the_fields_of_a_job_but_four_and_pass_result() -> None:
    fields = {name: {"$ref": f"urn:jobwire:1.0:job#/properties/{name}"} for name in JOB["properties"]}
    without = {name: {"not": {}} for name in ("jobwire", "then", "root_id", "parent_id")}
    pass_result = STEP["properties"]["pass_result"]
    assert STEP["properties"] == fields | without | {"pass_result": pass_result}
    assert (pass_result["type"], pass_result["default"]) == (["boolean", "null"], True)
    assert STEP["required"] == ["id", "type", "queue"]


def test_codes() -> None:
    (line,) = [line for line in section("5.").splitlines() if line.startswith("Codes: ")]
    assert ERROR["properties"]["code"]["examples"] == code_words(line)


def followed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that this one refers to, or itself."""
    if "$ref" not in schema:
        return schema
    urn, _, pointer = schema["$ref"].partition("#/")
    found = SCHEMAS[urn.rpartition(":")[2] or "job"]
    for part in filter(None, pointer.split("/")):
        found = found[part]
    return followed(found)


def takes_null(schema: dict[str, Any]) -> bool:
    schema = followed(schema)
    if "anyOf" in schema:
        return any(takes_null(each) for each in schema["anyOf"])
    return ("type" not in schema and "enum" not in schema) or "null" in schema.get("type", ())


def described(schema: dict[str, Any]) -> str:
    """Say the type of a field as SPEC's tables do."""
    if "anyOf" in schema:
        return described(schema["anyOf"][0])
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in NAMES:
        return NAMES[name]
    if name.endswith(":error"):
        return "error"
    schema = followed(schema)
    if "enum" in schema:
        return " ".join(f"`{word}`" for word in schema["enum"])
    kind = schema.get("type", "value")
    kind = kind if isinstance(kind, str) else kind[0]
    if kind in ("integer", "number"):
        low, high = schema["minimum"], schema["maximum"]
        return f"{kind} ≥ {low}" if high == LARGEST else f"{kind} {low}–{high}"
    if kind == "array" and "items" in schema:
        items = "strings" if schema["items"] == {"type": "string"} else schema["items"]["$ref"].rpartition(":")[2] + "s"
        return f"array of {items}" + (", not empty" if schema.get("minItems") else "")
    return kind
