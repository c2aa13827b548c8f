"""Say in lines of text why a case failed: the rule, the facts, what went over the wire, and how to run it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..model import CaseResult, Check, Requirement, Status, requirements
from .likeness import looks_like
from .summary import failing, rerun, status_of
from .text import as_ms, short, visible
from .timeline import Moment, around, begin, everything, is_here

VALUE = 600
STDERR_LINES = 12
# The same rule broken again and again is shown so often.
ALIKE = 2


def quoted(name: str) -> Iterator[str]:
    """Quote a requirement, and say where it stands."""
    requirement = requirements().get(name)
    if requirement is None:
        yield f"{name}: not in this SPEC.md"
        return
    yield f"{name} {requirement.level}, {where(requirement)}"
    yield f'  "{requirement.text}"'


def where(requirement: Requirement) -> str:
    """Return the place of a requirement."""
    return f"SPEC.md#{requirement.anchor}"


def failure(
    header: Mapping[str, Any], case: CaseResult, checks: Sequence[Check], others: Sequence[CaseResult], whole: bool
) -> Iterator[str]:
    """Explain a case by the checks of it that did not hold; `whole` shows all that was said on the wire."""
    yield f"{case.status.value.upper()} {case.id}: {visible(case.says)}"
    if case.reason and not any(check.what == case.reason for check in checks):
        yield from (f"  {visible(line)}" for line in case.reason.rstrip().splitlines())
    yield from _checks(case, checks)
    yield from (f"    {line}" for line in _moments(case, checks, whole))
    yield from _stderr(case)
    if like := looks_like(case, others):
        yield f"  could be: {like.says} ({like.mutant})"
    yield f"  rerun: {rerun(header, case.id)}"


def _checks(case: CaseResult, checks: Sequence[Check]) -> Iterator[str]:
    seen = Counter[tuple[str, str]]()
    for check in checks:
        seen[check.requirement, check.what] += 1
        if seen[check.requirement, check.what] <= ALIKE:
            yield from _facts(case, check)
    for (name, what), count in seen.items():
        if count > ALIKE:
            yield f"  and {count - ALIKE} more of {name}: {visible(what)}"


def _facts(case: CaseResult, check: Check) -> Iterator[str]:
    at = f" at {as_ms(check.at - begin(case))} ms" if check.at is not None else ""
    status = status_of(case, check)
    yield f"  {status.value} {check.requirement}: {visible(check.what)}{at}"
    for name, text in (("expected", check.expected), ("got", check.got)):
        if text:
            yield f"    {name:<9}{visible(short(text, VALUE))}"


def _moments(case: CaseResult, checks: Sequence[Check], whole: bool) -> Iterator[str]:
    at = _instant(checks)
    found = everything(case, 2000) if whole else around(case, at)
    yield from (f"{line(one)}{'  <-- here' if is_here(case, one, at) else ''}" for one in found)


def _instant(checks: Sequence[Check]) -> float | None:
    return next((check.at for check in checks if check.at is not None), None)


def line(moment: Moment) -> str:
    """Return a moment as a line: when, who, which way, what."""
    return f"{as_ms(moment.at):>9} {visible(moment.who)}{moment.sign} {moment.text}"


def _stderr(case: CaseResult) -> Iterator[str]:
    if case.stderr.strip():
        yield "  standard error, its end:"
        yield from (f"    {visible(short(text, 300))}" for text in case.stderr.rstrip().splitlines()[-STDERR_LINES:])


def by_requirement(cases: Sequence[CaseResult], *statuses: Status) -> dict[str, list[tuple[CaseResult, list[Check]]]]:
    """Sort what has one of the statuses by the requirement that it breaks, in the order of SPEC.md."""
    found: dict[str, list[tuple[CaseResult, list[Check]]]] = {name: [] for name in requirements()}
    for case in cases:
        if case.status not in statuses:
            continue
        checks = [check for check in failing(case) if check.status in statuses]
        for name in dict.fromkeys(check.requirement for check in checks) or case.requirements[:1]:
            found.setdefault(name, []).append((case, [one for one in checks if one.requirement == name]))
    return {name: broken for name, broken in found.items() if broken}
