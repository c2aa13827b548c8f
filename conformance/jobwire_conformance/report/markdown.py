"""Write reports as a short page of Markdown, for the summary of a build."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from ..model import Status
from .merge import Run
from .summary import BAD, cell, claims, held, judged, rerun, standings, verdict
from .text import short, visible
from .together import Matrix, matrices
from .verdict import Exit

_SIGNS = {Exit.CONFORMS: "✅", Exit.FAILS: "❌"}
MOST = 20


def document(runs: Sequence[Run]) -> str:
    """Return the page."""
    lines = ["# Jobwire conformance", ""]
    for run in runs:
        lines += [*_run(run), ""]
    for table in matrices(runs):
        lines += _matrix(table)
    return "\n".join(lines).rstrip() + "\n"


def _run(run: Run) -> Iterator[str]:
    sign = _SIGNS.get(judged(run.report), "⚠️") if run.report.complete else "⚠️"
    yield f"## {sign} {escape(run.label)}: {verdict(run.report)}"
    yield ""
    roles, profiles = claims(run.report.header)
    if roles:
        yield from _claims(run, roles, profiles)
    bad = [one for one in standings(run.report.cases).values() if one.status in BAD]
    if bad:
        yield ""
    for one in bad[:MOST]:
        yield f"- **{escape(one.requirement.id)}** {escape(one.requirement.text)}"
        for case, _ in [found for found in one.cases if found[1] in BAD][:3]:
            yield f"  - {code(rerun(run.report.header, case.id))}"
    if len(bad) > MOST:
        yield f"- and {len(bad) - MOST} more requirements"
    for problem in run.report.problems:
        yield f"- {escape(problem)}"


def _claims(run: Run, roles: Sequence[str], profiles: Sequence[str]) -> Iterator[str]:
    yield f"| role | {' | '.join(profiles)} |"
    yield f"|---|{'---|' * len(profiles)}"
    for role in roles:
        yield f"| {role} | {' | '.join(_share(run, role, profile) for profile in profiles)} |"


def _share(run: Run, role: str, profile: str) -> str:
    good, applicable = held(cell(run.report.cases, role, profile))
    return f"{good}/{applicable}" if applicable else "–"


def _matrix(found: Matrix) -> Iterator[str]:
    yield f"### {found.shape.title}"
    yield ""
    yield f"| {found.shape.row} ↓ {found.shape.column} → | {' | '.join(map(escape, found.columns))} |"
    yield f"|---|{'---|' * len(found.columns)}"
    for row in found.rows:
        cells = [_cell(found, row, column) if found.applies(row, column) else "–" for column in found.columns]
        yield f"| {escape(row)} | {' | '.join(cells)} |"
    yield ""


def _cell(found: Matrix, row: str, column: str) -> str:
    cells = [(part, found.cell(row, column, part)) for part in found.parts]
    if all(cell.status is Status.NOT_RUN for _, cell in cells):
        return Status.NOT_RUN.value
    bad = {True: "❌ ", False: ""}
    return "<br>".join(f"{bad[cell.status in BAD]}{escape(part)} {cell.share}" for part, cell in cells)


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    plain = html.escape(short(visible(text), 500), quote=False)
    return re.sub(r"([\\`*_\[\]|#~!])", r"\\\1", plain)


def code(text: str) -> str:
    """Return text as code, on one line."""
    text = visible(text).replace("|", "\\|")
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
