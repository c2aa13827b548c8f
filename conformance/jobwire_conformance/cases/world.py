"""What all cases of a run share."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import redis.asyncio as redis

from ..manifest import Manifest
from ..server import Server


@dataclass
class World:
    """The implementation, the shared server, a folder for files, and by how much slower a machine is allowed to be.

    `without` names the rules that are not looked at in every case.
    """

    manifest: Manifest
    server: Server
    client: redis.Redis
    folder: Path
    time_scale: float = 1.0
    without: Collection[str] = ()
    _names: Iterator[str] = field(default_factory=lambda: _numbered(f"t{secrets.token_hex(4)}"))

    def namespace(self) -> str:
        """Return a namespace that nobody has used."""
        return next(self._names)


def _numbered(prefix: str) -> Iterator[str]:
    return (f"{prefix}-{number}" for number in itertools.count(1))
