"""Know the data of the suite: their files, their digest, and whether they have been checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from .model import PACKAGE, requirements

CHECKED: Final = PACKAGE / "checked.sha256"


def corpus() -> str:
    """Return the digest of all case data."""
    return _digest(_data_files())


def to_be_checked() -> str:
    """Return the digest of all that decides whether the case data are as they should be."""
    rules = [*PACKAGE.glob("c*/*.schema.json"), *PACKAGE.glob("cases/*.py"), *PACKAGE.glob("codec/*.py")]
    return _digest([*_data_files(), *sorted(rules)], " ".join(requirements()))


@cache
def is_checked() -> bool:
    """Whether these very data were checked when they were last generated from: it takes longer than to read them."""
    return CHECKED.exists() and CHECKED.read_text(encoding="ascii").strip() == to_be_checked()


def _data_files() -> list[Path]:
    cases, vectors = PACKAGE / "cases" / "data", PACKAGE / "codec" / "vectors"
    return sorted([*cases.rglob("*.yaml"), *vectors.rglob("*.json")])


def _digest(paths: Iterable[Path], text: str = "") -> str:
    digest = hashlib.sha256(text.encode())
    for path in paths:
        digest.update(f"{path.relative_to(PACKAGE).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
