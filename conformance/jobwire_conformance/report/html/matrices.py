"""The tables of the page: requirements by implementation, and producers by workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model import Status
from ..merge import Matrix, Pair, Run
from ..summary import BAD, Standing, held, left_out, standings
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


def interop(matrix: Matrix | None) -> Child:
    """Show producers × workers: a cell counts the cases that passed, by encoding; it links to them."""
    if matrix is None:
        return None
    head = tag("tr", tag("th", "producer ↓ worker →"), [tag("th", worker, scope="col") for worker in matrix.workers])
    rows = [
        tag(
            "tr",
            tag("th", producer, scope="row"),
            [tag("td", _pair(matrix.pairs.get((producer, worker)), matrix)) for worker in matrix.workers],
        )
        for producer in matrix.producers
    ]
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="grid wide")
    return tag("section", tag("h2", "Together"), tag("div", table, class_="scroll"), id="interop")


def _pair(pair: Pair | None, matrix: Matrix) -> Child:
    if pair is None:
        return chip(Status.NOT_RUN)
    return [tag("div", _encoding(pair, encoding), class_="encoding") for encoding in matrix.encodings]


def _encoding(pair: Pair, encoding: str) -> Child:
    found = pair.counts.get(encoding)
    name = tag("span", encoding, " ", class_="muted")
    if found is None:
        return name, chip(Status.NOT_RUN)
    good, applicable = held(found)
    cases = [(run, case) for run, case in pair.cases if str(case.axes.get("encoding", "")) == encoding]
    cases.sort(key=lambda one: one[1].status not in BAD)
    bad = any(found[status] for status in BAD)
    status = Status.FAIL if bad else Status.PASS if good == applicable and good else Status.NOT_RUN
    links = [
        tag("li", chip(case.status), " ", tag("a", case.id, href=f"#{case_anchor(run, case.id)}"))
        for run, case in cases
    ]
    first = chip(status, f"{good}/{applicable}", href=f"#{case_anchor(cases[0][0], cases[0][1].id)}")
    return name, first, tag("details", tag("summary", "cases"), tag("ul", links, class_="cases"))
