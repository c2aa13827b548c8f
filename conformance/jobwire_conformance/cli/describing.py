"""Describe cases of each kind in lines of text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import yaml

from ..cases.loader import Case
from ..codec.vectors import Vector
from ..plan import Planned
from ..report.explain import quoted
from ..report.text import of_bytes, short
from ..sweep import Sweep

_SHOWN = 2000


def described(case: Planned) -> Iterator[str]:
    """Say what a case does."""
    yield case.id
    yield f"  {case.says}"
    without = getattr(case, "without", None)
    only = f", of those without profile {without}" if without else ""
    yield f"  role {case.role}, profile {case.profile}{only}{', part of smoke' if case.smoke else ''}"
    for name in case.requirements:
        yield ""
        yield from quoted(name)
    yield ""
    if isinstance(case, Case):
        yield from _steps(case)
    elif isinstance(case, Vector):
        yield from _vector(case)
    elif isinstance(case, Sweep):
        yield from _sweep(case)


def _steps(case: Case) -> Iterator[str]:
    yield f"{case.source}:{case.source_line}"
    if case.server == "own" or case.acl:
        limits = ", the worker with the rights of section 13 only" if case.acl else ""
        yield f"a server of its own{limits} {case.config or ''}".rstrip()
    for name, settings in case.workers.items():
        yield f"worker {name}: {_flow(dataclasses.asdict(settings))}"
    for number, step in enumerate(case.steps, 1):
        for kind, value in step.items():
            first, *more = _block(value)
            yield f"{number:>3}. {kind}: {first}".rstrip()
            yield from (f"     {line}" for line in more)


def _block(value: Any) -> list[str]:
    """Return a value on one line, or with a line a member if that is too long."""
    flow = _flow(value)
    if len(flow) <= 100:
        return [flow]
    text = yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    return ["", *(f"  {line}" for line in short(text, _SHOWN).splitlines())]


def _flow(value: Any) -> str:
    text = yaml.safe_dump(_plain(value), default_flow_style=True, sort_keys=False, width=100_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _plain(value: Any) -> Any:
    """Return a value as YAML can write it."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list | tuple) else value


def _vector(vector: Vector) -> Iterator[str]:
    yield f"asks: {vector.op}"
    if vector.data:
        yield f"  {len(vector.data)} bytes as text: {short(of_bytes(vector.data), _SHOWN)}"
        yield f"  in hex: {short(vector.data.hex(' '), _SHOWN)}"
    else:
        yield f"  {_request(vector)}"
    yield f"wants: {_wanted(vector)}"
    if vector.twin:
        yield f"counts only together with its twin, {vector.twin}"


def _request(vector: Vector) -> str:
    return short(_flow({name: value for name, value in vector.request.items() if name != "op"}), _SHOWN)


def _wanted(vector: Vector) -> str:
    field = f" with field {' or '.join(vector.fields)}" if vector.fields else ""
    if vector.verdict == "reject":
        return f"the error {vector.code}{field}"
    if vector.verdict == "refuse":
        return f"an error{f' {vector.code}' if vector.code else ''}{field}"
    if vector.verdict == "survive":
        return "any job, or the error malformed; and an answer to the request behind it"
    also = ", or an error" if vector.may_refuse else ""
    return f"{short(_flow(vector.expected), _SHOWN)}{also}"


def _sweep(sweep: Sweep) -> Iterator[str]:
    yield f"{sweep.source}:{sweep.source_line}"
    yield "A worker is killed before and after each of its commands, in a run each; another one goes on."
    yield f"worker: {_flow(dataclasses.asdict(sweep.worker))}"
    for job in sweep.jobs:
        yield f"enqueued: {_flow(job)}"
    for name, end in sweep.ends.items():
        yield f"ends: {name}: {_flow(dataclasses.asdict(end))}"
    for call, requirement in sweep.judges.items():
        yield f"judged: a death at {call} by {requirement}"
