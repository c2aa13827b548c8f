"""Write a run as lines of JSON, as it goes, and read such a file again.

The last line, the footer, holds how many lines stand before it and their SHA-256. A run that was broken off has none.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from ..model import CaseResult, Check, Status


class Broken(Exception):
    """A file that cannot be read as a report at all."""


@dataclass(frozen=True)
class Entry(CaseResult):
    """A case as a report holds it; cases that join several implementations say which took which part."""

    axes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a file holds, and what is wrong with it as a stream of records."""

    path: str
    header: Mapping[str, Any]
    cases: tuple[Entry, ...]
    footer: Mapping[str, Any] | None
    lines: int
    digest: str
    problems: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return self.footer is not None


class Writer:
    """Write each record as it comes, so that what was judged is kept even if the run is broken off."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash, self._lines = file, hashlib.sha256(), 0

    def write(self, record: Mapping[str, Any]) -> None:
        """Write a record; a footer gets the number and the digest of the lines before it."""
        if record["kind"] == "footer":
            record = {**record, "lines": self._lines, "digest": self._hash.hexdigest()}
        line = json.dumps(_plain(record), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        self._hash.update(line)
        self._lines += 1
        self._file.write(line)
        self._file.flush()


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: documents under test can hold what JSON cannot."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, bytes | bytearray | memoryview):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else repr(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return repr(value)


def read(path: Path) -> Report:
    """Read a report; whatever is wrong with it is said in its problems, but what is no report at all is refused."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Broken(f"{path}: expected a report to read, got {error.strerror}") from error
    return _Reader(str(path)).read(data)


class _Reader:
    """Reads the lines of one report."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.header: dict[str, Any] = {}
        self.cases: list[Entry] = []
        self.footer: dict[str, Any] | None = None
        self.problems: list[str] = []

    def read(self, data: bytes) -> Report:
        hashed, digest, lines = hashlib.sha256(), "", 0
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            if self.footer is None:
                digest, lines = hashed.hexdigest(), number - 1
            hashed.update(line)
            self._line(number, line)
        if self.footer is None:
            digest, lines = hashed.hexdigest(), len(data.splitlines())
            self.problems.append("no footer: the run was broken off")
        return Report(self.path, self.header, tuple(self.cases), self.footer, lines, digest, tuple(self.problems))

    def _line(self, number: int, line: bytes) -> None:
        try:
            record = json.loads(line)
            kind = record["kind"]
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(number, f"expected a record as JSON with a kind, got {line[:60]!r}", error)
            return
        if self.footer is not None:
            self.problems.append(f"line {number}: expected nothing after the footer, got a {kind} record")
        elif (kind == "header") != (number == 1):
            self._refuse(number, f"expected the header as the first line and nowhere else, got a {kind} record")
        elif kind == "header":
            self.header = record
        elif kind == "footer":
            self.footer = record
        elif kind == "case":
            self._case(number, record)
        else:
            self.problems.append(f"line {number}: expected a case or the footer, got {kind!r}")

    def _case(self, number: int, record: dict[str, Any]) -> None:
        try:
            self.cases.append(entry(record))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            self.problems.append(f"line {number}: expected a case with all its fields, got {error!r}")

    def _refuse(self, number: int, message: str, cause: Exception | None = None) -> None:
        if number == 1:
            raise Broken(f"{self.path}: line 1: {message}") from cause
        self.problems.append(f"line {number}: {message}")


_FIELDS = frozenset(one.name for one in fields(Entry))
_CHECK_FIELDS = frozenset(one.name for one in fields(Check))


def entry(record: Mapping[str, Any]) -> Entry:
    """Return the case of a record. Members that this version does not know are left out."""
    values = {name: value for name, value in record.items() if name in _FIELDS}
    values["status"] = Status(record["status"])
    values["checks"] = tuple(_check(check) for check in record.get("checks", ()))
    for name in ("requirements", "events", "transcript", "steps"):
        values[name] = tuple(record.get(name, ()))
    _check_types(values)
    return Entry(**values)


_TEXTS = ("id", "says", "role", "profile", "reason", "stderr")
_LISTS: Mapping[str, type] = {"requirements": str, "steps": str, "events": dict, "transcript": dict}


def _check_types(values: Mapping[str, Any]) -> None:
    """Refuse values of other types, which pages could not show."""
    for name in _TEXTS:
        if not isinstance(values.get(name, ""), str):
            raise TypeError(f"{name}: expected text, got {values[name]!r}")
    if not isinstance(values.get("ms", 0), int | float) or not isinstance(values.get("axes", {}), dict):
        raise TypeError("expected ms as a number and axes as an object")
    for name, kind in _LISTS.items():
        if not all(isinstance(item, kind) for item in values[name]):
            raise TypeError(f"{name}: expected a list of {kind.__name__}")


def _check(record: Mapping[str, Any]) -> Check:
    values = {name: value for name, value in record.items() if name in _CHECK_FIELDS}
    return Check(**{**values, "status": Status(record["status"])})
