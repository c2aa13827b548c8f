"""Say what a run was made of: the suite, the specification, the implementation, the machine."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
from collections.abc import Sequence
from typing import Any

from . import __version__
from .corpus import corpus
from .manifest import Manifest
from .model import SPEC
from .plan import Selection
from .server import Server

SPEC_VERSION = "1.0"


async def header(
    manifest: Manifest, selection: Selection, server: Server, hello: dict[str, Any], seed: int, time_scale: float
) -> dict[str, Any]:
    """Return the first record of a run."""
    return {
        "kind": "header",
        "suite": __version__,
        "corpus": corpus(),
        "spec": {"version": SPEC_VERSION, "sha256": hashlib.sha256(SPEC.read_bytes()).hexdigest()},
        "implementation": described(manifest),
        "hello": hello,
        "manifest_sha256": manifest.digest,
        "server": await _engine(server),
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "seed": seed,
        "time_scale": time_scale,
        "filters": selection.record(),
        "started_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


async def header_of_many(manifests: Sequence[Manifest], server: Server, time_scale: float) -> dict[str, Any]:
    """Return the first record of a run of several implementations with each other."""
    record = await header(manifests[0], Selection(), server, {}, 0, time_scale)
    together = {
        "name": "interop",
        "version": " + ".join(f"{manifest.name} {manifest.version}" for manifest in manifests),
        "language": ", ".join(manifest.language for manifest in manifests),
        "spec": SPEC_VERSION,
        "profiles": sorted(set.intersection(*(set(manifest.profiles) for manifest in manifests))),
        "parties": [described(manifest) for manifest in manifests],
    }
    return {**record, "implementation": together, "filters": {}}


def described(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as values of JSON."""
    optional = {"source": manifest.source, "issues": manifest.issues}
    roles = {role: list(manifest.command(role) or ()) for role in manifest.roles}
    known = [
        {"case": entry.case, "reason": entry.reason, "until": entry.until.isoformat()}
        for entry in manifest.known_failing
    ]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "language": manifest.language,
        "spec": manifest.spec,
        "profiles": list(manifest.profiles),
        **roles,
        **{name: value for name, value in optional.items() if value is not None},
        "known_failing": known,
    }


async def _engine(server: Server) -> str:
    client: Any = server.client()
    async with client:
        info = await client.info("server")
    name = info.get("server_name", "redis")
    return f"{name} {info.get('valkey_version') or info.get('redis_version')}"
