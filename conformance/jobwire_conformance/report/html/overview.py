"""The top of the page: the verdict on each implementation, what it claimed, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...model import CaseResult, Status
from ..merge import Run
from ..summary import BAD, Standing, cell, claims, held, judged, left_out, standings, verdict
from ..verdict import Exit, is_filtered
from .markup import Child, Safe, tag
from .parts import case_anchor, chip, code, requirement_anchor, slug

_VERDICT_SIGNS = {Exit.CONFORMS: ("pass", "✓"), Exit.FAILS: ("fail", "✗"), Exit.INCOMPLETE: ("not-run", "○")}


def card(run: Run) -> Safe:
    """Show one implementation."""
    header = run.report.header
    about = header.get("implementation", {})
    source = str(about.get("source") or "")
    title = tag("a", run.label, href=source) if source.startswith(("https://", "http://")) else run.label
    return tag(
        "section",
        tag("div", tag("h2", title), tag("span", about.get("language"), class_="muted"), class_="title"),
        tag("p", pill(run), notes(run), class_="verdict"),
        bar(run.report.cases),
        grid(run) if claims(header)[0] else None,
        failures(run),
        facts(run),
        class_="card",
        id=run.key,
    )


def pill(run: Run) -> Safe:
    """Show the verdict."""
    name, sign = _VERDICT_SIGNS.get(judged(run.report), ("error", "⚠"))
    if not run.report.complete:
        name, sign = "error", "⚠"
    return tag(
        "span", tag("span", sign, class_="sign", aria_hidden="true"), " ", verdict(run.report), class_=f"pill {name}"
    )


def notes(run: Run) -> Child:
    """Say what a reader has to know beside the verdict."""
    found = list(run.report.problems)
    if is_filtered(run.report.header):
        given = ", ".join(f"{name} {value}" for name, value in run.report.header["filters"].items() if value)
        count = sum(map(left_out, run.report.cases))
        found.append(f"a part only ({given}), {count} cases left out: says nothing of the whole")
    known = sum(case.status is Status.KNOWN for case in run.report.cases)
    if known:
        found.append(f"{known} known to fail")
    return [tag("span", f" {note}", class_="note") for note in found]


_BAR_ORDER = (
    Status.FAIL,
    Status.STALE,
    Status.ERROR,
    Status.WARN,
    Status.SLOW,
    Status.KNOWN,
    Status.PASS,
    Status.NOT_RUN,
    Status.NOT_APPLICABLE,
)


def bar(cases: Sequence[CaseResult]) -> Child:
    """Draw the share of each status, with its number."""
    found = Counter(case.status for case in cases if not left_out(case))
    total = found.total()
    if not total:
        return tag("p", "No case was run.", class_="muted")
    start, parts = 0.0, []
    for status in _BAR_ORDER:
        width = 1000 * found[status] / total
        if width:
            parts.append(tag("rect", x=round(start, 2), y=0, width=round(width, 2), height=10, class_=slug(status)))
        start += width
    legend = [tag("li", chip(status, f"{found[status]} {status.value}")) for status in _BAR_ORDER if found[status]]
    drawing = tag("svg", parts, viewBox="0 0 1000 10", preserveAspectRatio="none", class_="bar", aria_hidden="true")
    return [drawing, tag("ul", legend, class_="legend")]


def grid(run: Run) -> Safe:
    """Show roles × profiles: how many cases held, of those that apply."""
    roles, profiles = claims(run.report.header)
    shown = sorted({case.profile for case in run.report.cases}, key=lambda one: (one not in profiles, one))
    order = [*profiles, *(one for one in shown if one not in profiles)]
    head = tag("tr", tag("th", "role"), [tag("th", profile, scope="col") for profile in order])
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", [_row(run, role, order) for role in roles]), class_="grid"),
        class_="scroll",
    )


def _row(run: Run, role: str, profiles: Sequence[str]) -> Safe:
    cells = [tag("td", share(cell(run.report.cases, role, profile))) for profile in profiles]
    return tag("tr", tag("th", role, scope="row"), cells)


def share(found: Counter[Status]) -> Safe:
    """Show how many cases held, of how many that apply."""
    good, applicable = held(found)
    if not applicable:
        return tag("span", "–", class_="muted", title="no case, or not claimed")
    bad = any(found[status] for status in BAD)
    status = Status.FAIL if bad else Status.PASS if good == applicable else Status.NOT_RUN
    return chip(status, f"{good}/{applicable}")


def failures(run: Run) -> Child:
    """List the requirements that do not hold, each with the cases that show it."""
    found = standings(run.report.cases).values()
    return [
        _list("What does not hold", [one for one in found if one.status in (Status.FAIL, Status.STALE)], run),
        _list("Where the suite is at fault", [one for one in found if one.status is Status.ERROR], run),
    ]


def _list(title: str, bad: list[Standing], run: Run) -> Child:
    if not bad:
        return None
    items = [
        tag(
            "li",
            tag("a", tag("strong", one.requirement.id), href=f"#{requirement_anchor(one.requirement.id)}"),
            " ",
            code(one.requirement.text),
            tag(
                "ul",
                [
                    tag("li", chip(status), " ", tag("a", case.id, href=f"#{case_anchor(run, case.id)}"))
                    for case, status in one.cases
                    if status in BAD
                ],
                class_="cases",
            ),
        )
        for one in bad
    ]
    return [tag("h3", f"{title} ({len(bad)})"), tag("ol", items, class_="failures")]


def facts(run: Run) -> Safe:
    """List what identifies the run, to repeat it."""
    header = run.report.header
    names = ("suite", "corpus", "spec", "manifest_sha256", "server", "machine", "seed", "time_scale", "started_at")
    rows = [(name.replace("_", " "), header[name]) for name in names if header.get(name) not in (None, "", {})]
    rows.append(("records", f"{run.report.lines} lines, sha256 {run.report.digest}"))
    pairs = [(tag("dt", name), tag("dd", _plain(value))) for name, value in rows]
    return tag("details", tag("summary", "About this run"), tag("dl", pairs, class_="facts"))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(_plain(item) for item in value)
    return str(value)


def comparison(runs: Sequence[Run]) -> Child:
    """Show all implementations in one table, if there are several."""
    runs = [run for run in runs if claims(run.report.header)[0]]
    if len(runs) < 2:
        return None
    profiles = [(role, profile) for role in _all(runs, 0) for profile in _all(runs, 1)]
    columns = [one for one in profiles if any(cell(run.report.cases, *one).total() for run in runs)]
    head = tag("tr", tag("th", "implementation"), tag("th", "verdict"), [tag("th", _head(one)) for one in columns])
    rows = [
        tag(
            "tr",
            tag("th", tag("a", run.label, href=f"#{run.key}"), scope="row"),
            tag("td", pill(run)),
            [tag("td", share(cell(run.report.cases, *one))) for one in columns],
        )
        for run in runs
    ]
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="grid wide")
    return tag("section", tag("h2", "Implementations"), tag("div", table, class_="scroll"), id="implementations")


def _head(one: tuple[str, str]) -> Child:
    return one[0], tag("br"), tag("span", one[1], class_="muted")


def _all(runs: Sequence[Run], which: int) -> list[str]:
    names: list[str] = []
    for run in runs:
        names += [name for name in claims(run.report.header)[which] if name not in names]
    return names
