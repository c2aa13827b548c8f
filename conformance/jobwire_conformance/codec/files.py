"""Read the files of vectors, and refuse one that holds anything unknown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from ..corpus import is_checked
from ..model import requirements
from .vectors import Vector, vectors_of

FOLDER: Final = Path(__file__).parent


class VectorFileError(Exception):
    """A file of vectors is not as vector.schema.json says."""


@cache
def load_vectors() -> tuple[Vector, ...]:
    """Read all vectors of the suite, in the order of their files."""
    return linked(vector for path in vector_files() for vector in read_file(path, checked=is_checked()))


def vector_files() -> list[Path]:
    """Return the files of vectors that the suite has."""
    return sorted((FOLDER / "vectors").glob("*.json"))


def read_file(path: Path, *, checked: bool = False) -> list[Vector]:
    """Read one file of vectors, whose twins are still names.

    Refuses it with all that is wrong, unless it is known to be right.
    """
    try:
        file = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_members)
    except ValueError as error:
        raise VectorFileError(f"{path.name}: {error}") from error
    problems = [] if checked else [f"{path.name}: {problem}" for problem in _problems(file)]
    if problems:
        raise VectorFileError("\n".join(problems))
    return [vector for entry in file["vectors"] for vector in vectors_of(path.stem, file, entry)]


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"expected members of their own, got twice {sorted({n for n in names if names.count(n) > 1})}")
    return dict(pairs)


KINDS: Final = {"at": "table", "encode": "encode", "delay": "delay"}


def _problems(file: Any) -> Iterator[str]:
    yield from (f"{_at(error)}: {error.message[:300]}" for error in _validator("file").iter_errors(file))
    for entry in file.get("vectors", ()) if isinstance(file, dict) else ():
        # Each kind has a schema of its own: what a choice among them finds wrong, nobody understands.
        kind = next((kind for name, kind in KINDS.items() if name in entry), "decode")
        name = entry.get("name", entry.get("at", ""))
        for error in _validator(kind).iter_errors(entry):
            yield f"{name}: {_at(error)}: {error.message[:300]}"


def _at(error: Any) -> str:
    return ".".join(map(str, error.absolute_path)) or "it"


@cache
def _validator(kind: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / "vector.schema.json").read_text(encoding="utf-8"))
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})


def linked(vectors: Iterable[Vector]) -> tuple[Vector, ...]:
    """Put the ids of twins in place of their names; refuse ids that stand twice, and twins that are none."""
    found = tuple(vectors)
    by_id = {vector.id: vector for vector in found}
    if len(by_id) < len(found):
        ids = [vector.id for vector in found]
        raise VectorFileError(f"stand twice: {sorted({id for id in ids if ids.count(id) > 1})}")
    for vector in found:
        unknown = set(vector.requirements) - set(requirements())
        if unknown:
            raise VectorFileError(f"{vector.id}: not in SPEC.md: {sorted(unknown)}")
    return tuple(_linked(vector, by_id) for vector in found)


def _linked(vector: Vector, by_id: Mapping[str, Vector]) -> Vector:
    if vector.twin is None:
        return vector
    topic = vector.id.split("/")[1]
    name = f"codec/{vector.twin}" if "/" in vector.twin else f"codec/{topic}/{vector.twin}"
    for id in (f"{name}-{vector.encoding}", name):
        if id in by_id and id != vector.id:
            return dataclasses.replace(vector, twin=id)
    raise VectorFileError(f"{vector.id}: there is no vector {name}, nor one in {vector.encoding or 'an encoding'}")
