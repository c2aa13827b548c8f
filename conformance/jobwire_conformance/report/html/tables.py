"""The tables of the page: requirements by implementation, and producers by workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model import Status
from ..merge import Run
from ..summary import Standing, left_out, standings
from ..together import Cell, Matrix
from .markup import Child, Safe, tag
from .parts import case_anchor, chip, code, requirement_anchor, slug

# Of the cases of a requirement so many are linked, the worst first.
LINKS = 20


def requirements_table(runs: Sequence[Run]) -> Safe:
    """Show where each requirement stands in each run."""
    found = [standings(run.report.cases) for run in runs]
    names = list(dict.fromkeys(name for one in found for name in one))
    several = len(runs) > 1
    titles = [tag("th", run.label if several else "status", scope="col") for run in runs]
    head = tag("tr", tag("th", "requirement"), tag("th", "rule"), titles)
    rows = [_requirement(name, runs, found) for name in names]
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="requirements")
    return tag("div", table, class_="scroll" if several else "")


def _requirement(name: str, runs: Sequence[Run], found: Sequence[Mapping[str, Standing]]) -> Safe:
    requirement = next(one[name].requirement for one in found if name in one)
    standing = [one.get(name) for one in found]
    cells = [tag("td", _standing(run, one), class_="status") for run, one in zip(runs, standing, strict=True)]
    cases = [case for one in standing if one for case, _ in one.cases]
    topics = dict.fromkeys(case.id.rpartition("/")[0] for case in cases)
    words = f"{name} {requirement.text} {' '.join(topics)}".lower()
    return tag(
        "tr",
        tag("th", tag("a", name, href=f"#{requirement_anchor(name)}"), tag("small", requirement.level), scope="row"),
        tag("td", code(requirement.text), tag("small", requirement.section), class_="rule"),
        cells,
        id=requirement_anchor(name),
        class_="row",
        data_status=" ".join(sorted({slug(one.status if one else None) for one in standing})),
        data_role=" ".join(sorted({case.role for case in cases})),
        data_text=words,
    )


def _standing(run: Run, standing: Standing | None) -> Child:
    if standing is None or not standing.cases:
        return chip(None)
    looked = [one for one in standing.cases if not left_out(one[0])]
    if not looked:
        return chip(Status.NOT_RUN, "left out")
    shown = sorted(looked, key=lambda one: one[1] is not standing.status)
    first = chip(standing.status, href=f"#{case_anchor(run, shown[0][0].id)}")
    links = [
        tag("li", chip(status), " ", tag("a", case.id, href=f"#{case_anchor(run, case.id)}"))
        for case, status in shown[:LINKS]
    ]
    if len(shown) > LINKS:
        links.append(tag("li", f"and {len(shown) - LINKS} more: search the cases for {standing.requirement.id}"))
    number = f"{len(shown)} case" + ("s" if len(shown) != 1 else "")
    return first, tag("details", tag("summary", number), tag("ul", links, class_="cases"))


def together(found: Sequence[Matrix]) -> Child:
    """Show who was run with whom: a cell counts the checks that held, part by part, and links to its cases."""
    if not found:
        return None
    tables = [(tag("h3", matrix.shape.title), tag("div", _table(matrix), class_="scroll")) for matrix in found]
    return tag("section", tag("h2", "Together"), tables, id="together")


def _table(matrix: Matrix) -> Safe:
    corner = f"{matrix.shape.row} ↓ {matrix.shape.column} →"
    head = tag("tr", tag("th", corner), [tag("th", column, scope="col") for column in matrix.columns])
    rows = [
        tag("tr", tag("th", row, scope="row"), [tag("td", _parts(matrix, row, column)) for column in matrix.columns])
        for row in matrix.rows
    ]
    return tag("table", tag("thead", head), tag("tbody", rows), class_="grid wide")


def _parts(matrix: Matrix, row: str, column: str) -> Child:
    if not matrix.applies(row, column):
        return tag("span", "–", class_="muted")
    found = [(part, matrix.cell(row, column, part)) for part in matrix.parts]
    if not any(cell.cases for _, cell in found):
        return chip(Status.NOT_RUN)
    return [tag("div", tag("span", part, class_="muted"), " ", _cell(cell), class_="part") for part, cell in found]


def _cell(cell: Cell) -> Child:
    if not cell.cases:
        return chip(Status.NOT_RUN)
    run, case = cell.first
    text = None if cell.status is Status.NOT_RUN else cell.share
    first = chip(cell.status, text, href=f"#{case_anchor(run, case.id)}")
    if len(cell.cases) == 1:
        return first
    links = [
        tag("li", chip(case.status), " ", tag("a", case.id, href=f"#{case_anchor(run, case.id)}"))
        for run, case in cell.cases
    ]
    return first, tag("details", tag("summary", "cases"), tag("ul", links, class_="cases"))
