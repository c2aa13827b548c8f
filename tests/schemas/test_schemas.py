"""The schemas say what their examples say, and no rule in them is idle."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.schemas.documents import NAMES, ROOT, SCHEMAS, changes, examples, validator

NOTES = {"$schema", "$id", "title", "description", "default", "examples", "$defs"}
CASES = [
    (name, verdict, file) for name in NAMES for verdict in ("valid", "invalid") for file in examples(name, verdict)
]


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert SCHEMAS[name]["$id"] == f"urn:jobwire:1.0:{name}"


@pytest.mark.parametrize("name", NAMES)
def test_example_folders(name: str) -> None:
    assert {path.name for path in (ROOT / "examples" / name).iterdir()} == {"valid", "invalid"}


def test_there_are_examples_of_the_four_schemas_only() -> None:
    assert {path.name for path in (ROOT / "examples").iterdir()} == set(NAMES)


@pytest.mark.parametrize(("name", "verdict", "file"), CASES)
def test_example(name: str, verdict: str, file: str) -> None:
    errors = list(validator(name).iter_errors(examples(name, verdict)[file]))
    assert ("invalid" if errors else "valid") == verdict, [error.message for error in errors]


@pytest.mark.parametrize("name", NAMES)
def test_every_invalid_example_is_one_change_away_from_a_valid_one(name: str) -> None:
    valid = examples(name, "valid").values()
    alone = [
        file
        for file, document in examples(name, "invalid").items()
        if isinstance(document, dict) and not any(len(list(changes(document, twin))) == 1 for twin in valid)
    ]
    assert alone == []


@pytest.mark.parametrize("name", NAMES)
def test_no_two_examples_are_the_same(name: str) -> None:
    texts = [path.read_text() for path in (ROOT / "examples" / name).rglob("*.json")]
    assert len(texts) - len(set(texts)) == 0


def places(schema: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Name every keyword that can turn a document down."""
    for word, rule in schema.items():
        if word in ("properties", "$defs"):
            for member, below in rule.items():
                yield from places(below, (*path, word, member))
        elif word not in NOTES:
            yield (*path, word)
            for part, below in enumerate(rule) if word == "anyOf" else ():
                yield from places(below, (*path, word, part))
            if isinstance(rule, dict) and word not in ("not", "if"):
                yield from places(rule, (*path, word))


def altered(name: str, place: tuple[Any, ...], step: float) -> dict[str, Any]:
    """Return the schemas with one keyword taken out (step 0) or its number moved."""
    schemas = copy.deepcopy(SCHEMAS)
    holder = schemas[name]
    for part in place[:-1]:
        holder = holder[part]
    if step:
        holder[place[-1]] += step
    else:
        del holder[place[-1]]
    return schemas


def is_noticed(name: str, schemas: dict[str, Any], verdict: str) -> bool:
    """Tell whether an example is judged otherwise than its folder says."""
    judge = validator(name, schemas)
    return any(judge.is_valid(document) != (verdict == "valid") for document in examples(name, verdict).values())


KEYWORDS = [(name, place) for name in NAMES for place in places(SCHEMAS[name])]
LIMITS = {"minimum": 1, "minLength": 1, "minItems": 1, "maximum": -1, "maxLength": -1}


@pytest.mark.parametrize(("name", "place"), KEYWORDS, ids=lambda value: str(value))
def test_an_invalid_example_needs_this_keyword(name: str, place: tuple[Any, ...]) -> None:
    assert is_noticed(name, altered(name, place, 0), "invalid")


@pytest.mark.parametrize(
    ("name", "place"), [row for row in KEYWORDS if row[1][-1] in LIMITS], ids=lambda value: str(value)
)
def test_a_valid_example_stands_at_this_limit(name: str, place: tuple[Any, ...]) -> None:
    assert is_noticed(name, altered(name, place, LIMITS[place[-1]]), "valid")
