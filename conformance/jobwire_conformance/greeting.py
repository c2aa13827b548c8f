"""Ask each adapter who it is, and see that it does not say yes to everything."""

from __future__ import annotations

import secrets
from typing import Any

from .adapter import Adapter, AdapterError
from .cases.matching import difference, render
from .manifest import Manifest
from .model import CaseResult, Check, Status

_ROLES = ("codec", "producer")


async def greet(manifest: Manifest, time_scale: float) -> tuple[dict[str, Any], dict[str, CaseResult]]:
    """Return what each adapter answered to hello, and a failure for each role whose adapter is not as it has to be."""
    hello: dict[str, Any] = {}
    deaf: dict[str, CaseResult] = {}
    for role in _ROLES:
        command = manifest.command(role)
        if command is None:
            continue
        adapter = Adapter()
        await adapter.start(command, manifest.folder, manifest.env)
        try:
            hello[role] = await adapter.ask("hello", timeout_ms=manifest.startup_ms * time_scale)
            checks = [_as_manifest(manifest, role, hello[role]), await _probe(adapter, time_scale)]
        except AdapterError as error:
            checks = [_check("hello", "an answer", str(error))]
        await adapter.kill()
        if any(check.status is Status.FAIL for check in checks):
            deaf[role] = _failure(role, checks, adapter.stderr_tail)
    return hello, deaf


def _as_manifest(manifest: Manifest, role: str, answer: dict[str, Any]) -> Check:
    wanted = {
        "name": manifest.name,
        "version": manifest.version,
        "spec": manifest.spec,
        "roles": {"has": [role]},
        "profiles": {"has": list(manifest.profiles)},
    }
    wrong = difference(wanted, answer)
    if wrong is None:
        return Check("ROLE-1", "hello", Status.PASS)
    return _check("hello, as in the manifest", f"{wrong.path} {wrong.expected}", f"{wrong.got} in {render(answer)}")


async def _probe(adapter: Adapter, time_scale: float) -> Check:
    """Ask for something that nobody knows."""
    op = f"unknown-{secrets.token_hex(4)}"
    answer = await adapter.ask(op, timeout_ms=10_000 * time_scale)
    if answer == {"unsupported": True}:
        return Check("ROLE-1", "an unknown op", Status.PASS)
    return _check(f"an unknown op, {op}", '{"unsupported": true}', render(answer))


def _check(what: str, expected: str, got: str) -> Check:
    return Check("ROLE-1", what, Status.FAIL, f"{expected} [ROLE-1]", got)


def _failure(role: str, checks: list[Check], stderr: str) -> CaseResult:
    failed = next(check for check in checks if check.status is Status.FAIL)
    return CaseResult(
        id=f"adapter/{role}/hello",
        says=f"The adapter of the {role} answers hello as its manifest says, and refuses what it does not know.",
        requirements=("ROLE-1",),
        role=role,
        profile="core",
        status=Status.FAIL,
        reason=f"adapter/{role}/hello: {failed.what}: wanted {failed.expected}, got {failed.got}",
        checks=tuple(checks),
        stderr=stderr,
    )
