"""The sections of the page: one for each case, with all that shows why it has its status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...model import CaseResult, Check, Status, requirements
from ..explain import line
from ..likeness import looks_like
from ..merge import Run
from ..stream import Entry
from ..summary import BAD, failing, left_out, rerun, status_of
from ..text import as_ms, short
from ..timeline import Moment, around, begin, everything, history, is_here, wire
from .markup import Attribute, Child, Safe, tag
from .parts import case_anchor, chip, requirement_anchor, rule, slug


@dataclass(frozen=True)
class Limits:
    """What a page can hold of a single case; the report itself has all of it."""

    moments: int
    value: int
    stderr: int


PASSED = Limits(moments=60, value=160, stderr=1000)
OTHER = Limits(moments=400, value=2000, stderr=8000)
VALUE = 4000
# The same rule broken again and again is shown so often.
ALIKE = 2


def sections(runs: Sequence[Run]) -> Iterator[Safe]:
    """Show the cases of all runs, those that did not pass first."""
    for run in runs:
        cases = sorted(
            (case for case in run.report.cases if not left_out(case)), key=lambda case: case.status not in BAD
        )
        title = tag("h3", run.label) if len(runs) > 1 else None
        yield tag("div", title, [brief(run, case) if _unseen(case) else section(run, case) for case in cases])


def _unseen(case: Entry) -> bool:
    return case.status in (Status.NOT_RUN, Status.NOT_APPLICABLE)


def brief(run: Run, case: Entry) -> Safe:
    """Show a case that was not run, of which there is nothing to unfold."""
    title = tag("code", case.id, class_="name", title=case.says)
    why = tag("span", case.reason, class_="says")
    return tag("div", chip(case.status), " ", title, why, id=case_anchor(run, case.id), **_row(run, case, "brief"))


def _row(run: Run, case: Entry, name: str) -> dict[str, Attribute]:
    words = f"{case.id} {case.says} {' '.join(case.requirements)} {run.label}".lower()
    return {
        "class_": f"case {name} row",
        "data_status": slug(case.status),
        "data_role": case.role,
        "data_text": words,
    }


def section(run: Run, case: Entry) -> Safe:
    """Show a case; what is behind a link opens by itself, as the anchor stands within."""
    summary = tag(
        "summary",
        chip(case.status),
        " ",
        tag("code", case.id, class_="name"),
        tag("span", case.says, class_="says"),
    )
    body = tag("div", _body(run, case), class_="body", id=case_anchor(run, case.id))
    return tag("details", summary, body, open=case.status in BAD, **_row(run, case, "whole"))


def _body(run: Run, case: Entry) -> Child:
    limits = PASSED if case.status is Status.PASS else OTHER
    facts = [case.role, case.profile, *(f"{name} {value}" for name, value in case.axes.items()), f"{case.ms:.0f} ms"]
    found = failing(case)
    rest = [name for name in case.requirements if name not in {check.requirement for check in found}]
    good = [check for check in case.checks if check.status is Status.PASS]
    told = case.reason and not any(check.what == case.reason for check in found)
    return (
        tag("p", " · ".join(facts), class_="muted"),
        tag("pre", case.reason) if told else None,
        [_broken(case, name, found) for name in dict.fromkeys(check.requirement for check in found)],
        _moment_of_failure(case, found),
        _like(run, case),
        [tag("h4", "Run it alone"), tag("pre", rerun(run.report.header, case.id))],
        [_rule(name) for name in rest] if case.status is not Status.PASS else _rules(rest),
        _folded(f"What held ({len(good)})", tag("ul", [_check(case, check) for check in good], class_="checks"), good),
        _folded("Steps", tag("ol", [tag("li", tag("code", step)) for step in case.steps], class_="steps"), case.steps),
        [_folded(title, moments(found, limits.moments), found) for title, found in _told(case, limits)],
        _folded("Standard error", tag("pre", _tail(case.stderr, limits.stderr)), case.stderr),
    )


def _told(case: Entry, limits: Limits) -> Iterator[tuple[str, list[Moment]]]:
    if case.status is Status.PASS:
        yield "What happened", everything(case, limits.value)
        return
    yield "What happened", history(case, limits.value)
    yield "Bytes on the wire", wire(case, limits.value)


def _folded(title: str, content: Safe, present: object) -> Child:
    return tag("details", tag("summary", title), content) if present else None


def _rules(names: Sequence[str]) -> Safe:
    links = [(tag("a", name, href=f"#{requirement_anchor(name)}"), " ") for name in names if name in requirements()]
    return tag("p", "Judges ", links)


def _rule(name: str) -> Child:
    return rule(requirements()[name]) if name in requirements() else None


def _broken(case: Entry, name: str, found: Sequence[Check]) -> Child:
    """Show the checks of one requirement that did not hold; the same again and again is counted."""
    here = [check for check in found if check.requirement == name]
    more = tag("li", f"and {len(here) - ALIKE} more", class_="muted") if len(here) > ALIKE else None
    return _rule(name), tag("ul", [_check(case, check) for check in here[:ALIKE]], more, class_="checks")


def _moment_of_failure(case: Entry, found: Sequence[Check]) -> Child:
    if not found or not (case.transcript or case.events):
        return None
    at = next((check.at for check in found if check.at is not None), None)
    title = "Around that moment" if at is not None else "The last that was said"
    near = around(case, at)
    here = next((one for one in near if is_here(case, one, at)), None)
    return tag("h4", title), moments(near, OTHER.moments, here)


def _like(run: Run, case: Entry) -> Child:
    if case.status is not Status.FAIL:
        return None
    like = looks_like(case, [other for other in run.report.cases if other is not case])
    return tag("p", tag("strong", "Looks like: "), like.says, f" ({like.mutant})") if like else None


def _check(case: CaseResult, check: Check) -> Safe:
    status = status_of(case, check)
    at = tag("span", f" {as_ms(check.at - begin(case))} ms", class_="muted") if check.at is not None else None
    facts = [("expected", check.expected), ("got", check.got)]
    pairs = [(tag("dt", name), tag("dd", tag("code", short(text, VALUE)))) for name, text in facts if text]
    return tag(
        "li",
        chip(status),
        " ",
        tag("strong", check.requirement),
        " ",
        check.what,
        at,
        tag("dl", pairs, class_="facts") if pairs and status is not Status.PASS else None,
    )


def moments(found: Sequence[Moment], most: int, here: Moment | None = None) -> Safe:
    """Show moments, a line each: when, who, which way, what."""
    lines = [
        tag("li", line(one), class_="here" if one is here else "reply" if one.sign == "<" else None)
        for one in found[:most]
    ]
    more = len(found) - most
    left_out = tag("li", f"{more} more in the report itself", class_="reply") if more > 0 else None
    return tag("ol", lines, left_out, class_="moments")


def _tail(text: str, most: int) -> str:
    return text if len(text) <= most else f"…\n{text[-most:]}"
