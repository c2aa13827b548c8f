"""Write the vectors as plain JSON, for runners in other languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .files import load_vectors
from .vectors import Vector


def copy(path: Path) -> int:
    """Write all vectors into one file, bytes in base64 and nothing left to work out; return how many."""
    vectors = load_vectors()
    lines = ",\n".join(json.dumps(flat(vector), ensure_ascii=True, allow_nan=False) for vector in vectors)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return len(vectors)


def flat(vector: Vector) -> dict[str, Any]:
    """Return a vector as one object: the request to an adapter, and what its answer has to be."""
    found: dict[str, Any] = {
        "id": vector.id,
        "says": vector.says,
        "requirements": list(vector.requirements),
        "profile": vector.profile,
        "request": dict(vector.request),
        "twin": vector.twin,
    }
    return found | {vector.verdict: _EXPECTED[vector.verdict](vector)}


def _error(vector: Vector) -> dict[str, Any]:
    wanted = {"code": vector.code, "field": list(vector.fields)}
    return {name: value for name, value in wanted.items() if value}


def _expected(vector: Vector) -> Any:
    return vector.expected


def _survive(vector: Vector) -> dict[str, Any]:
    return {"unsayable": vector.unsayable}


def _write(vector: Vector) -> dict[str, Any]:
    # The job is that of the request.
    return {"may_refuse": vector.may_refuse, "unsayable": vector.unsayable}


_EXPECTED = {
    "accept": _expected,
    "reject": _error,
    "survive": _survive,
    "write": _write,
    "refuse": _error,
    "delay": _expected,
}
