"""Read the manifest of an implementation, `jobwire.toml`."""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

Command = tuple[str, ...]
ROLES = ("codec", "producer", "worker")


class ManifestError(Exception):
    """The manifest cannot be read, or is not as manifest.schema.json says."""


@dataclass(frozen=True)
class KnownFailing:
    """A case that has to fail, and why, and the day by which it is to be mended."""

    case: str
    reason: str
    until: datetime.date


@dataclass(frozen=True)
class Manifest:
    """What an implementation claims, and how its programs are started."""

    name: str
    version: str
    language: str
    spec: str
    profiles: tuple[str, ...]
    path: Path
    digest: str
    codec: Command | None = None
    producer: Command | None = None
    worker: Command | None = None
    setup: Command | None = None
    startup_ms: int = 10_000
    env: Mapping[str, str] = field(default_factory=dict)
    known_failing: tuple[KnownFailing, ...] = ()
    source: str | None = None
    issues: str | None = None

    @property
    def folder(self) -> Path:
        """Where the commands run."""
        return self.path.parent

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that it claims."""
        return tuple(role for role in ROLES if self.command(role))

    def command(self, role: str) -> Command | None:
        """Return the command of a role, if it has that."""
        found: Command | None = getattr(self, role)
        return found


def load(path: Path) -> Manifest:
    """Read the manifest at a path, or in a folder."""
    path = path.resolve()
    if path.is_dir():
        path /= "jobwire.toml"
    try:
        data = path.read_bytes()
        value = _plain(tomllib.loads(data.decode("utf-8")))
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: {error}") from error
    errors = sorted(_validator().iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    if errors:
        raise ManifestError("\n".join(f"{path}: {_explain(error)}" for error in errors))
    return _manifest(value, path, hashlib.sha256(data).hexdigest())


def _manifest(value: dict[str, Any], path: Path, digest: str) -> Manifest:
    commands = {role: _command(value[role]["command"]) if role in value else None for role in ROLES}
    return Manifest(
        **{name: value[name] for name in ("name", "version", "language", "spec")},
        profiles=tuple(value["profiles"]),
        path=path,
        digest=digest,
        codec=commands["codec"],
        producer=commands["producer"],
        worker=commands["worker"],
        setup=_command(value["setup"]) if "setup" in value else None,
        startup_ms=value.get("startup_ms", 10_000),
        env=value.get("env", {}),
        known_failing=tuple(_known(entry, path) for entry in value.get("known_failing", ())),
        source=value.get("source"),
        issues=value.get("issues"),
    )


def _known(entry: dict[str, str], path: Path) -> KnownFailing:
    try:
        until = datetime.date.fromisoformat(entry["until"])
    except ValueError as error:
        raise ManifestError(f"{path}: known_failing of {entry['case']}: until: {error}") from error
    return KnownFailing(entry["case"], entry["reason"], until)


def _command(words: list[str]) -> Command:
    return tuple(word.replace("{python}", sys.executable) for word in words)


def _plain(value: Any) -> Any:
    """Write dates as strings, so that a date of TOML and one in quotes are the same."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def _explain(error: ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path))
    message = error.message
    if error.validator == "anyOf":
        message = "wanted at least one of [codec], [producer], [worker]"
    elif error.validator == "contains":
        message = "wanted core among the profiles"
    return f"{where}: {message}" if where else message


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(Path(__file__).with_name("manifest.schema.json").read_text("utf-8")))
