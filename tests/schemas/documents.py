"""The schemas and their examples as they lie on disk."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2] / "schemas"
NAMES = ("job", "step", "outcome", "error")
SCHEMAS: dict[str, Any] = {name: json.loads((ROOT / f"{name}.json").read_bytes()) for name in NAMES}


def validator(name: str, schemas: dict[str, Any] = SCHEMAS) -> Draft202012Validator:
    """Return the validator of one schema, which may refer to all of them."""
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()]
    return Draft202012Validator(schemas[name], registry=Registry().with_resources(resources))


@cache
def examples(name: str, verdict: str) -> dict[str, Any]:
    """Return file name -> document."""
    return {path.name: json.loads(path.read_bytes()) for path in sorted((ROOT / "examples" / name / verdict).iterdir())}


def changes(one: Any, other: Any) -> Iterator[str]:
    """Name the places in which two documents differ; arrays of unequal length differ as a whole."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if key in one and key in other:
                yield from changes(one[key], other[key])
            else:
                yield key
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for left, right in zip(one, other, strict=True):
            yield from changes(left, right)
    elif type(one) is not type(other) or one != other:
        yield "here"
