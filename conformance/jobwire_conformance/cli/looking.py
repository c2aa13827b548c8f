"""list, show and explain: say what the suite checks."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from ..model import requirements
from ..plan import Planned, everything
from ..report.explain import where
from ..selftest.matrix import load_matrix
from ..selftest.mutants import load_mutants
from ..trace import untestable
from .describing import described
from .options import selecting, selection_of

# More cases of one topic than this are only counted.
MOST_NAMED = 12


@click.command("list")
@selecting
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def list_cases(as_json: bool, **filters: tuple[str, ...]) -> int:
    """List the cases of the suite."""
    chosen = selection_of(filters)
    cases = [case for case in everything() if chosen.takes(case)]
    names = ("id", "says", "requirements", "role", "profile", "smoke")
    if as_json:
        click.echo(json.dumps([{name: getattr(case, name) for name in names} for case in cases], indent=1))
    else:
        width = max((len(case.id) for case in cases), default=0)
        for case in cases:
            click.echo(f"{case.id:<{width}}  {', '.join(case.requirements)}: {case.says}")
        roles = ", ".join(f"{count} {role}" for role, count in Counter(case.role for case in cases).items())
        click.echo(f"{len(cases)} cases: {roles or 'none match'}")
    return 0 if cases else 4


@click.command(short_help="Show what a case does.")
@click.argument("case")
def show(case: str) -> None:
    """Show what CASE does: the rules that it judges, and its steps or bytes."""
    known = {one.id: one for one in everything()}
    if case not in known:
        raise click.UsageError(f"expected the id of a case, got {case}{_instead(case, list(known))}")
    for line in described(known[case]):
        click.echo(line)


@click.command(short_help="Show a requirement, its cases, and mistakes that break it.")
@click.argument("requirement")
def explain(requirement: str) -> None:
    """Show a REQUIREMENT of SPEC.md, the cases that judge it, and mistakes that break it."""
    name = requirement.upper().strip("[]")
    if name not in requirements():
        raise click.UsageError(
            f"expected a requirement of SPEC.md, got {requirement}{_instead(name, list(requirements()))}"
        )
    for line in _explained(name):
        click.echo(line)


def _instead(given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=5, cutoff=0.5)
    return f"; do you mean {' or '.join(close)}?" if close else ""


def _by_topic(cases: Sequence[Planned]) -> Iterator[str]:
    topics: dict[str, list[Planned]] = {}
    for case in cases:
        topics.setdefault(case.id.rpartition("/")[0], []).append(case)
    for topic, found in topics.items():
        if len(found) > MOST_NAMED:
            yield f"  {len(found)} of {topic}/; `list --case '{topic}/*'` names them"
        else:
            yield from (f"  {case.id}: {case.says}" for case in found)


def _explained(name: str) -> Iterator[str]:
    rule = requirements()[name]
    yield f"{name} {rule.level}, section {rule.section} ({where(rule)})"
    yield f'  "{rule.text}"'
    yield ""
    cases = [case for case in everything() if name in case.requirements]
    yield f"{len(cases)} cases judge it:" if cases else "No case judges it."
    yield from _by_topic(cases)
    if name in untestable():
        yield f"  {untestable()[name]}"
    breaking = [mutant for mutant in load_mutants() if name in mutant.breaks]
    if breaking:
        yield ""
        yield f"{len(breaking)} mistakes that break it, tried on a small implementation:"
    found = load_matrix()
    for mutant in breaking:
        killers = {case for case, broken in found[mutant.id].failing if broken == name} if mutant.id in found else set()
        by = f" found by {', '.join(sorted(killers)[:3])}" if killers else ""
        yield f"  {mutant.id} {mutant.says}{by}"
